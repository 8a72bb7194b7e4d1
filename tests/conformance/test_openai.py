"""What OpenAI's official client, unchanged, does against a running Bruk.

`works` and `refused` name the call that a test makes; the page of compatibility is made from them.
"""

import openai
import pytest

from .calls import refused, works
from .conftest import CONTEXT, MODEL, Cloud

pytestmark = pytest.mark.slow
SAY = [{"role": "user", "content": "def main():"}]


@pytest.fixture(scope="module")
def client(cloud: Cloud) -> openai.OpenAI:
    return openai.OpenAI(base_url=cloud.base, api_key=cloud.key, max_retries=0, timeout=60)


@works("models.list")
def test_models_are_listed(client):
    (model,) = client.models.list()
    assert (model.id, model.object, model.owned_by) == (MODEL, "model", "acme")


@works("models.retrieve")
def test_a_model_is_shown(client):
    assert client.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError) as error:
        client.models.retrieve("no-such-model")
    assert error.value.code == "model_not_found"


@works("chat.completions.create")
def test_a_chat_is_answered_and_its_usage_said(client):
    answer = client.chat.completions.create(model=MODEL, messages=SAY, max_tokens=8, temperature=0)
    assert answer.object == "chat.completion"
    assert answer.model == MODEL
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason in ("length", "stop")
    assert 1 <= answer.usage.completion_tokens <= 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    again = client.chat.completions.create(model=MODEL, messages=SAY, max_tokens=8, temperature=0)
    assert again.choices[0].message.content == answer.choices[0].message.content


@works("chat.completions.create", "stream=True")
def test_a_chat_is_streamed(client):
    whole = client.chat.completions.create(model=MODEL, messages=SAY, max_tokens=8, temperature=0)
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=SAY,
            max_tokens=8,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert {chunk.model for chunk in chunks} == {MODEL}
    bare = client.chat.completions.create(model=MODEL, messages=SAY, max_tokens=2, stream=True)
    assert all(chunk.usage is None for chunk in bare)


@works("chat.completions.stream")
def test_the_streaming_helper_gathers_the_answer(client):
    with client.chat.completions.stream(model=MODEL, messages=SAY, max_tokens=4, temperature=0) as stream:
        kinds = {event.type for event in stream}
        gathered = stream.current_completion_snapshot
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert gathered.choices[0].message.content


@works("chat.completions.with_raw_response.create")
def test_raw_answers_bear_the_request_id(client):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=SAY, max_tokens=1)
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.parse().usage.completion_tokens == 1


@works("completions.create")
def test_a_text_is_completed(client):
    answer = client.completions.create(model=MODEL, prompt="def main", max_tokens=4, temperature=0)
    assert answer.object == "text_completion"
    assert isinstance(answer.choices[0].text, str)
    parts = client.completions.create(
        model=MODEL, prompt="def main", max_tokens=4, temperature=0, stream=True
    )
    assert "".join(part.choices[0].text for part in parts if part.choices) == answer.choices[0].text


@works("chat.completions.create", "stop, top_p, user; seed where temperature is 0")
def test_what_the_engine_honours_is_passed_on(client):
    for more in ({"stop": ["zzz"]}, {"top_p": 0.9}, {"seed": 3, "temperature": 0}, {"user": "u1"}):
        answer = client.chat.completions.create(model=MODEL, messages=SAY, max_tokens=2, **more)
        assert answer.choices, more


@refused("chat.completions.create", "n > 1, logprobs, response_format, seed: the transformers engine")
@pytest.mark.parametrize(
    ("field", "value"),
    [("n", 2), ("logprobs", True), ("response_format", {"type": "json_object"}), ("seed", 3)],
)
def test_a_field_that_the_engine_would_drop_is_refused_by_name(client, field, value):
    with pytest.raises(openai.BadRequestError, match=field):
        client.chat.completions.create(model=MODEL, messages=SAY, max_tokens=2, **{field: value})


@refused("embeddings.create", "on the transformers engine, which has none")
def test_embeddings_are_refused_where_the_engine_has_none(client):
    with pytest.raises(openai.NotFoundError) as error:
        client.embeddings.create(model=MODEL, input="hello")
    assert "does not offer this route" in str(error.value)


@refused("responses.create")
def test_responses_are_not_there(client):
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model=MODEL, input="hello")


def test_errors_arrive_as_the_clients_own_classes(cloud, client):
    with pytest.raises(openai.AuthenticationError) as error:
        client.with_options(api_key="wrong").models.list()
    assert error.value.code == "invalid_api_key"
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model=MODEL, messages="no list", max_tokens=2)
    assert bad.value.param == "messages"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "x " * 40 * CONTEXT}], max_tokens=2
        )
