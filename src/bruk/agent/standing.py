"""What stands over the site: holds from control, the local key, the lease; and what it means.

Pure but for one file: what control said last is kept in ``standing.json``, so that a restart while
control is away neither forgets the policy nor extends the lease without end. ``hand`` acts on it.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bruk.agent.disk import write_durably
from bruk.agent.record import RunRecord
from bruk.model.errors import BrukError
from bruk.model.jsontext import parse_json
from bruk.model.site import CutOffPolicy
from bruk.model.switch import Hold, HoldScope
from bruk.wire import codec
from bruk.wire.agent import SyncResponse

log = logging.getLogger(__name__)
_FILE = "standing.json"
CLOCK_STEP_MS = 1_000


@dataclass(frozen=True, slots=True)
class Standing:
    """The last word of control, as far as it outlives an exchange.

    Attributes:
        generation: of the switch, newest heard.
        holds: those that cover the site.
        lease_ms: how long the word holds [ms].
        heard_at_ms: when it was heard, by the agent's clock [ms].
    """

    generation: int = 0
    holds: tuple[Hold, ...] = ()
    lease_ms: int = 60_000
    cut_off: CutOffPolicy = CutOffPolicy.CONTINUE
    heard_at_ms: int = 0

    @classmethod
    def of(cls, response: SyncResponse, now_ms: int) -> "Standing":
        # The site's own key is what its file says; control only repeats what it was told of it.
        holds = tuple(hold for hold in response.holds if hold.scope is not HoldScope.LOCAL)
        return cls(response.generation, holds, response.lease_ms, response.cut_off, now_ms)

    def lease_ended(self, now_ms: int) -> bool:
        # A word from the future was written under a clock that has been set back: nobody can say how old
        # it is, so that it counts for nothing until control is heard again.
        return not -CLOCK_STEP_MS <= now_ms - self.heard_at_ms <= self.lease_ms

    def worth_saving_over(self, saved: "Standing") -> bool:
        """Whether it says something new, or the saved time would shorten the lease too much."""
        same = (self.generation, self.holds, self.lease_ms, self.cut_off) == (
            saved.generation,
            saved.holds,
            saved.lease_ms,
            saved.cut_off,
        )
        return not same or self.heard_at_ms - saved.heard_at_ms >= max(1000, self.lease_ms // 4)

    def save(self, home: Path) -> None:
        """Write it durably.

        Raises:
            OSError: the disk refused.
        """
        write_durably(home / _FILE, json.dumps(codec.dump(self)).encode())

    @classmethod
    def load(cls, home: Path) -> "Standing":
        """What was saved; an empty one where nothing readable is."""
        try:
            return codec.load(cls, parse_json((home / _FILE).read_bytes()))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, BrukError) as error:
            log.error("%s cannot be read, control will say it again: %s", home / _FILE, error)
            return cls()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a run may not live now; empty ``reason`` if it may.

    Attributes:
        held: the reason is a hold, not the end of the lease.
    """

    reason: str = ""
    held: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """Everything that stands over the site at one moment."""

    site: str
    standing: Standing
    local: Hold | None = None
    cut_off: bool = False
    holds: tuple[Hold, ...] = field(init=False)

    def __post_init__(self) -> None:
        holds = self.standing.holds + ((self.local,) if self.local else ())
        object.__setattr__(self, "holds", holds)

    def over(self, record: RunRecord) -> Verdict:
        """What stands over a run."""
        if self.local is not None:
            return Verdict(
                f"the site's own key is off: {self.local.reason or self.local.raised_by}", held=True
            )
        for hold in self.standing.holds:
            if covers(hold, self.site, record):
                return Verdict(f"{hold.scope.value} {hold.target} is switched off: {hold.reason}", held=True)
        if self.cut_off and self.standing.cut_off is CutOffPolicy.STOP:
            return Verdict("control was away past the lease, and the site's policy is to stop")
        return Verdict()

    def held(self, records: Iterable[RunRecord]) -> list[RunRecord]:
        """The runs under a hold that may have living processes."""
        return [record for record in records if record.may_live and self.over(record).held]


def covers(hold: Hold, site: str, record: RunRecord) -> bool:
    """Whether a hold stands over a run; a run whose owner nobody has told is always covered."""
    if record.order is None:
        return hold.scope not in (HoldScope.SITE, HoldScope.LOCAL) or hold.target == site
    tenant = record.order.project.split("/", 1)[0]
    return hold.covers(site, tenant, record.order.model)
