"""The switch: holds, and what each enforcer says of them.

Work proceeds only where no hold stands. Every raise and release gets the next *generation*; each
gateway and agent acknowledges the newest generation that it has carried out.
"""

from dataclasses import dataclass
from enum import StrEnum


class HoldScope(StrEnum):
    """What a hold is on."""

    PLATFORM = "platform"
    SITE = "site"
    TENANT = "tenant"
    MODEL = "model"
    LOCAL = "local"  # raised by hand at the site itself; control sees it and cannot release it


@dataclass(frozen=True, slots=True)
class Hold:
    """One standing hold.

    Attributes:
        target: the site, tenant or model; ``*`` for the platform.
        generation: of the switch when it was raised.
    """

    id: str
    scope: HoldScope
    target: str
    generation: int
    raised_by: str
    raised_at_ms: int
    reason: str = ""
    released_by: str | None = None
    released_at_ms: int | None = None
    released_generation: int | None = None

    def covers(self, site: str, tenant: str, model: str = "") -> bool:
        """Whether it stands over work of this tenant (and model) at this site."""
        match self.scope:
            case HoldScope.PLATFORM:
                return True
            case HoldScope.SITE | HoldScope.LOCAL:
                return self.target == site
            case HoldScope.TENANT:
                return self.target == tenant
            case HoldScope.MODEL:
                return bool(model) and self.target == model


class EnforcerKind(StrEnum):
    """Who carries out a hold."""

    AGENT = "agent"
    GATEWAY = "gateway"
    SCHEDULER = "scheduler"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What one enforcer has carried out.

    Attributes:
        generation: newest generation of the switch that it has carried out in full.
        refused: requests refused by holds since the enforcer started.
        drained: requests let finish.
        stopped: runs that ended because of holds.
        processes_left: processes of held runs that still live, counted over all descendants.
    """

    enforcer: EnforcerKind
    id: str
    generation: int
    at_ms: int
    refused: int = 0
    drained: int = 0
    stopped: int = 0
    processes_left: int = 0
