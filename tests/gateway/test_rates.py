"""Limits on calls, at a real gateway: of a key, of its project, of its tenant."""

from __future__ import annotations

import threading

import openai
import pytest

from .conftest import HTTP, World, ask, wait_until


def limit(world: World, subject: str, **limits: int) -> None:
    world.control.limits = {subject: limits}
    world.control.change()
    assert world.gateway is not None
    lease = world.gateway.leases
    wait_until(lambda: lease.lease and subject in lease.lease.limits, "the gateway has the limit")


def refused(world: World) -> openai.RateLimitError:
    with pytest.raises(openai.RateLimitError) as refused:
        ask(world.client())
    return refused.value


@pytest.mark.parametrize("subject", ["key key-acme", "project acme/lab", "tenant acme"])
def test_requests_beyond_the_rate_are_refused_and_cost_nothing(world: World, subject: str) -> None:
    limit(world, subject, requests_per_minute=2)
    for left in ("1", "0"):
        answer = world.client().chat.completions.with_raw_response.create(
            model="little", messages=[{"role": "user", "content": "Hello"}], max_tokens=4
        )
        assert answer.headers["x-ratelimit-limit-requests"] == "2"
        assert answer.headers["x-ratelimit-remaining-requests"] == left
    error = refused(world)
    assert error.code == "rate_limited"
    assert subject in str(error)
    assert 1 <= int(error.response.headers["retry-after"]) <= 30
    assert error.response.headers["x-ratelimit-remaining-requests"] == "0"
    ask(world.client("poor"), max_tokens=1)
    assert len(world.settled(3)) == 3
    assert world.gateway is not None
    assert world.gateway.accounts.budget("acme/lab").reserved_microeur == 0


def test_tokens_that_an_answer_did_not_use_come_back(world: World) -> None:
    limit(world, "project acme/lab", tokens_per_minute=600)
    body = {"model": "little", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 100}
    key = {"authorization": "Bearer acme"}
    left = []
    for stream in (False, True):
        answer = HTTP.post(f"{world.url}/v1/chat/completions", json=body | {"stream": stream}, headers=key)
        assert answer.status_code == 200, answer.text
        left.append(int(answer.headers["x-ratelimit-remaining-tokens"]))
    bound = 600 - left[0]
    assert bound > 100, "what it may use at most is taken first"
    assert left[1] > left[0] - bound, "what it did not use is back"
    answer = HTTP.post(
        f"{world.url}/v1/chat/completions", json=body | {"max_tokens": 256, "n": 3}, headers=key
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limited")
    assert answer.headers["x-should-retry"] == "false", "it can never be let through"
    assert "retry-after" not in answer.headers


def test_no_more_run_at_once_than_may(world: World) -> None:
    limit(world, "key key-acme", concurrent=1)
    world.fault("", pause_s=1.0)
    first = threading.Thread(target=lambda: ask(world.client()))
    first.start()
    assert world.gateway is not None
    limiter = world.gateway.limiter
    wait_until(lambda: limiter.running("key key-acme") == 1, "the first runs")
    assert "1 requests running" in str(refused(world))
    first.join()
    wait_until(lambda: limiter.running("key key-acme") == 0, "the first has ended")
    world.fault("")
    ask(world.client())


def test_a_client_that_goes_gives_its_place_back(world: World) -> None:
    limit(world, "key key-acme", concurrent=1)
    world.fault("", pause_s=0.2)
    stream = ask(world.client(), stream=True)
    next(iter(stream))
    stream.close()
    assert world.gateway is not None
    limiter = world.gateway.limiter
    wait_until(lambda: limiter.running("key key-acme") == 0, "its place is free")
    world.fault("")
    ask(world.client())
