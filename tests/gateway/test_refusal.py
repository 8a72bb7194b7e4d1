"""What the official client sees when a gateway refuses, and that refusing leaves everything as it was."""

import contextlib
import resource
import socket
import time
from typing import Any

import httpx
import openai
import pytest

from bruk.gateway import Limits
from bruk.model.switch import HoldScope

from .conftest import HTTP, World, ask, wait_until
from .upstream import KEY, MODEL

CHAT = "/v1/chat/completions"


def post(world: World, content: bytes, key: str = "acme", path: str = CHAT) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    return HTTP.post(f"{world.url}{path}", headers=headers, content=content, timeout=30)


def nothing_was_used(world: World) -> None:
    assert not any(upstream.seen for upstream in world.upstreams)
    assert not world.control.ledger
    assert world.gateway is not None
    assert len(world.gateway.traffic) == 0
    assert all(
        world.gateway.accounts.budget(project["id"]).reserved_microeur == 0
        for project in world.control.projects
    )


@pytest.mark.parametrize("key", ["unknown", "old"])
def test_a_wrong_or_expired_key(shared: World, key: str) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(shared.client(key))
    assert caught.value.code == "invalid_api_key"
    assert caught.value.request_id
    with pytest.raises(openai.AuthenticationError):
        shared.client(key).models.list()
    nothing_was_used(shared)


@pytest.mark.parametrize("value", ["", "Bearer", "Basic acme", "Bearer \xff\xfe", "acme"])
def test_a_malformed_authorization(shared: World, value: str) -> None:
    answer = HTTP.post(
        f"{shared.url}{CHAT}", headers={"authorization": value.encode("latin-1")}, content=b"{}"
    )
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_a_disabled_key_is_refused_at_once(world: World) -> None:
    ask(world.client())
    world.control.keys = [key for key in world.control.keys if key["project"] != "acme/lab"]
    world.control.change()
    began = time.monotonic()

    def refused() -> bool:
        try:
            world.client().models.list()
        except openai.AuthenticationError:
            return True
        return False

    wait_until(refused, "the key is refused")
    assert time.monotonic() - began < 10


def test_residency_is_decided_before_the_body_is_sent(shared: World) -> None:
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(shared.client("north"))
    assert caught.value.code == "residency"
    assert "country FR is not among SE" in str(caught.value)
    # The answer comes although the announced body never does.
    port = int(shared.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer north\r\n"
            "content-length: 4000000\r\n\r\n".encode()
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 403")
    nothing_was_used(shared)


@pytest.mark.parametrize("model", ["private", "nothing", "x" * 5000])
def test_a_model_of_others_looks_like_none(shared: World, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(shared.client(), model=model)
    assert caught.value.code == "model_not_found"
    assert "poor" not in str(caught.value)
    nothing_was_used(shared)


def test_a_lone_surrogate_as_model_is_answered(shared: World) -> None:
    answer = post(shared, b'{"model":"\\ud800","messages":[]}')
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_no_replica_and_none_where_the_law_allows(shared: World) -> None:
    for key, model in (("acme", "empty"), ("finn", "little")):
        with pytest.raises(openai.InternalServerError) as caught:
            ask(shared.client(key), model=model)
        assert (caught.value.status_code, caught.value.code) == (503, "no_replica")
        assert int(caught.value.response.headers["retry-after"]) > 0
    nothing_was_used(shared)


def test_what_has_no_price_is_not_sold(shared: World) -> None:
    with pytest.raises(openai.ConflictError) as caught:
        ask(shared.client(), model="unpriced")
    assert caught.value.code == "price_missing"
    nothing_was_used(shared)


def test_a_request_that_could_exceed_the_budget(shared: World) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        ask(shared.client("poor"), max_tokens=200)
    assert (caught.value.status_code, caught.value.code) == (402, "insufficient_budget")
    detail: Any = caught.value.body
    assert detail["detail"]["left_microeur"] == 100
    assert detail["detail"]["needed_microeur"] > 600
    nothing_was_used(shared)


@pytest.mark.parametrize(
    "part",
    [
        b'{"type":"image_url","image_url":{"url":"data:,x"}}',
        b'{"type":"\\u0069mage\\u005furl","\\u0069mage\\u005f\\u0075rl":{"\\u0075rl":"data:,x"}}',
        b'{"type":"input\\u005Faudio","input\\u005Faudio":{}}',
        b'{"type":"\\u0066ile","\\u0066ile":{}}',
    ],
)
def test_what_is_no_text_is_reserved_for_however_it_is_written(shared: World, part: bytes) -> None:
    """Its bytes do not bound its tokens, so that the whole context must be paid for; a text's do."""
    headers = {"authorization": "Bearer poor", "content-type": "application/json"}
    body = b'{"model":"little","max_tokens":1,"messages":[{"role":"user","content":[%s]}]}'
    answer = HTTP.post(f"{shared.url}{CHAT}", headers=headers, content=body % part)
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "insufficient_budget")
    assert answer.json()["error"]["detail"]["needed_microeur"] >= 256
    nothing_was_used(shared)


def test_a_text_with_escapes_is_reserved_for_as_a_text(world: World) -> None:
    headers = {"authorization": "Bearer poor", "content-type": "application/json"}
    body = b'{"model":"little","max_tokens":1,"messages":[{"content":"\\u003cb\\u003e"}]}'
    assert HTTP.post(f"{world.url}{CHAT}", headers=headers, content=body).status_code == 200


def test_a_budget_is_spent_exactly_and_no_further(world: World) -> None:
    spent, answered = 0, 0
    headers, body = {"authorization": "Bearer poor"}, {"model": "little", "messages": [], "max_tokens": 1}
    while (answer := HTTP.post(f"{world.url}{CHAT}", headers=headers, json=body)).status_code == 200:
        usage = answer.json()["usage"]
        answered += 1
        spent += usage["prompt_tokens"] + 3 * usage["completion_tokens"]
    assert answer.json()["error"]["code"] == "insufficient_budget"
    assert answered > 0
    assert spent <= 100
    assert len(world.settled(answered)) == answered
    # The refusal stands when the ledger has everything, and after a restart of the gateway.
    world.stop_gateway()
    world.start()
    with pytest.raises(openai.APIStatusError, match="of the project's budget is left"):
        ask(world.client("poor"), messages=[], max_tokens=1)


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        (HoldScope.PLATFORM, "*"),
        (HoldScope.SITE, "essonne"),
        (HoldScope.LOCAL, "essonne"),
        (HoldScope.TENANT, "acme"),
        (HoldScope.MODEL, "model-little"),
    ],
)
def test_a_hold_refuses_and_its_release_serves_again(world: World, scope: HoldScope, target: str) -> None:
    assert world.gateway is not None
    world.control.hold(scope, target)
    wait_until(lambda: world.gateway and world.gateway.leases.holds, "the hold is known")
    with pytest.raises(openai.InternalServerError) as caught:
        ask(world.client())
    assert (caught.value.status_code, caught.value.code) == (503, "held")
    wait_until(
        lambda: any(ack.generation == 1 and ack.refused == 1 for ack in world.control.acknowledgements),
        "the generation is acknowledged with one refusal",
    )
    nothing_was_used(world)
    world.control.release()
    wait_until(lambda: world.gateway and not world.gateway.leases.holds, "the release is known")
    assert ask(world.client()).model == "little"


def test_a_held_site_elsewhere_only_takes_its_replicas_out(world: World) -> None:
    world.control.hold(HoldScope.SITE, "borlange")
    wait_until(lambda: world.gateway and world.gateway.leases.holds, "the hold is known")
    for _ in range(2):
        ask(world.client())
    assert [len(upstream.seen) for upstream in world.upstreams] == [2, 0]
    with pytest.raises(openai.InternalServerError) as caught:
        ask(world.client("swede"))
    assert caught.value.code == "held"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe{}",
        b'{"model":"little","messages":[]} x',
        b'{"model":"little","messages":[NaN]}',
        b'{"model":"little","messages":[' + b"9" * 10_000 + b"]}",
        b'{"model":"little","model":"private","messages":[]}',
        b'{"model":"little","messages":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"a":' * 100_000,
    ],
    ids=lambda content: repr(content[:24]),
)
def test_what_is_no_json_object(shared: World, content: bytes) -> None:
    answer = post(shared, content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")
    nothing_was_used(shared)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"model": 7}, "model"),
        ({"model": None}, "model"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"n": 10**9}, "n"),
        ({"stream": 1}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"messages": "hello"}, "messages"),
        ({"generation_config": '{"max_new_tokens":100000}'}, "generation_config"),
    ],
)
def test_values_that_decide_about_cost_are_read_strictly(
    shared: World, more: dict[str, Any], param: str
) -> None:
    answer = HTTP.post(
        f"{shared.url}{CHAT}",
        headers={"authorization": "Bearer acme"},
        json={"model": "little", "messages": [], **more},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    nothing_was_used(shared)


def test_a_body_of_100_mb_takes_no_memory(world: World) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    megabyte = b" " * 2**20

    def pieces() -> Any:
        for _ in range(100):
            yield megabyte

    # Both announced and not: the client gets to read the refusal, whole.
    headers = {"authorization": "Bearer acme"}
    chunked = HTTP.post(f"{world.url}{CHAT}", headers=headers, content=pieces(), timeout=60)
    headers["content-length"] = str(100 * 2**20)
    announced = HTTP.post(f"{world.url}{CHAT}", headers=headers, content=pieces(), timeout=60)
    for answer in (chunked, announced):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert grown_kib < 60 * 1024
    nothing_was_used(world)
    assert ask(world.client()).model == "little"


def test_a_head_without_end_takes_no_memory(shared: World) -> None:
    port = int(shared.url.rsplit(":", 1)[1])
    for bomb in (b"a: " + b"x" * 2**20, b"a: b\r\n" * 2**17):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n")
            sent = 0
            with contextlib.suppress(ConnectionError):
                while sent < 64:
                    connection.sendall(bomb)
                    sent += 1
            assert sent < 64, "the connection is closed long before"
    # What is just short enough is served.
    answer = HTTP.get(f"{shared.url}/health", headers={"a": "x" * 60_000})
    assert answer.status_code == 200


def test_other_routes_and_methods(shared: World) -> None:
    for method, path, status in (
        ("GET", "/", 404),
        ("GET", "/v1", 404),
        ("POST", "/v1/files", 404),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models", 405),
        ("GET", "/v1/models/../../etc/passwd", 404),
    ):
        answer = HTTP.request(method, f"{shared.url}{path}", headers={"authorization": "Bearer acme"})
        assert answer.status_code == status
        error = answer.json()["error"]
        assert set(error) >= {"message", "type", "param", "code"}
        assert answer.headers["x-request-id"]


def test_an_engines_refusal_says_why_and_nothing_more(world: World) -> None:
    world.fault("400")
    with pytest.raises(openai.BadRequestError) as caught:
        ask(world.client())
    text = str(caught.value)
    assert "Server is pinned to 'little'; the prompt is too long." in text
    assert all(secret not in text for secret in (MODEL, KEY, "127.0.0.1"))
    assert sum(len(upstream.seen) for upstream in world.upstreams) == 1
    assert not world.control.ledger


def test_too_many_requests_at_once(idle_world: World) -> None:

    idle_world.limits = Limits(requests=1, drain_s=2)
    idle_world.start()
    idle_world.fault("", pause_s=0.3)
    stream = ask(idle_world.client(), stream=True)
    with pytest.raises(openai.RateLimitError) as caught:
        ask(idle_world.client())
    assert caught.value.response.headers["retry-after"] == "1"
    list(stream)
    wait_until(lambda: len(idle_world.gateway.traffic) == 0, "the place is free")  # type: ignore[union-attr]
    assert ask(idle_world.client()).model == "little"


def test_health_and_metrics_tell_strangers_nothing(world: World) -> None:
    ask(world.client())
    assert HTTP.get(f"{world.url}/health").json() == {"status": "ok"}
    text = HTTP.get(f"{world.url}/metrics").text
    assert 'bruk_gateway_requests_total{status="complete"} 1.0' in text
    assert all(word not in text for word in ("acme", "little", "127.0.0.1"))


def test_all_bodies_together_are_bounded_and_a_refused_one_gives_its_part_back(idle_world: World) -> None:
    idle_world.limits = Limits(bodies_bytes=100_000, drain_s=2)
    idle_world.start()
    long = [{"role": "user", "content": "x" * 60_000}]
    idle_world.fault("", pause_s=0.3)
    stream = ask(idle_world.client(), stream=True, messages=long)
    with pytest.raises(openai.RateLimitError) as caught:
        ask(idle_world.client(), messages=long)
    assert caught.value.code == "too_many_requests"
    assert caught.value.response.headers["retry-after"] == "1"
    ask(idle_world.client())
    list(stream)
    wait_until(lambda: len(idle_world.gateway.traffic) == 0, "the place is free")  # type: ignore[union-attr]
    assert ask(idle_world.client(), messages=long).model == "little"
