"""The same snapshot with some events and without: who is touched, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass

from bruk.model.snapshot import Snapshot
from bruk.twin.whatif.events import WhatIf, check
from bruk.twin.whatif.play import Happened, Play, Progress, Story

# [W * 1e-6 * ms * mg / kWh] to [mg]: a kilowatt-hour is 3.6e9 W ms.
_CARBON_UNITS = 1_000_000 * 3_600_000_000


@dataclass(frozen=True, slots=True)
class Delay:
    """A job that ends at another time than it would have; None: not before the end."""

    workload: str
    project: str
    before_ms: int | None
    after_ms: int | None


@dataclass(frozen=True, slots=True)
class SiteFigures:
    """What a site's runs take, without the events and with them."""

    site: str
    peak_w: tuple[int, int]
    energy_j: tuple[int, int]
    carbon_mg: tuple[int, int]


@dataclass(frozen=True, slots=True)
class WhatIfAnswer:
    """Two stories, and how they differ.

    Attributes:
        lines: what happens only with the events.
        device_ms: by tenant, without and with.
        power_w: by site, power at each whole minute, without and with [W].
    """

    now_ms: int
    until_ms: int
    lines: tuple[Happened, ...]
    delays: tuple[Delay, ...]
    sites: tuple[SiteFigures, ...]
    device_ms: dict[str, tuple[int, int]]
    power_w: dict[str, tuple[list[int], list[int]]]


def what_if(
    snapshot: Snapshot, events: Sequence[WhatIf], until_ms: int, progress: Progress | None = None
) -> WhatIfAnswer:
    """Play a snapshot with and without the events until an instant [ms].

    Raises:
        EventImpossible: an event is about something that is not there.
        SnapshotIncomplete, UnknownPolicy: see ``scheduler.schedule``.
    """
    for event in events:
        check(snapshot, event)
    before = Play(snapshot, (), until_ms).run(_half(progress, 0))
    after = Play(snapshot, events, until_ms).run(_half(progress, 1))
    return _compared(snapshot, until_ms, before, after)


def _half(progress: Progress | None, at: int) -> Progress | None:
    if progress is None:
        return None
    told = progress
    return lambda done, total: told(done + at * total, 2 * total)


def _compared(snapshot: Snapshot, until_ms: int, before: Story, after: Story) -> WhatIfAnswer:
    usual = set(before.lines)
    lines = tuple(line for line in after.lines if line not in usual)
    projects = {line.workload: line.project for line in (*before.lines, *after.lines)}
    delays = [
        Delay(workload, projects[workload], before.ended_ms.get(workload), after.ended_ms.get(workload))
        for workload in sorted(before.ended_ms.keys() | after.ended_ms.keys())
        if before.ended_ms.get(workload) != after.ended_ms.get(workload)
    ]
    names = sorted(state.site.name for state in snapshot.sites)
    sites = tuple(
        SiteFigures(
            name,
            (max(before.power_w[name], default=0), max(after.power_w[name], default=0)),
            (before.energy_uj[name] // 1_000_000, after.energy_uj[name] // 1_000_000),
            (before.carbon[name] // _CARBON_UNITS, after.carbon[name] // _CARBON_UNITS),
        )
        for name in names
    )
    tenants = sorted(before.device_ms.keys() | after.device_ms.keys())
    return WhatIfAnswer(
        snapshot.now_ms,
        until_ms,
        lines,
        tuple(delays),
        sites,
        {tenant: (before.device_ms[tenant], after.device_ms[tenant]) for tenant in tenants},
        {name: (before.power_w[name], after.power_w[name]) for name in names},
    )
