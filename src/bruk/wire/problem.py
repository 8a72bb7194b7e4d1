"""Errors on the wire: RFC 9457 problem details for the API, OpenAI's shape for the gateway."""

from pydantic import BaseModel, Field

from bruk.model.errors import BrukError, ErrorKind

HTTP_STATUS: dict[ErrorKind, int] = {
    ErrorKind.INVALID: 422,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.EXHAUSTED: 402,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.INTERNAL: 500,
}


class Problem(BaseModel):
    """An RFC 9457 problem document (media type ``application/problem+json``)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    about: dict[str, object] = Field(default_factory=dict)


def problem_of(error: BrukError) -> Problem:
    """The problem document of an error."""
    return Problem(
        type=f"urn:bruk:error:{error.code}",
        title=error.code.replace("_", " "),
        status=HTTP_STATUS[error.kind],
        code=error.code,
        detail=error.message,
        about=error.detail,
    )
