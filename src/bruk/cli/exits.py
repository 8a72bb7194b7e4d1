"""Exit statuses, and the one place where an error becomes one."""

from bruk.model.errors import BrukError, ErrorKind

DONE = 0
FAILED = 1
WRONG_USE = 2
NOT_FOUND = 3
NOT_ALLOWED = 4
REFUSED = 5
USED_UP = 6
UNREACHABLE = 7
NOT_VERIFIED = 8

MEANINGS: dict[int, str] = {
    DONE: "done",
    FAILED: "failed",
    WRONG_USE: "wrong use or invalid input",
    NOT_FOUND: "not found",
    NOT_ALLOWED: "not allowed or not logged in",
    REFUSED: "refused by state: conflict, switched off, gate not passed",
    USED_UP: "budget, grant or quota used up",
    UNREACHABLE: "control cannot be reached",
    NOT_VERIFIED: "verification failed",
}

_BY_KIND: dict[ErrorKind, int] = {
    ErrorKind.INVALID: WRONG_USE,
    ErrorKind.UNAUTHENTICATED: NOT_ALLOWED,
    ErrorKind.FORBIDDEN: NOT_ALLOWED,
    ErrorKind.NOT_FOUND: NOT_FOUND,
    ErrorKind.CONFLICT: REFUSED,
    ErrorKind.EXHAUSTED: USED_UP,
    ErrorKind.UNAVAILABLE: UNREACHABLE,
    ErrorKind.INTERNAL: FAILED,
}

# Codes whose kind alone would say something else than they mean to a person at a shell.
_BY_CODE: dict[str, int] = {
    "held": REFUSED,
    "waited_too_long": FAILED,
    "backup_failed": FAILED,
    "restore_failed": FAILED,
    "backup_damaged": NOT_VERIFIED,
    "records_broken": NOT_VERIFIED,
}


def status_of(error: BrukError) -> int:
    """The exit status of an error."""
    return _BY_CODE.get(error.code, _BY_KIND[error.kind])
