"""A client that knows nothing of Bruk: the official ``openai`` package, unchanged."""

from dataclasses import dataclass

from bruk.cli.demo.scene import DemoFailed
from bruk.model.errors import BrukError, ErrorKind

PROMPTS = ("def read_file(path):\n    ", "import os\nimport sys\n", "for name in sorted(")
ANSWER_TOKENS = 24
# A model this small repeats itself when it always takes the likeliest token.
TEMPERATURE = 0.7


class ClientMissing(BrukError):
    """The ``openai`` package is not installed."""

    code = "client_missing"
    kind = ErrorKind.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Served:
    """What a client got."""

    models: tuple[str, ...]
    requests: int
    tokens_in: int
    tokens_out: int
    first_answer: str
    streamed: str


def talk(gateway_url: str, key: str, model: str) -> Served:
    """List models, complete, chat and stream through the gateway.

    Raises:
        ClientMissing: the package is not there.
    """
    client = _client(gateway_url, key)
    models = tuple(item.id for item in client.models.list())
    tokens_in = tokens_out = 0
    first = ""
    for prompt in PROMPTS:
        answer = client.completions.create(
            model=model, prompt=prompt, max_tokens=ANSWER_TOKENS, temperature=0
        )
        assert answer.usage is not None, "the gateway reports what an answer used"
        tokens_in += answer.usage.prompt_tokens
        tokens_out += answer.usage.completion_tokens
        first = first or prompt + answer.choices[0].text
    chat = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "def parse(line):"}],
        max_tokens=ANSWER_TOKENS,
        temperature=TEMPERATURE,
    )
    assert chat.usage is not None, "the gateway reports what an answer used"
    tokens_in += chat.usage.prompt_tokens
    tokens_out += chat.usage.completion_tokens
    streamed = ""
    for chunk in client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "class Reader:"}],
        max_tokens=ANSWER_TOKENS,
        temperature=TEMPERATURE,
        stream=True,
        stream_options={"include_usage": True},
    ):
        if chunk.choices:
            streamed += chunk.choices[0].delta.content or ""
        if chunk.usage is not None:
            tokens_in += chunk.usage.prompt_tokens
            tokens_out += chunk.usage.completion_tokens
    return Served(models, len(PROMPTS) + 2, tokens_in, tokens_out, first, streamed)


class Answered(DemoFailed):
    """A call that was to be refused was answered, and is billed."""

    def __init__(self, tokens_in: int, tokens_out: int) -> None:
        super().__init__("the gateway answered what it should have refused")
        self.tokens_in, self.tokens_out = tokens_in, tokens_out


def refusal(gateway_url: str, key: str, model: str) -> tuple[str, str]:
    """The code and the words with which the gateway refuses this client.

    Raises:
        Answered: it was not refused.
    """
    import openai

    try:
        answer = _client(gateway_url, key).completions.create(model=model, prompt="x", max_tokens=4)
    except openai.APIStatusError as error:
        body = error.body if isinstance(error.body, dict) else {}
        return str(body.get("code") or error.status_code), str(body.get("message") or error.message)
    assert answer.usage is not None, "the gateway reports what an answer used"
    raise Answered(answer.usage.prompt_tokens, answer.usage.completion_tokens)


def _client(gateway_url: str, key: str):  # type: ignore[no-untyped-def]
    try:
        import openai
    except ImportError:
        raise ClientMissing(
            "the demo calls the model with the 'openai' package: pip install 'bruk[local]'"
        ) from None
    return openai.OpenAI(base_url=f"{gateway_url}/v1", api_key=key, max_retries=0, timeout=60)
