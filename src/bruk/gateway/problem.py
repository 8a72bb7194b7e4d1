"""Refusals in OpenAI's error shape: the one place where a reason becomes an HTTP status.

A message must never hold an address, a key, a path, or the name of a model that the caller may not see.
Look next at `admit`, which raises most of these.
"""

from __future__ import annotations

import json

from bruk.model.errors import BrukError, ErrorKind

# Code: HTTP status, OpenAI's type of error, and what to do, for the error reference.
CODES: dict[str, tuple[int, str, str]] = {
    "invalid_api_key": (401, "authentication_error", "Send a key of your project that is valid now."),
    "residency": (403, "permission_error", "Call a gateway at a site where your project's data may be."),
    "held": (
        503,
        "service_unavailable",
        "The operator has switched this off; it comes back when switched on.",
    ),
    "lease_ended": (
        503,
        "service_unavailable",
        "The gateway lost its connection to control; it serves again when that is back.",
    ),
    "shutting_down": (503, "service_unavailable", "Send the request again; another process takes it."),
    "journal_unavailable": (
        503,
        "service_unavailable",
        "Usage cannot be recorded; the operator must free disk.",
    ),
    "too_many_requests": (429, "rate_limit_error", "Send the request again after the stated time."),
    "rate_limited": (
        429,
        "rate_limit_error",
        "Send the request again after the stated time, ask for fewer tokens, or have the limit raised.",
    ),
    "body_too_large": (413, "invalid_request_error", "Send a shorter body."),
    "malformed_request": (400, "invalid_request_error", "Send HTTP/1.1."),
    "headers_too_large": (431, "invalid_request_error", "Send shorter headers."),
    "body_timeout": (408, "invalid_request_error", "Send the body faster."),
    "invalid_json": (400, "invalid_request_error", "Send one JSON object in UTF-8 without repeated names."),
    "invalid_value": (400, "invalid_request_error", "Correct the parameter that is named."),
    "unsupported_parameter": (400, "invalid_request_error", "Leave the parameter out."),
    "upstream_refused": (400, "invalid_request_error", "The model's server refused; correct what it names."),
    "model_not_found": (404, "invalid_request_error", "Take a model that GET /v1/models lists."),
    "not_found": (404, "invalid_request_error", "Take one of the documented routes."),
    "method_not_allowed": (405, "invalid_request_error", "Take the method that the route documents."),
    "price_missing": (409, "invalid_request_error", "The operator must set a price for this model."),
    "no_replica": (503, "service_unavailable", "Send the request again after the stated time."),
    "insufficient_budget": (402, "insufficient_quota", "Ask for fewer tokens, or have the budget raised."),
    "budget_ended": (402, "insufficient_quota", "The budget ended in mid-answer; have it raised."),
    "upstream_failed": (502, "server_error", "Send the request again."),
    "internal_error": (500, "server_error", "Tell the operator the request's id."),
}


class Refusal(BrukError):
    """A request that ends here, for the reason `code`.

    Attributes:
        status: of the HTTP answer.
        param: the request's parameter that is at fault, or None.
        retry_after_s: when trying again may help [s], or None.
    """

    kind = ErrorKind.INVALID

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: int | None = None,
        **detail: object,
    ) -> None:
        assert code in CODES, f"{code} is a documented code"
        super().__init__(message, **detail)
        self.code = code
        self.status, self.type, _ = CODES[code]
        self.param = param
        self.retry_after_s = retry_after_s

    def document(self) -> dict[str, object]:
        """The body of the answer."""
        error: dict[str, object] = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        if self.detail:
            error["detail"] = self.detail
        return {"error": error}

    def body(self) -> bytes:
        """The body of the answer, ASCII alone, since a message may quote what is no valid Unicode."""
        return json.dumps(self.document(), separators=(",", ":")).encode("ascii")

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers beside the content type."""
        headers = []
        if self.retry_after_s is not None:
            headers.append((b"retry-after", str(self.retry_after_s).encode()))
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if self.code == "price_missing" or (self.code == "rate_limited" and self.retry_after_s is None):
            # The official client repeats every 409 and 429; these stay as they are until somebody acts.
            headers.append((b"x-should-retry", b"false"))
        return headers

    def event(self) -> bytes:
        """The refusal as an event of a stream that has begun."""
        return b"data: " + self.body() + b"\n\n"


def refusal_of(error: BaseException) -> Refusal:
    """The refusal that a client sees for any error; what is not a refusal says nothing of its cause."""
    if isinstance(error, Refusal):
        return error
    return Refusal(
        "internal_error",
        "The gateway failed on this request. Tell the operator its id, which the header X-Request-Id has.",
    )
