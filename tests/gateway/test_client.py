"""The official openai client against a gateway that listens: what works, works unchanged."""

import base64
import struct

import openai
import pytest

from .conftest import HTTP, PRICE_IN, PRICE_OUT, World, ask
from .upstream import KEY, MODEL


def test_models_are_those_the_caller_may_call(world: World) -> None:
    assert [model.id for model in world.client().models.list()] == ["empty", "little", "unpriced"]
    assert "private" in [model.id for model in world.client("poor").models.list()]
    model = world.client().models.retrieve("little")
    assert (model.id, model.object, model.owned_by, model.created) == (
        "little",
        "model",
        "acme",
        1_790_000_000,
    )
    with pytest.raises(openai.NotFoundError):
        world.client().models.retrieve("private")


def test_chat_is_answered_metered_and_billed(world: World) -> None:
    answer = ask(world.client())
    assert answer.choices[0].message.content.startswith("alpha beta é")
    assert answer.model == "little"
    assert answer.usage.completion_tokens == 4
    (record,) = world.settled(1)
    assert (record.project, record.key, record.model) == ("acme/lab", "key-acme", "model-little")
    assert (record.tokens_in, record.tokens_out) == (answer.usage.prompt_tokens, 4)
    assert (record.price_in_microeur, record.price_out_microeur) == (PRICE_IN, PRICE_OUT)
    assert (record.price_in_version, record.price_out_version) == (1, 2)
    assert (record.status, record.estimated) == ("complete", False)
    assert record.from_ms <= record.at_ms


def test_every_byte_but_the_models_name_is_the_engines(world: World) -> None:
    answer = HTTP.post(
        f"{world.url}/v1/chat/completions",
        headers={"authorization": "Bearer acme"},
        content=b'{"messages":[{"role":"user","content":"\\u00e9 \xc3\xa9"}], "temperature": 1.50,\n'
        b'"model":"little"}',
    )
    seen = next(upstream for upstream in world.upstreams if upstream.seen)
    assert answer.content == seen.sent.replace(MODEL.encode(), b"little")
    assert b'"temperature": 1.50,\n' in seen.raw_bodies[0]
    assert b'"\\u00e9 \xc3\xa9"' in seen.raw_bodies[0]
    assert seen.seen[0]["model"] == MODEL
    assert answer.headers["x-request-id"].startswith("req_")
    assert seen.headers[0]["authorization"] == f"Bearer {KEY}"
    assert seen.headers[0]["x-request-id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("style", ["vllm", "transformers"])
def test_stream_shows_usage_only_to_who_asked(world: World, style: str) -> None:
    for upstream in world.upstreams:
        upstream.style = style
    plain = list(ask(world.client(), stream=True))
    assert all(chunk.usage is None and chunk.choices and chunk.model == "little" for chunk in plain)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in plain)
    assert text == 'alpha beta é\n"x" 1.0e0 delta'
    asked = list(ask(world.client(), stream=True, stream_options={"include_usage": True}))
    assert [bool(chunk.usage) for chunk in asked] == [False] * (len(asked) - 1) + [True]
    assert asked[-1].choices == []
    assert asked[-1].usage.completion_tokens == 4
    records = world.settled(2)
    assert [(record.tokens_out, record.estimated, record.status) for record in records] == [
        (4, False, "complete")
    ] * 2


def test_stream_bytes_are_the_engines(world: World) -> None:
    body = {"model": "little", "messages": [], "stream": True, "max_tokens": 3}
    answer = HTTP.post(
        f"{world.url}/v1/chat/completions", headers={"authorization": "Bearer acme"}, json=body
    )
    seen = next(upstream for upstream in world.upstreams if upstream.seen)
    events = seen.sent.split(b"\n\n")
    shown = [event for event in events if b'"choices":[],' not in event]
    assert answer.content == b"\n\n".join(shown).replace(MODEL.encode(), b"little")
    assert answer.content.startswith(b": ping\n\n")
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert seen.seen[0]["stream_options"] == {"include_usage": True}


def test_a_stream_without_closing_event_gets_one(world: World) -> None:
    for upstream in world.upstreams:
        upstream.style = "transformers"
    body = {"model": "little", "messages": [], "stream": True}
    answer = HTTP.post(
        f"{world.url}/v1/chat/completions", headers={"authorization": "Bearer acme"}, json=body
    )
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert b"usage" not in answer.content


def test_completions(world: World) -> None:
    answer = world.client().completions.create(model="little", prompt="Once", max_tokens=2)
    assert (answer.choices[0].text, answer.model) == ("alpha beta", "little")
    chunks = list(world.client().completions.create(model="little", prompt="Once", max_tokens=2, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "alpha beta"
    assert [record.tokens_out for record in world.settled(2)] == [2, 2]


def test_embeddings_in_both_forms(world: World) -> None:
    answer = world.client().embeddings.create(model="little", input="some text")
    assert answer.data[0].embedding == [1.0, 2.0]
    asked = [request for upstream in world.upstreams for request in upstream.seen]
    assert asked[0]["encoding_format"] == "base64"
    raw = world.client().embeddings.create(model="little", input="some text", encoding_format="base64")
    vector = raw.data[0].embedding
    assert list(vector) == [1.0, 2.0] or struct.unpack("<2f", base64.b64decode(str(vector))) == (1.0, 2.0)
    floats = world.client().embeddings.create(model="little", input="some text", encoding_format="float")
    assert floats.data[0].embedding == [1.0, 2.0]
    assert [(record.tokens_in, record.tokens_out) for record in world.settled(3)] == [(7, 0)] * 3


def test_an_answer_is_limited_to_what_is_reserved(world: World) -> None:
    ask(world.client(), max_tokens=100_000)
    asked = [request for upstream in world.upstreams for request in upstream.seen]
    assert asked[0]["max_tokens"] == 256


def test_work_goes_to_the_replica_with_least_of_it(world: World) -> None:
    world.fault("", pause_s=0.3)
    streams = [ask(world.client(), stream=True) for _ in range(2)]
    for stream in streams:
        list(stream)
    assert [len(upstream.seen) for upstream in world.upstreams] == [1, 1]


def test_a_tenants_law_keeps_its_requests_at_its_sites(world: World) -> None:
    for _ in range(3):
        ask(world.client("swede"))
    assert [len(upstream.seen) for upstream in world.upstreams] == [0, 3]
    assert {record.site for record in world.settled(3)} == {"borlange"}
