"""The scheduler's answer: placements, evictions, and for everything left waiting a reason."""

from dataclasses import dataclass, field

from bruk.model.reason import Reason, ReasonCode
from bruk.model.run import DeviceSet


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that was considered, with its score; lower is better.

    Attributes:
        nodes: empty where they are not for the caller to know.
    """

    site: str
    nodes: tuple[str, ...]
    score: int


@dataclass(frozen=True, slots=True)
class Placement:
    """Start this pending item there.

    Attributes:
        filtered: how many nodes each filter took out.
        leading: the best few candidates, the chosen first.
    """

    pending: str
    workload: str
    site: str
    accelerator: str
    devices: tuple[DeviceSet, ...]
    filtered: dict[ReasonCode, int] = field(default_factory=dict)
    leading: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Cap:
    """Let this run draw so many percent less than at full power; 0: no less."""

    run: str
    percent: int
    detail: str


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A site draws so much above its power limit, and nothing there may give way [W]."""

    site: str
    watts: int


@dataclass(frozen=True, slots=True)
class Eviction:
    """Stop this run, for that pending item; for none, where its site must draw less power."""

    run: str
    for_pending: str
    detail: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """This pending item waits, for this reason."""

    pending: str
    workload: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now. Immutable; the applier re-checks it against the newest state."""

    now_ms: int
    placements: tuple[Placement, ...] = ()
    evictions: tuple[Eviction, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    caps: tuple[Cap, ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()
