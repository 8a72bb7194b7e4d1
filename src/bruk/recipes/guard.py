"""What stands before a replica: its secret, the few open routes, and what a request may ask.

Nothing is answered without the secret but ``GET /health``, administration routes do not exist, and
a field that the server would ignore is refused rather than misunderstood.

Look next at :mod:`bruk.recipes.replica`.
"""

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

OPEN_ROUTES = frozenset(
    {
        ("GET", "/health"),
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/completions"),
    }
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class RefusedError(Exception):
    """A request that the replica cannot answer as asked; the message names the field."""


class Guard:
    """ASGI middleware: the replica's secret on everything but health, and no administration."""

    def __init__(self, app: App, secret: str) -> None:
        self._app = app
        self._expected = f"Bearer {secret}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with OpenAI's error shape."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        route = (scope["method"], scope["path"])
        if route != ("GET", "/health"):
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                await _refuse(send, 401, "this replica answers its gateway alone", "invalid_api_key")
                return
        if route not in OPEN_ROUTES:
            await _refuse(send, 404, f"there is no {route[0]} {route[1]} here", "not_found")
            return
        await self._app(scope, receive, send)


async def _refuse(send: Send, status: int, message: str, code: str) -> None:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# Fields that the server would ignore, and the values that ask for nothing.
NEUTRAL_VALUES: dict[str, tuple[Any, ...]] = {
    "best_of": (1,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "generation_config": (),
    "logit_bias": ({},),
    "logprobs": (False,),
    "n": (1,),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "top_logprobs": (0,),
}


def refuse_unsupported(body: dict[str, Any]) -> None:
    """Refuse what the server would ignore or fail on, rather than answer something else.

    Raises
    ------
    RefusedError
        With a message that names the field.
    """
    for name, neutral in NEUTRAL_VALUES.items():
        value = body.get(name)
        # 0 and False are equal in Python, and not the same in JSON.
        same = any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in neutral)
        if value is not None and not same:
            raise RefusedError(f"this model's server does not support {name}={body[name]!r}")
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1)):
        value = body.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and low <= value <= high):
            raise RefusedError(f"{name} must be a number from {low} to {high}")
    if body.get("seed") is not None and body.get("temperature") != 0:
        raise RefusedError(
            "this model's server does not support seed: requests share one stream of chance."
            " With temperature=0 answers are the same every time"
        )
    for name in ("max_tokens", "max_completion_tokens"):
        value = body.get(name)
        if value is not None and (type(value) is not int or value < 1):
            raise RefusedError(f"{name} must be a whole number of at least 1")
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else stop
    if stop is not None and not (isinstance(stops, list) and all(isinstance(s, str) for s in stops)):
        raise RefusedError("stop must be a string or a list of strings")
