"""What is translated in an engine's answer: the model's name, the usage, and the words of a refusal.

transformers' server calls a model by its folder, sends usage with the last piece whether asked or not,
and ends a stream without the closing event that OpenAI's has; vLLM sends usage in an event of its own.
Clients see one behaviour: OpenAI's. It must never touch anything else of an answer. Look next at `relay`.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from bruk.gateway.admit import Admitted
from bruk.gateway.events import with_data
from bruk.gateway.meter import Meter
from bruk.gateway.problem import Refusal
from bruk.gateway.splice import JsonObject, NotAnObject, plain
from bruk.gateway.upstream import UpstreamFailed
from bruk.wire.gateway import ReplicaRoute

_MESSAGE_LENGTH_MAX = 400
# What could be an address or a path of the operator's machines.
_PRIVATE = re.compile(r"://|\d+\.\d+\.\d+\.\d+|localhost|(?:/[\w.~-]+){2,}")


def whole(data: bytes, admitted: Admitted, meter: Meter) -> bytes:
    """An answer that came whole, for the client; its usage goes to the meter.

    Raises:
        UpstreamFailed: it is no JSON object.
    """
    name = admitted.model.name
    if data.count(b'"usage"') == 1 and (seen := plain(data, "model", orjson.dumps(name))) is not None:
        meter.answer(seen[0], len(data))
        return seen[1]
    answer = _scan(data)
    meter.answer(answer, len(data))
    if "model" in answer.members:
        answer.set("model", admitted.model.name)
    return answer.render()


class StreamRewriter:
    """Translates the events of one stream. `finished` once the engine has said that an answer is complete."""

    def __init__(self, admitted: Admitted, meter: Meter) -> None:
        self._name = admitted.model.name
        self._quoted = orjson.dumps(self._name)
        self._request = admitted.request
        self._meter = meter
        self.finished = False

    def event(self, event: bytes, data: bytes) -> bytes:
        """The event for the client, empty when it is none of the client's business.

        Raises:
            UpstreamFailed: its data is no JSON object, or an error.
        """
        if b'"usage"' not in data and b'"error"' not in data:
            seen = plain(data, "model", self._quoted)
            if seen is not None:
                self._meter.event(seen[0])
                self.finished = self.finished or _says_finished(seen[0].get("choices"))
                return with_data(event, seen[1])
        chunk = _scan(data)
        if chunk.get("error"):
            raise UpstreamFailed("the engine sent an error")
        self._meter.event(chunk)
        choices = chunk.get("choices")
        self.finished = self.finished or chunk.get("usage") is not None or _says_finished(choices)
        if "model" in chunk.members:
            chunk.set("model", self._name)
        if "usage" not in chunk.members:
            return with_data(event, chunk.render())
        if not self._request.usage_wanted:
            if not choices:
                return b""
            chunk.remove("usage")
            return with_data(event, chunk.render())
        if not choices or chunk.get("usage") is None or self._request.usage_everywhere:
            return with_data(event, chunk.render())
        # Usage that came with a piece is shown as OpenAI shows it, in an event of its own without choices.
        own = JsonObject.scan(chunk.render())
        own.set("choices", [])
        chunk.set("usage", None)
        return with_data(event, chunk.render()) + with_data(event, own.render())


def refusal(status: int, data: bytes, admitted: Admitted, replica: ReplicaRoute) -> Refusal | None:
    """What an engine's refusal means to the client; None when the engine failed and another may do better."""
    if status in (404, 405):
        return Refusal(
            "not_found",
            "This model's server does not offer this route. Take another model, or another route.",
        )
    if status not in (400, 413, 422):
        return None
    return Refusal("upstream_refused", _words(data, admitted, replica))


def _words(data: bytes, admitted: Admitted, replica: ReplicaRoute) -> str:
    generic = "This model's server refused the request."
    try:
        answer = JsonObject.scan(data)
    except NotAnObject:
        return generic
    error = answer.get("error")
    words = error.get("message") if isinstance(error, dict) else error
    for candidate in (words, answer.get("message"), answer.get("detail")):
        if isinstance(candidate, str) and candidate:
            text = candidate.replace(admitted.model.upstream_model, admitted.model.name)
            private = _PRIVATE.search(text) or replica.key in text or replica.address in text
            return generic if private else text[:_MESSAGE_LENGTH_MAX]
    return generic


def _scan(data: bytes) -> JsonObject:
    try:
        return JsonObject.scan(data)
    except NotAnObject as error:
        raise UpstreamFailed("the engine sent what is no JSON object") from error


def _says_finished(choices: Any) -> bool:
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and choice.get("finish_reason") for choice in choices
    )
