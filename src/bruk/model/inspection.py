"""An operator's request to look at what a tenant's work wrote and holds: for a reason, for a time.

What is looked at under it is counted thing by thing, so that the tenant learns who read what.
"""

from dataclasses import dataclass
from enum import StrEnum

from bruk.model.errors import Forbidden

INSPECTION_MS_MAX = 24 * 3_600_000


class InspectionState(StrEnum):
    """Where a request to look stands; it follows from its times."""

    ASKED = "asked"  # the tenant's administrator has not said yes yet
    GRANTED = "granted"  # the operator may look now
    ENDED = "ended"  # somebody ended it before its time, or said no
    EXPIRED = "expired"  # its time is over


class OperatorAccess(StrEnum):
    """What a tenant demands before operators look at its content."""

    AUDITED = "audited"  # a request with a reason and a time opens it; the tenant sees it
    APPROVED = "approved"  # an administrator of the tenant says yes first


class AccessNeeded(Forbidden):
    """What a tenant's work wrote and holds is seen by operators only with an open access request."""

    code = "access_needed"


@dataclass(frozen=True, slots=True)
class InspectionUse:
    """One thing that was looked at, when first: ``run_1/log``, ``run_1/progress``, ``art_1``."""

    inspection: str
    what: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """One request, from when it was asked.

    Attributes:
        life_ms: how long it is to be open, from when it is granted [ms].
        site: of an operator of one site: only runs there are seen.
        granted_by, granted_at_ms, expires_at_ms: set together.
        ended_by, ended_at_ms: set together, when somebody ended it.
        uses: what was looked at.
    """

    id: str
    project: str
    asked_by: str
    asked_at_ms: int
    reason: str
    life_ms: int
    site: str | None = None
    granted_by: str | None = None
    granted_at_ms: int | None = None
    expires_at_ms: int | None = None
    ended_by: str | None = None
    ended_at_ms: int | None = None
    uses: tuple[InspectionUse, ...] = ()

    def state(self, now_ms: int) -> InspectionState:
        """Where it stands at ``now_ms`` [ms]."""
        if self.ended_at_ms is not None:
            return InspectionState.ENDED
        if self.expires_at_ms is None:
            # A question that nobody answered does not stay open for ever.
            over = now_ms >= self.asked_at_ms + INSPECTION_MS_MAX
            return InspectionState.EXPIRED if over else InspectionState.ASKED
        return InspectionState.GRANTED if now_ms < self.expires_at_ms else InspectionState.EXPIRED
