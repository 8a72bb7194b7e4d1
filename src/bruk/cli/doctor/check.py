"""What every check of the doctor answers: what was looked at, how it is, and what to do."""

from dataclasses import dataclass
from enum import StrEnum

ANSWER_S = 2.0


class Finding(StrEnum):
    """How a check ended."""

    OK = "ok"
    LACKS = "lacks"  # something optional is not there
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was looked at, what was found and what to do."""

    what: str
    finding: Finding
    detail: str
    advice: str = ""
