"""How many tokens a request used: what the engine reported, or else what was counted from its answer.

An estimate is marked as one. It must never keep a word of what it counts. Look next at `book` for where
it goes.
"""

from __future__ import annotations

from typing import Any, TypeGuard

from bruk.gateway.admit import Admitted
from bruk.gateway.splice import JsonObject
from bruk.gateway.usage import Used
from bruk.wire.gateway import ReplicaRoute

# Rule of thumb for text where no engine reported a count: four characters of English a token
# (https://help.openai.com/en/articles/4936856, "1 token ~= 4 chars in English", retrieved 2026-09).
BYTES_PER_TOKEN = 4
_TOKENS_MAX = 2**40


class Meter:
    """Counts the tokens of one request over all that its answer brings.

    Attributes:
        reported: the engine's own count, of tokens in and out, or None while it has not spoken.
        pieces: events that carried a piece of an answer; engines send one a token.
        answer_bytes: length of an answer that came whole.
    """

    def __init__(self, admitted: Admitted) -> None:
        self._admitted = admitted
        self.reported: tuple[int, int] | None = None
        self.pieces = 0
        self.answer_bytes = 0

    def event(self, data: JsonObject | dict[str, Any]) -> None:
        """Take note of one event's object."""
        self._report(data.get("usage"))
        choices = data.get("choices")
        if isinstance(choices, list):
            self.pieces += sum(_carries_text(choice) for choice in choices)

    def answer(self, data: JsonObject | dict[str, Any], length_bytes: int) -> None:
        """Take note of an answer that came whole."""
        self._report(data.get("usage"))
        self.answer_bytes = length_bytes

    def _report(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        tokens_in, tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
        if _is_count(tokens_in) and (tokens_out is None or _is_count(tokens_out)):
            self.reported = (tokens_in, tokens_out or 0)

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens in and out, as well as they are known by now."""
        if self.reported is not None:
            return self.reported
        request = self._admitted.request
        tokens_in = min(-(-request.prompt_bytes // BYTES_PER_TOKEN), self._admitted.tokens_in_max)
        whole = min(self.answer_bytes // BYTES_PER_TOKEN, self._admitted.tokens_out_max)
        return tokens_in, max(self.pieces, whole)

    def mark(self) -> tuple[tuple[int, int] | None, int]:
        """The count by now, for `reset`."""
        return self.reported, self.pieces

    def reset(self, mark: tuple[tuple[int, int] | None, int]) -> None:
        """Forget what was counted since the mark, because it is not given to the client."""
        self.reported, self.pieces = mark

    @property
    def amount_microeur(self) -> int:
        """What has been used by now costs [EUR * 1e-6]."""
        return self._admitted.amount_microeur(*self.tokens)

    def record(self, request_id: str, replica: ReplicaRoute, now_ms: int, status: str) -> Used:
        """The record for the journal; its number is the journal's to give."""
        admitted = self._admitted
        tokens_in, tokens_out = self.tokens
        return Used(
            request=request_id,
            at_ms=max(now_ms, admitted.at_ms),
            from_ms=admitted.at_ms,
            key=admitted.caller.key.id,
            project=admitted.caller.project.id,
            model=admitted.model.model,
            endpoint=admitted.model.endpoint,
            run=replica.run,
            site=replica.site,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            price_in_microeur=admitted.price_in.price_microeur,
            price_in_version=admitted.price_in.version,
            price_out_microeur=admitted.price_out.price_microeur,
            price_out_version=admitted.price_out.version,
            status=status,
            estimated=self.reported is None,
        )


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _TOKENS_MAX


def _carries_text(choice: Any) -> bool:
    if not isinstance(choice, dict):
        return False
    if choice.get("text"):
        return True
    delta = choice.get("delta")
    return isinstance(delta, dict) and any(value for name, value in delta.items() if name != "role")
