"""What a filter says when it refuses: a code, what is the case, and what to do about it."""

from dataclasses import dataclass

from bruk.model.reason import ReasonCode

CODES = tuple(ReasonCode)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What one filter says.

    Attributes:
        detail: what is the case, as a clause without a capital or a full stop.
        advice: one or more sentences; following them gets the item past this filter.
    """

    code: ReasonCode
    detail: str
    advice: str

    @property
    def rank(self) -> int:
        """How far the item came; higher is further."""
        return CODES.index(self.code)
