"""The errors of Bruk: one base, stable codes.

A subclass carries a ``code`` that clients may rely on, and identifiers of what it is about. The
message says what is wrong and what to do. Translation to HTTP or to an exit status happens once,
at the door (``api.problem``, ``gateway.problem``, ``cli.main``), from ``kind``.
"""

from enum import StrEnum


class ErrorKind(StrEnum):
    """What an error means to the caller; each door maps these to its own status."""

    INVALID = "invalid"  # the input is malformed or out of range; sending it again will not help
    UNAUTHENTICATED = "unauthenticated"  # nobody knows who is asking
    FORBIDDEN = "forbidden"  # known, and may not
    NOT_FOUND = "not_found"  # no such thing, or not visible to this caller
    CONFLICT = "conflict"  # the thing is in a state that does not allow this
    EXHAUSTED = "exhausted"  # a budget, grant, quota or limit is used up
    UNAVAILABLE = "unavailable"  # something needed is away; trying later may help
    INTERNAL = "internal"  # a defect or a damaged record


class BrukError(Exception):
    """Base of every error that Bruk raises on purpose.

    Attributes:
        code: stable, lower case with underscores; documented in the error reference.
        kind: what it means to the caller.
        detail: identifiers of what the error is about, JSON-serialisable.
    """

    code: str = "internal_error"
    kind: ErrorKind = ErrorKind.INTERNAL

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__(message)
        self.message = message
        self.detail: dict[str, object] = detail


class InvalidInput(BrukError):
    """The caller's input cannot be used as it is."""

    code = "invalid_input"
    kind = ErrorKind.INVALID


class Unauthenticated(BrukError):
    """No credential, or one that is unknown, expired or disabled."""

    code = "unauthenticated"
    kind = ErrorKind.UNAUTHENTICATED


class Forbidden(BrukError):
    """The caller is known and its role does not allow this."""

    code = "forbidden"
    kind = ErrorKind.FORBIDDEN


class NotFound(BrukError):
    """There is no such thing, or the caller may not see it."""

    code = "not_found"
    kind = ErrorKind.NOT_FOUND


class Conflict(BrukError):
    """The thing exists already or is in a state that does not allow this."""

    code = "conflict"
    kind = ErrorKind.CONFLICT


class IllegalTransition(Conflict):
    """A state was asked to follow one that it may not follow (see ``transitions``)."""

    code = "illegal_transition"


class PriceMissing(BrukError):
    """Something was used, or is about to be, that has no price. It is never free by accident."""

    code = "price_missing"
    kind = ErrorKind.CONFLICT


class BudgetExhausted(BrukError):
    """A budget or a grant does not cover what was asked."""

    code = "budget_exhausted"
    kind = ErrorKind.EXHAUSTED


class Held(BrukError):
    """A hold stands on the platform, the site, the tenant or the model: it is switched off."""

    code = "held"
    kind = ErrorKind.UNAVAILABLE


class GateNotPassed(Conflict):
    """A model was asked to be served before its gate was passed."""

    code = "gate_not_passed"


class ResidencyViolation(BrukError):
    """The project's law does not allow this place."""

    code = "residency"
    kind = ErrorKind.FORBIDDEN
