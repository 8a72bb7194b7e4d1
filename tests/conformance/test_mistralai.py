"""What Mistral's official client, unchanged, does against a running Bruk.

`works` and `refused` name the call that a test makes; the page of compatibility is made from them.
"""

from collections.abc import Iterator

import pytest

from .calls import refused, works
from .conftest import CONTEXT, MODEL, Cloud

mistralai = pytest.importorskip("mistralai.client")
errors = pytest.importorskip("mistralai.client.errors")
pytestmark = pytest.mark.slow
SAY = [{"role": "user", "content": "def main():"}]


@pytest.fixture(scope="module")
def client(cloud: Cloud) -> Iterator[mistralai.Mistral]:
    with mistralai.Mistral(api_key=cloud.key, server_url=cloud.root, timeout_ms=60_000) as client:
        yield client


@works("models.list")
def test_models_are_listed(client):
    (model,) = client.models.list().data
    assert (model.id, model.type, model.max_context_length) == (MODEL, "base", CONTEXT)
    assert model.capabilities.completion_chat
    assert not model.capabilities.vision


@works("models.retrieve")
def test_a_model_is_shown(client):
    assert client.models.retrieve(model_id=MODEL).id == MODEL
    with pytest.raises(errors.MistralError) as error:
        client.models.retrieve(model_id="no-such-model")
    assert error.value.status_code == 404


@works("chat.complete")
def test_a_chat_is_answered_and_its_usage_said(client):
    answer = client.chat.complete(model=MODEL, messages=SAY, max_tokens=8, temperature=0)
    assert answer.model == MODEL
    assert answer.choices[0].message.role == "assistant"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@works("chat.complete", "random_seed, as seed; refused where the engine has none")
def test_a_seed_is_translated(client):
    ask = {"model": MODEL, "messages": SAY, "max_tokens": 2, "random_seed": 7}
    assert client.chat.complete(**ask, temperature=0).choices
    with pytest.raises(errors.MistralError, match="does not support seed"):
        client.chat.complete(**ask, temperature=1)


@works("chat.stream")
def test_a_chat_is_streamed(client):
    whole = client.chat.complete(model=MODEL, messages=SAY, max_tokens=8, temperature=0)
    events = [
        event.data for event in client.chat.stream(model=MODEL, messages=SAY, max_tokens=8, temperature=0)
    ]
    text = "".join(choice.delta.content or "" for event in events for choice in event.choices)
    assert text == whole.choices[0].message.content


@refused("embeddings.create", "on the transformers engine, which has none")
def test_embeddings_are_refused_where_the_engine_has_none(client):
    with pytest.raises(errors.MistralError) as error:
        client.embeddings.create(model=MODEL, inputs=["hello"])
    assert error.value.status_code == 404


@refused("fim.complete")
def test_fill_in_the_middle_is_not_there(client):
    with pytest.raises(errors.MistralError) as error:
        client.fim.complete(model=MODEL, prompt="def", suffix="return")
    assert error.value.status_code == 404


def test_errors_arrive_as_the_clients_own_classes(cloud):
    with mistralai.Mistral(api_key="wrong", server_url=cloud.root) as client:
        with pytest.raises(errors.MistralError) as error:
            client.models.list()
        assert error.value.status_code == 401
