"""One HTTP/1.1 connection to a replica: a request out, an answer in, at most one at a time.

httptools (llhttp) reads what comes; nothing here is ever asked twice. It must never follow a redirect, decode
what was encoded, or wait without an end: silence for longer than its bound fails the answer. Look next at
`upstream`, which keeps connections and chooses among replicas.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import httptools

from bruk.model.errors import BrukError, ErrorKind

# What an answer's head may have at most [bytes].
HEAD_BYTES_MAX = 64 * 1024
# A replica that is ahead of its client by so much is not read any further until the client has caught up.
_AHEAD_BYTES_MAX = 64 * 1024


class UpstreamFailed(BrukError):
    """A replica did not take the request, or broke its answer off. The message is for the log alone.

    Attributes:
        busy: it said that it has no room now.
    """

    code = "upstream_failed"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self, message: str, *, busy: bool = False) -> None:
        super().__init__(message)
        self.busy = busy


class Connection(asyncio.Protocol):
    """A connection, and the answer that comes over it.

    Attributes:
        status, content_type: of the answer, once its head is there.
        usable: another request may follow the one that was answered.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0
        self.content_type = ""
        self.usable = False
        self._loop = loop
        self._transport: Any = None
        self._parser: Any = None
        self._waiter: asyncio.Future[None] | None = None
        self._parts: deque[bytes] = deque()
        self._ahead_bytes = self._head_bytes = 0
        self._paused = self._head_done = self._complete = self._bounded = True
        self._failure = ""
        self._silent_s = 0.0
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # The way out.

    def send(self, head: bytes, body: bytes, first_byte_s: float, idle_s: float) -> None:
        """Write a request; `head_read` and `read` then wait for its answer.

        Args:
            first_byte_s: how long the answer's head may take [s].
            idle_s: how long it may be silent from then on [s].
        """
        self._parser = httptools.HttpResponseParser(self)
        self.status, self.content_type, self.usable = 0, "", False
        self._head_done = self._complete = self._bounded = False
        self._failure, self._head_bytes = "", 0
        self._silent_s, self._idle_s = first_byte_s, idle_s
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_later(first_byte_s, self._silence)
        # One write, and one packet where it fits.
        self._transport.write(head + body)

    async def head_read(self) -> None:
        """Wait for the answer's head.

        Raises:
            UpstreamFailed: none came.
        """
        while not self._head_done:
            if self._failure:
                raise UpstreamFailed(f"no answer: {self._failure}")
            await self._wait()

    async def read(self) -> bytes:
        """What of the answer's body came by now; waits for some, and is empty at its end.

        Raises:
            UpstreamFailed: it broke off, or was silent for too long.
        """
        while not self._parts:
            if self._complete:
                return b""
            if self._failure:
                raise UpstreamFailed(f"the answer broke off: {self._failure}")
            await self._wait()
        return self._taken()

    async def whole(self, bytes_max: int) -> bytes:
        """All of the body.

        Raises:
            UpstreamFailed: as `read`, or it is too long.
        """
        found: list[bytes] = []
        size = 0
        while not (self._complete and not self._parts):
            part = await self.read()
            size += len(part)
            if size > bytes_max:
                raise UpstreamFailed("the answer is too long")
            found.append(part)
        return found[0] if len(found) == 1 else b"".join(found)

    def finish(self) -> bool:
        """Give the answer up; whether the connection may be used again. What is not, is closed."""
        if self.usable and self._complete and not self._paused:
            self._parts.clear()
            self._ahead_bytes = 0
            return True
        self.close()
        return False

    def close(self) -> None:
        """Close the connection at once."""
        self.usable = False
        self._stop_timer()
        self._transport.abort()

    def _taken(self) -> bytes:
        parts = self._parts
        data = parts.popleft() if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._ahead_bytes = 0
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._heard_at = self._loop.time()  # It was not listened to.
            self._transport.resume_reading()
        return data

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The way in.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._paused = transport, False

    def data_received(self, data: bytes) -> None:
        if self._complete:
            # Nobody asked for it: what it would be taken for next is not to be found out.
            self.close()
            return
        self._heard_at = self._loop.time()
        in_head = not self._head_done
        if in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(type(error).__name__)
        if self._failure:
            self.close()
        elif not self._head_done:
            if self._head_bytes > HEAD_BYTES_MAX:
                self._fail("its head is too long")
        elif in_head and not self._complete:
            self._stop_timer()
            self._silent_s = self._idle_s
            self._timer = self._loop.call_later(self._silent_s, self._silence)
        self._wake()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        if self._complete:
            return
        if self._head_done and not self._bounded and error is None:
            self._complete = True  # Such an answer ends with its connection.
        else:
            self._failure = self._failure or "the connection ended"
        self._stop_timer()
        self._wake()

    def _fail(self, why: str) -> None:
        self._failure = self._failure or why
        self.close()
        self._wake()

    def _silence(self) -> None:
        now = self._loop.time()
        if self._paused:
            self._heard_at = now  # It is not listened to.
        if now < self._heard_at + self._silent_s:
            self._timer = self._loop.call_at(self._heard_at + self._silent_s, self._silence)
        else:
            self._fail("it was silent for too long")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Called by the parser.

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-type":
            self.content_type = value.decode("latin-1")
        elif name in (b"content-length", b"transfer-encoding"):
            self._bounded = True
        elif name == b"content-encoding" and value.lower() != b"identity":
            self._failure = self._failure or "it encoded its answer, which nobody asked for"

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                self._failure = "it changed the protocol"
            self._bounded = False
            return
        if self._failure:
            return
        self.status = status
        self._head_done = True

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._ahead_bytes += len(body)
        if self._ahead_bytes > _AHEAD_BYTES_MAX and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._failure or not self._head_done:
            return  # An answer that is not taken, or one of the hundreds, before the real one.
        self._complete = True
        self.usable = bool(self._parser.should_keep_alive()) and self._bounded
        self._stop_timer()
