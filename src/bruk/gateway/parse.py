"""A request as the gateway understands it: only what it needs to admit, meter and rewrite.

Everything else in the body belongs to the engine and goes through untouched. It must never guess: a value
that decides about cost is read strictly, or the request is refused. Look next at `splice` for the
reading, `admit` for the use.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bruk.gateway.choice import PIECE_BYTES, PIECES_MAX
from bruk.gateway.problem import Refusal
from bruk.gateway.splice import JsonObject, NotAnObject

# More answers than this to one request are refused: each is reserved for, and one replica holds them all.
ANSWERS_MAX = 128
_TOKENS_MAX = 2**31
# A letter, a digit or a mark of ASCII written as its number.
_ESCAPED = re.compile(rb"\\u00[2-7]")


class Route(StrEnum):
    """The routes that are relayed, by their path."""

    CHAT = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"
    EMBEDDINGS = "/v1/embeddings"


@dataclass(slots=True)
class Request:
    """A request whose body was read.

    Attributes:
        model: the name the client calls.
        stream: it wants its answer as events.
        usage_wanted: it asked to see usage in the stream.
        usage_everywhere: it asked for usage in every event, which some engines offer.
        tokens_out_asked: its own limit of tokens in one answer, or None.
        answers: how many answers it asks for in all.
        prompts: how many prompts it sends.
        prompt_bytes: length of the body, an upper bound of the tokens of its text, since every token stands
            for at least one byte and what a chat template adds to a message is shorter than its JSON.
        text_only: False when it holds a part whose tokens its bytes do not bound (an image, a sound).
    """

    route: Route
    body: JsonObject
    model: str
    stream: bool
    usage_wanted: bool
    usage_everywhere: bool
    tokens_out_asked: int | None
    answers: int
    prompts: int
    prompt_bytes: int
    text_only: bool

    def beginning(self) -> bytes:
        """How its prompt begins, as it was sent; empty where an engine keeps nothing of it."""
        if self.route is Route.EMBEDDINGS:
            return b""
        name = "messages" if self.route is Route.CHAT else "prompt"
        return self.body.raw(name, PIECES_MAX * PIECE_BYTES)


def parse(route: Route, data: bytes) -> Request:
    """Read a request's body.

    Raises:
        Refusal: it is no JSON object, or a member that decides about model or cost is malformed.
    """
    try:
        body = JsonObject.scan(data)
    except NotAnObject as error:
        raise Refusal("invalid_json", f"The body cannot be used: {error}.") from None
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Refusal("invalid_value", 'Name the model as text, like "model": "NAME".', param="model")
    if "generation_config" in body.members:
        # transformers' server takes a whole configuration here, the number of tokens included.
        raise Refusal(
            "unsupported_parameter",
            "generation_config is not taken here. Send max_tokens, temperature, top_p and stop instead.",
            param="generation_config",
        )
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise Refusal("invalid_value", "stream must be true or false.", param="stream")
    stream = bool(stream) and route is not Route.EMBEDDINGS
    _translate(body)
    options = body.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise Refusal(
            "invalid_value",
            'stream_options must be an object, like {"include_usage": true}.',
            param="stream_options",
        )
    options = options or {}
    prompts = _prompts(route, body)
    return Request(
        route=route,
        body=body,
        model=model,
        stream=stream,
        usage_wanted=options.get("include_usage") is True,
        usage_everywhere=options.get("continuous_usage_stats") is True,
        tokens_out_asked=_tokens_out(route, body),
        answers=prompts * _answers(body) if route is not Route.EMBEDDINGS else 0,
        prompts=prompts,
        prompt_bytes=len(data),
        text_only=_text_only(data if _ESCAPED.search(data) is None else _unescaped(body)),
    )


def _translate(body: JsonObject) -> None:
    """Say in OpenAI's words, which engines understand, what Mistral's dialect says in its own."""
    if "random_seed" not in body.members:
        return
    if "seed" in body.members:
        raise Refusal("invalid_value", "Send seed or random_seed, not both.", param="random_seed")
    body.rename("random_seed", "seed")


def _text_only(shown: bytes) -> bool:
    return not any(mark in shown for mark in (b'"image', b"_audio", b'"file', b"_url"))


def _unescaped(body: JsonObject) -> bytes:
    """The body with every character written as itself: a name may come as escapes."""
    values = {name: member.value for name, member in body.members.items()}
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _prompts(route: Route, body: JsonObject) -> int:
    """How many prompts are sent: a list of texts or of token lists is one each, a list of tokens is one."""
    if route is Route.CHAT:
        if not isinstance(body.get("messages"), list):
            raise Refusal(
                "invalid_value",
                'messages must be a list, like [{"role": "user", "content": "Hello"}].',
                param="messages",
            )
        return 1
    name = "input" if route is Route.EMBEDDINGS else "prompt"
    prompt = body.get(name)
    if prompt is None and route is Route.EMBEDDINGS:
        raise Refusal("invalid_value", "Send the text to embed as input.", param="input")
    if not isinstance(prompt, list) or not prompt or isinstance(prompt[0], int):
        return 1
    return len(prompt)


def _answers(body: JsonObject) -> int:
    most = 1
    for name in ("n", "best_of"):
        value = _count(body, name, ANSWERS_MAX)
        if value is not None:
            most = max(most, value)
    return most


def _tokens_out(route: Route, body: JsonObject) -> int | None:
    """The smallest limit that the request names, since engines differ in which of two they obey."""
    if route is Route.EMBEDDINGS:
        return 0
    limits = [_count(body, name, _TOKENS_MAX) for name in ("max_tokens", "max_completion_tokens")]
    named = [limit for limit in limits if limit is not None]
    return min(named) if named else None


def _count(body: JsonObject, name: str, most: int) -> int | None:
    value: Any = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise Refusal("invalid_value", f"{name} must be an integer from 1 to {most}.", param=name)
    return value


def limit_answer(request: Request, tokens_out_max: int) -> None:
    """Lower the request's own limits to what is reserved; without one the engine's context is the limit."""
    for name in ("max_tokens", "max_completion_tokens"):
        value = request.body.get(name)
        if isinstance(value, int) and value > tokens_out_max:
            request.body.set(name, tokens_out_max)


def for_engine(request: Request, upstream_model: str) -> bytes:
    """The body for the engine: its own name of the model, and usage always asked for."""
    request.body.set("model", upstream_model)
    if request.stream:
        options = request.body.get("stream_options") or {}
        request.body.set("stream_options", {**options, "include_usage": True})
    return request.body.render()
