"""What clients send to end, rotate and disable what lets somebody in; as ``requests``, with its limits."""

from typing import Annotated

from pydantic import AfterValidator, Field

from bruk.model.inspection import INSPECTION_MS_MAX, OperatorAccess
from bruk.wire.agent import Shape
from bruk.wire.fields import Flag, Millis, ProjectId, ShortText

# Long enough to bring a new secret everywhere, short enough that an old one is not forgotten.
OVERLAP_MS_MAX = 30 * 86_400_000


class RotateBody(Shape):
    """A new secret for a key or a token; the one before works on for ``overlap_ms``."""

    overlap_ms: Annotated[int, Field(strict=True, ge=0, le=OVERLAP_MS_MAX)] = 0


class UserChange(Shape):
    """Disable a person, or let them in again."""

    disabled: Flag


class EndBody(Shape):
    """End a person's sessions and tokens; ``keep_this`` leaves the caller's own that is used here."""

    keep_this: Flag = False


class SigningKeyBody(Shape):
    """A new signing key; ``revoked_from_ms``: from when on the old one is not believed, if it was stolen."""

    revoked_from_ms: Millis | None = None


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("say why: the tenant reads it")
    return text.strip()


class InspectionBody(Shape):
    """An operator asks to look at what a project's work wrote and holds, for ``life_ms``, and says why."""

    project: ProjectId
    reason: Annotated[ShortText, AfterValidator(_said)]
    life_ms: Annotated[int, Field(strict=True, ge=60_000, le=INSPECTION_MS_MAX)] = 3_600_000


class OperatorAccessBody(Shape):
    """What a tenant demands before operators look at its content."""

    operator_access: OperatorAccess
