"""One admitted request on its way through an engine and back.

The model's name and usage are translated; every other byte of an answer is the engine's. Before the first
byte a failed replica is replaced by another; after it the stream ends with an error event. However a
request ends, what it used is in the journal before the client sees the end. It must never write a prompt
or an answer anywhere. Look next at `choice` for the replica, `upstream` for the client, `rewrite` for the
translation, `meter` and `book` for the usage.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from bruk.gateway import rewrite
from bruk.gateway.admit import Admitted
from bruk.gateway.book import UsageBook
from bruk.gateway.events import DONE, EventTooLong, Splitter, data_of
from bruk.gateway.exchange import Exchange
from bruk.gateway.limits import Limits
from bruk.gateway.meter import Meter
from bruk.gateway.parse import for_engine, limit_answer
from bruk.gateway.problem import Refusal
from bruk.gateway.traffic import Ticket, Traffic
from bruk.gateway.upstream import Answer, Upstream, UpstreamFailed
from bruk.journal import JournalError
from bruk.model.clock import Clock
from bruk.wire.gateway import ReplicaRoute

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_STREAM_HEADERS = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
CLIENT_GONE = "client_gone"


class BudgetEnded(Exception):
    """The budget does not cover what the stream has produced."""


@dataclass(frozen=True, slots=True)
class Relay:
    """What every passage shares."""

    upstream: Upstream
    book: UsageBook
    traffic: Traffic
    clock: Clock
    limits: Limits

    async def run(self, admitted: Admitted, exchange: Exchange, ticket: Ticket) -> None:
        """Relay the request, journal its usage, and end the answer.

        Run it as a task of its own: while `ticket.cut` is set that task may be cancelled.

        Raises:
            Refusal: nothing was produced, nothing is billed, and no answer has begun.
        """
        await _Passage(self, admitted, exchange, ticket).run()


class _Passage:
    """One request. `replica` is the one that works on it, None while none does."""

    def __init__(self, relay: Relay, admitted: Admitted, exchange: Exchange, ticket: Ticket) -> None:
        self._relay = relay
        self._admitted = admitted
        self._exchange = exchange
        self._ticket = ticket
        self._meter = Meter(admitted)
        self._replica: ReplicaRoute | None = None
        self._answer: Answer | None = None
        self._last = b""

    async def run(self) -> None:
        status, refusal = "complete", None
        request = self._admitted.request
        try:
            limit_answer(request, self._admitted.tokens_out_each)
            if request.stream:
                await self._stream()
            else:
                self._last = await self._begin(self._take_whole)
        except asyncio.CancelledError:
            self._ticket.cut_reason = self._ticket.cut_reason or "shutting_down"
            _taken_back()
            status, refusal = self._cut()
        except (TimeoutError, ConnectionResetError):
            # The client does not read, or has gone; what is left of its answer is not waited for.
            status = CLIENT_GONE
        except UpstreamFailed as error:
            self._note(error)
            status = "upstream_failed"
            refusal = Refusal(
                "upstream_failed", "The model's server broke off in mid-answer. Send the request again."
            )
        except BudgetEnded:
            status = "budget_ended"
            refusal = Refusal(
                "budget_ended",
                "The project's budget ended in mid-answer. Have it raised to get whole answers.",
            )
        finally:
            # From here on nobody may cancel: usage is made durable whatever happens to the client.
            self._ticket.cut = None
            if self._answer is not None:
                self._answer.close()
        await self._journal(status)
        if refusal is not None:
            await self._exchange.refuse(refusal)
        elif status == CLIENT_GONE:
            return
        elif self._exchange.started:
            await self._exchange.end(self._last)
        else:
            await self._exchange.answer(200, self._last)

    async def _begin(self, take: Callable[[Answer], Awaitable[T]]) -> T:
        """Try replicas until one gives something to pass on; its answer is then left in `_answer`.

        Raises:
            Refusal: none does, or one refuses the request for what it says.
        """
        admitted, relay = self._admitted, self._relay
        body = for_engine(admitted.request, admitted.model.upstream_model)
        choice = relay.upstream.choice
        # What one replica alone is sent tells nothing.
        prompt = admitted.request.beginning() if len(admitted.replicas) > 1 else b""
        order = choice.order(admitted.replicas, admitted.caller.project.tenant, prompt)
        if len(order) == 1:
            # A second try finds out whether only a kept connection had grown old.
            order *= 2
        answered: set[str] = set()
        busy = False
        for replica in order[: relay.limits.attempts]:
            tenant, model = admitted.caller.project.tenant, admitted.model.model
            if replica.run in answered or relay.traffic.covered(tenant, model, replica.site) is not None:
                continue
            self._replica, self._ticket.site = replica, replica.site
            answer: Answer | None = None
            try:
                answer = await relay.upstream.send(
                    replica,
                    admitted.request.route.value,
                    body,
                    self._exchange.request_id,
                    self._exchange.onward,
                )
                answered.add(replica.run)
                if answer.status != 200:
                    await self._judge(answer, replica)
                taken = await take(answer)
                choice.succeeded(replica.run)
                self._answer, answer = answer, None
                return taken
            except UpstreamFailed as error:
                self._note(error)
                busy = busy or error.busy
            except Refusal:
                self._replica = None
                raise
            finally:
                if answer is not None:
                    answer.close()
        self._replica = None
        if busy:
            raise Refusal(
                "too_many_requests", "Every replica of the model is busy. Try again.", retry_after_s=1
            )
        raise Refusal("upstream_failed", "No replica of the model could answer. Try again.")

    async def _judge(self, answer: Answer, replica: ReplicaRoute) -> None:
        refusal = rewrite.refusal(answer.status, await answer.whole(2**20), self._admitted, replica)
        if refusal is not None:
            raise refusal
        raise UpstreamFailed(f"the engine answered {answer.status}", busy=answer.status in (429, 503))

    async def _take_whole(self, answer: Answer) -> bytes:
        data = await answer.whole(self._relay.limits.answer_bytes)
        return rewrite.whole(data, self._admitted, self._meter)

    async def _stream(self) -> None:
        """Pass a stream on, all but its closing event, which is left in `_last`."""

        async def take(answer: Answer) -> tuple[AsyncGenerator[bytes, None], bytes]:
            if not answer.content_type.startswith("text/event-stream"):
                raise UpstreamFailed("the engine did not stream")
            parts = self._parts(answer)
            return parts, await anext(parts, b"")

        parts, part = await self._begin(take)
        async with aclosing(parts):
            await self._exchange.start(200, b"text/event-stream; charset=utf-8", _STREAM_HEADERS)
            await self._exchange.write(part)
            async for part in parts:
                await self._exchange.write(part)

    async def _parts(self, answer: Answer) -> AsyncGenerator[bytes, None]:
        """The stream in translated parts, as they come.

        Raises:
            UpstreamFailed: it broke off, or holds what is no event of a completion.
            BudgetEnded: the budget does not cover the next part, which is then neither shown nor billed.
        """
        splitter = Splitter(self._relay.limits.answer_bytes)
        rewriter = rewrite.StreamRewriter(self._admitted, self._meter)
        async for chunk in answer.chunks():
            try:
                events = splitter.feed(chunk)
            except EventTooLong as error:
                raise UpstreamFailed(str(error)) from error
            out: list[bytes] = []
            try:
                for event in events:
                    data = data_of(event)
                    if data == DONE:
                        self._last = event
                        break
                    out.append(event if data is None else self._event(rewriter, event, data))
            except (UpstreamFailed, BudgetEnded):
                if part := b"".join(out):
                    yield part  # What came before it is good.
                raise
            if part := b"".join(out):
                yield part
            if self._last:
                return
        rest = splitter.rest()
        if not rewriter.finished and data_of(rest) != DONE:
            raise UpstreamFailed("the stream ended early")
        self._last = b"data: [DONE]\n\n"

    def _event(self, rewriter: rewrite.StreamRewriter, event: bytes, data: bytes) -> bytes:
        """An event for the client, if the budget covers what is then used."""
        before = self._meter.mark()
        found = rewriter.event(event, data)
        if not self._admitted.reservation.covers(self._meter.amount_microeur):
            self._meter.reset(before)
            raise BudgetEnded
        return found

    async def _journal(self, status: str) -> None:
        """Make the usage durable.

        Raises:
            Refusal: the disk does not take it, and the client has seen nothing yet.
        """
        if self._replica is None:
            return
        now_ms = self._relay.clock.now_ms()
        record = self._meter.record(self._exchange.request_id, self._replica, now_ms, status)
        ticket = self._ticket
        ticket.tokens_in, ticket.tokens_out = record.tokens_in, record.tokens_out
        if self._exchange.started or status == CLIENT_GONE:
            await self._relay.book.enter_later(record)
            ticket.status = status
            return
        try:
            await self._relay.book.enter(record)
            ticket.status = status
        except JournalError as error:
            _LOG.error("request %s is not answered: %s", self._exchange.request_id, error.message)
            raise Refusal(
                "journal_unavailable",
                "Usage cannot be recorded, so the answer is neither given nor billed.",
                retry_after_s=10,
            ) from error

    def _cut(self) -> tuple[str, Refusal | None]:
        reason = self._ticket.cut_reason
        if reason == "lease_ended":
            return "gateway_ended", Refusal(
                "lease_ended", "The gateway lost its connection to control in mid-answer. Try again shortly."
            )
        if reason == "shutting_down":
            return "gateway_ended", Refusal(
                "shutting_down", "The gateway was stopped in mid-answer. Send the request again."
            )
        return CLIENT_GONE, None

    def _note(self, error: UpstreamFailed) -> None:
        assert self._replica is not None, "a replica that fails was chosen"
        self._relay.upstream.choice.failed(self._replica.run)
        _LOG.warning(
            "request %s: run %s failed: %s", self._exchange.request_id, self._replica.run, error.message
        )


def _taken_back() -> None:
    """The task was cancelled to end the passage, and goes on from here to write down what was used."""
    task = asyncio.current_task()
    assert task is not None, "a passage is a task"
    task.uncancel()
