"""The one error of the client, carrying the server's own code, status and sentence."""

from collections.abc import Mapping

from bruk.model.errors import BrukError, ErrorKind
from bruk.wire.problem import HTTP_STATUS

CONTROL_UNREACHABLE = "control_unreachable"
NOT_BRUK = "not_bruk"
DIGEST_MISMATCH = "digest_mismatch"
WAITED_TOO_LONG = "waited_too_long"

_KINDS: dict[int, ErrorKind] = {status: kind for kind, status in HTTP_STATUS.items()} | {
    429: ErrorKind.EXHAUSTED,
    502: ErrorKind.UNAVAILABLE,
    504: ErrorKind.UNAVAILABLE,
}


class SdkError(BrukError):
    """Control refused, could not be reached, or answered what cannot be used.

    Attributes:
        code: control's code, or one of this module's where nothing of control's came.
        status: HTTP status; None when there was no answer.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        kind: ErrorKind,
        status: int | None = None,
        about: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, **dict(about or {}))
        self.code = code
        self.kind = kind
        self.status = status


def kind_of_status(status: int) -> ErrorKind:
    """What an HTTP status of 400 or more means to the caller."""
    fallback = ErrorKind.INVALID if status < 500 else ErrorKind.INTERNAL
    return _KINDS.get(status, fallback)


def unreachable(url: str, why: str) -> SdkError:
    """The error of an address at which nothing answers, with what to do."""
    return SdkError(
        f"Control at {url} cannot be reached: {why}. Start it with 'bruk up', or give its address with "
        "--url or BRUK_URL.",
        code=CONTROL_UNREACHABLE,
        kind=ErrorKind.UNAVAILABLE,
        about={"url": url},
    )


def not_bruk(url: str, why: str, status: int | None = None) -> SdkError:
    """The error of an address at which something else than Bruk answers."""
    return SdkError(
        f"What answers at {url} is not Bruk's API, or is another version of it: {why}. "
        "Check the address (--url or BRUK_URL).",
        code=NOT_BRUK,
        kind=ErrorKind.INTERNAL,
        status=status,
        about={"url": url},
    )
