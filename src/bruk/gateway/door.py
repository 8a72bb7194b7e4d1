"""The gateway's HTTP server: connections of clients, read by httptools, each request served in its own task.

Bounded in all that a stranger decides: the length of a head and the time it takes, what is read ahead, how
long an idle connection is kept. What is no HTTP gets a refusal in the API's shape. Requests that a client
sends without waiting for answers are served one after the other. It must never judge a body: `exchange` does.
Look next at `app` for what happens to a request.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

import httptools

from bruk.gateway.exchange import Exchange
from bruk.gateway.limits import Limits
from bruk.gateway.problem import Refusal
from bruk.model.clock import Clock

HEAD_BYTES_MAX = 64 * 1024
HEAD_S_MAX = 30.0
# How long a connection is kept between two requests [s].
IDLE_S = 5.0
_BACKLOG = 2048
# Requests of one connection that may wait behind the one that is served.
_WAITING_MAX = 16

Serve = Callable[[Exchange], Awaitable[None]]


class Door:
    """All connections of clients."""

    def __init__(self, serve: Serve, clock: Clock, limits: Limits) -> None:
        self.serve = serve
        self.clock = clock
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.closing = False
        self.lines: set[Line] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._date = (0, b"")
        self._server: asyncio.Server | None = None

    async def open(self, listener: socket.socket) -> None:
        """Take connections from now on."""
        self._server = await self.loop.create_server(lambda: Line(self), sock=listener, backlog=_BACKLOG)

    def refuse_more(self) -> None:
        """Take no connection more, close those that are idle, and every other behind its answer."""
        self.closing = True
        if self._server is not None:
            self._server.close()
        for line in list(self.lines):
            line.close_if_idle()

    async def close(self, within_s: float) -> None:
        """Wait for what is served, no longer than so, then close every connection."""
        self.refuse_more()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=within_s)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for line in list(self.lines):
            line.abort()

    def date(self) -> bytes:
        """The present time as a header has it, made anew each second."""
        second = self.clock.now_ms() // 1000
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True).encode())
        return self._date[1]


class Line(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._transport: Any = None
        self._parser: Any = None
        self._now: Exchange | None = None  # The request that is served.
        self._read: Exchange | None = None  # The request whose body is being read.
        self._waiting: deque[Exchange] = deque()
        self._head_bytes = 0
        self._url, self._headers = b"", dict[bytes, bytes]()
        self._in_head = self._broken = self._deaf = self._reading = self.full = False
        self._writable: asyncio.Future[None] | None = None
        self._ends_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._reading = transport, True
        self._parser = httptools.HttpRequestParser(self)
        self._door.lines.add(self)
        self._give(HEAD_S_MAX)

    def connection_lost(self, error: Exception | None) -> None:
        self._door.lines.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._broken = self._deaf = True
        self.resume_writing()
        self._waiting.clear()
        for exchange in (self._now, self._read):
            if exchange is not None:
                exchange.lost()

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._read is None:
            if not self._in_head:
                self._in_head, self._head_bytes = True, 0
                self._give(HEAD_S_MAX)
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._no_http("This address changes to no other protocol.")
        except httptools.HttpParserError:
            self._no_http("What came is no valid HTTP request.")
        else:
            if self._in_head and self._head_bytes > HEAD_BYTES_MAX:
                self._end_with(
                    Refusal("headers_too_large", f"The headers are longer than {HEAD_BYTES_MAX} bytes.")
                )

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def close_if_idle(self) -> None:
        """Close it unless a request is being served; then its answer is the last."""
        if self._now is None:
            self._transport.close()

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

    # Called by the parser.

    def on_message_begin(self) -> None:
        self._url, self._headers = b"", {}

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._give(0)
        parser, door = self._parser, self._door
        exchange = Exchange(
            door.clock.new_id("req"),
            parser.get_method().decode("ascii"),
            _path(self._url),
            self._headers,
            self,
            door.limits,
            keep=parser.should_keep_alive() and not door.closing,
            old=parser.get_http_version() == "1.0",
        )
        self._read = exchange
        if self._now is None:
            self._begin(exchange)
        else:
            self._waiting.append(exchange)
            self.read_on(False)
            if len(self._waiting) > _WAITING_MAX:
                self._transport.abort()

    def on_body(self, body: bytes) -> None:
        if self._read is not None:
            self._read.body_part(body)

    def on_message_complete(self) -> None:
        exchange, self._read = self._read, None
        if exchange is not None:
            exchange.body_end()

    # What an exchange asks.

    def write(self, data: bytes) -> None:
        if not self._broken:
            self._transport.write(data)

    async def drained(self) -> None:
        while self.full:
            self._writable = self._door.loop.create_future()
            try:
                await self._writable
            finally:
                self._writable = None
        if self._broken:
            raise ConnectionResetError("the client has gone")

    def read_on(self, wanted: bool) -> None:
        if wanted is self._reading or self._broken or self._transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def ended(self, keep: bool) -> None:
        self._now = None
        if not keep or self._door.closing:
            self._transport.close()
            return
        self.read_on(True)  # The next request's body, or the next request.
        if self._waiting:
            self._begin(self._waiting.popleft())
        elif not self._in_head:
            self._give(IDLE_S)

    def date(self) -> bytes:
        return self._door.date()

    # Its own.

    def _begin(self, exchange: Exchange) -> None:
        self._now = exchange
        door = self._door
        task = door.loop.create_task(_served(door.serve, exchange, self))
        door.tasks.add(task)
        task.add_done_callback(door.tasks.discard)

    def _give(self, seconds: float) -> None:
        """Close it in so much time unless something else is given before; 0: it may last."""
        loop = self._door.loop
        self._ends_at = loop.time() + seconds if seconds else 0.0
        if self._timer is None and seconds:
            self._timer = loop.call_at(self._ends_at, self._time_is_over)

    def _time_is_over(self) -> None:
        loop = self._door.loop
        self._timer = None
        if not self._ends_at:
            return
        if loop.time() >= self._ends_at:
            self._transport.close()
        else:
            self._timer = loop.call_at(self._ends_at, self._time_is_over)

    def _no_http(self, words: str) -> None:
        self._end_with(Refusal("malformed_request", words))

    def _end_with(self, refusal: Refusal) -> None:
        """Refuse what is no request, and read nothing more; an answer that is still due comes before."""
        self._deaf = True
        self.read_on(False)
        self._waiting.clear()
        exchange, self._read = self._read, None
        if exchange is not None and exchange is self._now:
            exchange.lost()  # Its body broke off.
            self._now = None
        if self._now is not None:
            self._now.close_after()
        elif exchange is not None and exchange.started:
            self._transport.abort()
        elif not self._transport.is_closing():
            body = refusal.body()
            head = (
                f"HTTP/1.1 {refusal.status} Refused\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nx-request-id: {self._door.clock.new_id('req')}\r\n"
                "connection: close\r\n\r\n"
            )
            self._transport.write(head.encode("ascii") + body)
            self._transport.close()


async def _served(serve: Serve, exchange: Exchange, line: Line) -> None:
    try:
        await serve(exchange)
    except BaseException:
        line.abort()
        raise


def _path(url: bytes) -> str:
    """The path of a request's target, without its query; empty where it has none."""
    if not url.startswith(b"/"):
        try:
            url = httptools.parse_url(url).path or b""
        except httptools.HttpParserInvalidURLError:
            return ""
    path = url.partition(b"?")[0]
    if b"%" not in path and path.isascii():
        return path.decode("ascii")
    return unquote(path.decode("latin-1"))
