"""The jobs of a trace, as columns: a hundred thousand objects would cost more than their replay."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# No instant or duration of a trace lies beyond this [ms]: some three hundred years.
TIME_MS_MAX = 10**13
DEVICES_MAX = 10**7
# What a job has unless its trace says otherwise; see ``model.workload``.
PRIORITY = 50
# When a job starts that never does.
NEVER = -1


class Row(NamedTuple):
    """One job as its trace tells it.

    Attributes:
        limit_ms: None: not known, so that the length is taken [ms].
        owner: a project, as ``tenant/name``, or a user; empty: not known.
    """

    arrival_ms: int
    length_ms: int
    devices: int
    limit_ms: int | None = None
    owner: str = ""
    priority: int = PRIORITY


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs in the order of their arrival.

    Attributes:
        arrival_ms: when each came [ms].
        length_ms: how long each runs [ms].
        devices: how many devices each needs, at least 1.
        unusable: records of the trace that are no job, because a figure is unknown.
        limit_ms: how long each may run at most, as a scheduler knows it, never below its length [ms].
            Empty: estimates are perfect, the limits are the lengths.
        owner: number of each one's owner in ``owners``. Empty: they are all one owner's.
        owners: names, as in ``Row``.
        priority: the higher goes first in a fair order. Empty: they are all alike.
    """

    arrival_ms: list[int]
    length_ms: list[int]
    devices: list[int]
    unusable: int = 0
    limit_ms: Sequence[int] = ()
    owner: Sequence[int] = ()
    owners: tuple[str, ...] = ("",)
    priority: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.arrival_ms)

    @property
    def limits_ms(self) -> Sequence[int]:
        """The time limit of each [ms]."""
        return self.limit_ms or self.length_ms

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, int] | Row], unusable: int = 0) -> "Jobs":
        """From rows in any order; those that came together keep theirs."""
        ordered = sorted((Row(*row) for row in rows), key=lambda row: row.arrival_ms)
        owners = tuple(dict.fromkeys(row.owner for row in ordered)) or ("",)
        numbers = {name: number for number, name in enumerate(owners)}
        limited = any(row.limit_ms is not None for row in ordered)
        ranked = any(row.priority != PRIORITY for row in ordered)
        return cls(
            [row.arrival_ms for row in ordered],
            [row.length_ms for row in ordered],
            [row.devices for row in ordered],
            unusable,
            [max(row.length_ms, row.limit_ms or 0) for row in ordered] if limited else (),
            [numbers[row.owner] for row in ordered] if len(owners) > 1 else (),
            owners,
            [row.priority for row in ordered] if ranked else (),
        )

    def first(self, count: int) -> "Jobs":
        """The first so many."""
        return Jobs(
            self.arrival_ms[:count],
            self.length_ms[:count],
            self.devices[:count],
            self.unusable,
            self.limit_ms[:count],
            self.owner[:count],
            self.owners,
            self.priority[:count],
        )


@dataclass(frozen=True, slots=True)
class Played:
    """What a replay led to.

    Attributes:
        starts_ms: when each job starts first, ``NEVER`` for one that cannot [ms].
        ends_ms: when each has ended, ``NEVER`` likewise [ms].
        parts: where jobs are preempted: each span for which one runs, as job, from and to [ms]; else
            None, and each runs from its start to its end.
    """

    starts_ms: list[int]
    ends_ms: list[int]
    parts: list[tuple[int, int, int]] | None = None
