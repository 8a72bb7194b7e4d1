import asyncio
import json
from typing import Any

import pytest

from bruk.recipes.guard import Guard, RefusedError, refuse_unsupported

SECRET = "a-secret-of-the-replica"


def ask(method: str, path: str, authorization: str | None) -> tuple[int, Any, bool]:
    """Send one request through the guard; the status, the body, and whether the app was reached."""
    reached = False
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        nonlocal reached
        reached = True
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the guard reads no body")

    headers = [(b"authorization", authorization.encode())] if authorization is not None else []
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    asyncio.run(Guard(app, SECRET)(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"]), reached


@pytest.mark.parametrize("given", [None, "", "Bearer ", "Bearer wrong", SECRET, f"bearer {SECRET}"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/reset", "/docs", "/"])
def test_nobody_gets_in_without_the_secret(path: str, given: str | None) -> None:
    status, body, reached = ask("POST" if "chat" in path else "GET", path, given)
    assert (status, reached) == (401, False)
    assert body["error"]["code"] == "invalid_api_key"
    assert SECRET not in json.dumps(body)


def test_health_needs_no_secret() -> None:
    assert ask("GET", "/health", None)[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/reset"), ("POST", "/load_model"), ("GET", "/docs"), ("GET", "/openapi.json"),
     ("POST", "/v1/responses"), ("POST", "/v1/models"), ("POST", "/health")],
)  # fmt: skip
def test_administration_does_not_exist_even_with_the_secret(method: str, path: str) -> None:
    status, _body, reached = ask(method, path, f"Bearer {SECRET}")
    assert (status, reached) == (404, False)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("POST", "/v1/completions")],
)
def test_the_secret_opens_the_inference_routes(method: str, path: str) -> None:
    assert ask(method, path, f"Bearer {SECRET}")[2]


def test_websockets_are_not_answered() -> None:
    async def never(*_: Any) -> None:
        raise AssertionError("not reached")

    asyncio.run(
        Guard(never, SECRET)({"type": "websocket", "path": "/v1/models", "headers": []}, never, never)
    )


@pytest.mark.parametrize(
    "body",
    [{"n": 2}, {"logprobs": True}, {"logprobs": 0}, {"frequency_penalty": 0.5}, {"logit_bias": {"1": 5}},
     {"generation_config": "{}"}, {"temperature": -0.1}, {"temperature": "hot"}, {"top_p": 1.5},
     {"temperature": True}, {"max_tokens": 0}, {"max_tokens": 2.5}, {"max_completion_tokens": -1},
     {"stop": 3}, {"stop": [1]}, {"response_format": {"type": "json_object"}}],
)  # fmt: skip
def test_what_would_be_ignored_is_refused_by_name(body: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match=next(iter(body))):
        refuse_unsupported(body)


def test_neutral_values_pass() -> None:
    refuse_unsupported(
        {"n": 1, "logprobs": None, "frequency_penalty": 0, "presence_penalty": 0.0, "temperature": 0,
         "top_p": 1, "max_tokens": 5, "stop": ["a", "b"], "response_format": {"type": "text"}}
    )  # fmt: skip
