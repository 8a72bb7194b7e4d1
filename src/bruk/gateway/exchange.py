"""One request and its answer on a client's connection: a body read within bounds, an answer written once.

It must never keep more of a body than its bound, and never leave a client without the refusal it was
sent: what such a client still sends is read and thrown away, since closing at once would make its kernel
drop the answer. Look next at `door`, which reads the requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from bruk.gateway.limits import Limits
from bruk.gateway.problem import Refusal

Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"
_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    402: b"Payment Required",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    409: b"Conflict",
    413: b"Content Too Large",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
}
# A body that is waited for is read on while less than this waits to be taken [bytes].
AHEAD_BYTES_MAX = 64 * 1024


class Wire(Protocol):
    """The client's connection, as an exchange uses it.

    Attributes:
        full: the client reads slowly, so that what is written is kept here.
    """

    full: bool

    def write(self, data: bytes) -> None:
        """Hand bytes to the kernel, or keep them until it takes them."""

    async def drained(self) -> None:
        """Wait until it is full no more.

        Raises:
            ConnectionResetError: the client has gone.
        """

    def read_on(self, wanted: bool) -> None:
        """Go on reading from the client, or not."""

    def ended(self, keep: bool) -> None:
        """The answer is written whole; whether the connection may be used again."""

    def date(self) -> bytes:
        """The present time as a header has it."""


class Exchange:
    """A request with its id, and the state of its answer.

    Attributes:
        started: the answer has begun.
        started_s: when, by the loop's clock [s].
        more: headers that its answer has beside its own.
        onward: headers that its replica gets beside its own, each with its end of line.
        on_gone: called once when the client goes before the answer has ended.
    """

    def __init__(
        self,
        request_id: str,
        method: str,
        path: str,
        headers: dict[bytes, bytes],
        wire: Wire,
        limits: Limits,
        *,
        keep: bool = True,
        old: bool = False,
    ) -> None:
        self.request_id = request_id
        self.method = method
        self.path = path
        self.started = False
        self.started_s: float | None = None
        self.more: Headers = []
        self.onward = ""
        self.on_gone: Callable[[], object] = lambda: None
        self._headers = headers
        self._wire = wire
        self._limits = limits
        self._keep = keep
        self._old = old
        self._chunked = self._body_ended = self._lost = self._done = False
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> bytes:
        """The value of a request header by its name in lower case, empty when it is missing."""
        return self._headers.get(name, b"")

    # What the connection brings.

    def body_part(self, data: bytes) -> None:
        """A part of the body came."""
        if self._done:
            return
        self._parts.append(data)
        self._parts_bytes += len(data)
        if self._parts_bytes > AHEAD_BYTES_MAX:
            self._wire.read_on(False)
        self._wake()

    def body_end(self) -> None:
        """The body has come whole."""
        self._body_ended = True
        self._wake()

    def lost(self) -> None:
        """The client has gone."""
        if self._lost or self._done:
            return
        self._lost = True
        self._wake()
        self.on_gone()

    def close_after(self) -> None:
        """What follows on the connection is no request: it ends with this answer."""
        self._keep = False

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What is asked of it.

    async def read_body(self, hold: Callable[[int], object] = lambda _: None) -> bytes:
        """The whole body.

        Args:
            hold: told of each part's length [bytes] before it is kept; it may refuse.

        Raises:
            Refusal: it is longer than the bound, or comes too slowly, or ``hold`` refuses.
            ConnectionResetError: the client has gone.
        """
        bound = self._limits.body_bytes
        length = self.header(b"content-length")
        too_large = length.isdigit() and int(length[:20]) > bound
        if not too_large and not self._body_ended:
            if self.header(b"expect").lower() == b"100-continue":
                self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            try:
                async with asyncio.timeout(self._limits.body_s):
                    return await self._rest(bound, hold)
            except TimeoutError:
                raise Refusal(
                    "body_timeout", f"The body did not come within {self._limits.body_s:g} seconds."
                ) from None
        if too_large or self._parts_bytes > bound:
            raise _too_large(bound)
        hold(self._parts_bytes)
        return b"".join(self._parts)

    async def _rest(self, bound: int, hold: Callable[[int], object]) -> bytes:
        found: list[bytes] = []
        size = 0
        while data := await self._chunk():
            size += len(data)
            if size > bound:
                raise _too_large(bound)
            hold(len(data))
            found.append(data)
        return b"".join(found)

    async def _chunk(self) -> bytes:
        """What came of the body, empty at its end."""
        while not self._parts and not self._body_ended:
            if self._lost:
                raise ConnectionResetError("the client has gone")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        data = b"".join(self._parts)
        self._parts.clear()
        self._parts_bytes = 0
        self._wire.read_on(True)
        return data

    async def answer(
        self, status: int, body: bytes, headers: Headers | None = None, content_type: bytes = JSON
    ) -> None:
        """Send a whole answer, JSON if nothing else is said."""
        head = self._head(status, content_type, [(b"content-length", b"%d" % len(body)), *(headers or [])])
        self._wire.write(head if self.method == "HEAD" else head + body)
        if not self._body_ended:
            await self._discard_body()
        await self._end()

    async def refuse(self, refusal: Refusal) -> None:
        """Send a refusal: as a whole answer, or as the last event of a stream that has begun."""
        if self.started:
            await self.end(refusal.event())
        else:
            await self.answer(refusal.status, refusal.body(), refusal.headers())

    async def start(self, status: int, content_type: bytes, headers: Headers) -> None:
        """Send the status and the headers of an answer that comes in parts."""
        self._chunked = not self._old
        if self._chunked:
            headers = [*headers, (b"transfer-encoding", b"chunked")]
        else:
            self._keep = False  # For such a client the answer ends with the connection.
        self._wire.write(self._head(status, content_type, headers))

    def _head(self, status: int, content_type: bytes, headers: Headers) -> bytes:
        assert not self.started, "an answer is started once"
        self.started = True
        self.started_s = asyncio.get_running_loop().time()
        # What is left of the body may never be read, so that nothing can follow on this connection.
        self._keep = self._keep and self._body_ended
        lines = [
            b"HTTP/1.1 %d %s\r\ndate: %s\r\ncontent-type: %s\r\nx-request-id: %s\r\n"
            % (status, _REASONS[status], self._wire.date(), content_type, self.request_id.encode("ascii"))
        ]
        lines += [b"%s: %s\r\n" % header for header in (*headers, *self.more)]
        lines.append(b"\r\n" if self._keep else b"connection: close\r\n\r\n")
        return b"".join(lines)

    async def write(self, data: bytes) -> None:
        """Send a part of the answer; waits while the client reads slowly.

        Raises:
            TimeoutError: it reads nothing at all.
            ConnectionResetError: it has gone.
        """
        if self._lost or not data:
            return
        self._wire.write(self._part(data))
        if self._wire.full:
            await self._drained()

    async def end(self, data: bytes = b"") -> None:
        """Send the last part."""
        if not self._lost:
            tail = b"0\r\n\r\n" if self._chunked else b""
            self._wire.write((self._part(data) if data else b"") + tail)
        await self._end()

    def _part(self, data: bytes) -> bytes:
        return b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data

    async def _drained(self) -> None:
        async with asyncio.timeout(self._limits.idle_s):
            await self._wire.drained()

    async def _end(self) -> None:
        if self._wire.full:
            with suppress(ConnectionResetError, TimeoutError):
                await self._drained()
        self._done = True
        self._wire.ended(self._keep and not self._lost)

    async def _discard_body(self) -> None:
        if self.header(b"expect"):
            return  # Such a client waits for leave to send its body, and reads the refusal instead.
        left = self._limits.discard_bytes
        with suppress(TimeoutError, ConnectionResetError):
            async with asyncio.timeout(self._limits.discard_s):
                while left > 0 and (data := await self._chunk()):
                    left -= len(data)


def _too_large(bound: int) -> Refusal:
    return Refusal("body_too_large", f"The body is longer than {bound} bytes.", bytes_max=bound)
