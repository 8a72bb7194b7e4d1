"""One request and its answer over ASGI: a body read within bounds, an answer written once.

It must never keep more of a body than its bound, and never leave a client without the refusal it was
sent: what such a client still sends is read and thrown away, since closing at once would make its kernel
drop the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from bruk.gateway.limits import Limits
from bruk.gateway.problem import Refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"


class Exchange:
    """A request with its id, and the state of its answer."""

    def __init__(self, request_id: str, scope: Message, receive: Receive, send: Send, limits: Limits) -> None:
        self.request_id = request_id
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.started = False
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._receive = receive
        self._send = send
        self._limits = limits
        self._body_ended = self.method in {"GET", "HEAD"} and not self._announced_body()

    def header(self, name: bytes) -> bytes:
        """The value of a request header by its name in lower case, empty when it is missing."""
        return self._headers.get(name, b"")

    def _announced_body(self) -> bool:
        return self.header(b"content-length") not in {b"", b"0"} or bool(self.header(b"transfer-encoding"))

    async def read_body(self) -> bytes:
        """The whole body.

        Raises:
            Refusal: it is longer than the bound, or comes too slowly.
        """
        bound = self._limits.body_bytes
        length = self.header(b"content-length")
        too_large = Refusal("body_too_large", f"The body is longer than {bound} bytes.", bytes_max=bound)
        if length.isdigit() and int(length[:20]) > bound:
            raise too_large
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.body_s):
                while not self._body_ended:
                    chunk = await self._next_chunk()
                    size += len(chunk)
                    if size > bound:
                        raise too_large
                    chunks.append(chunk)
        except TimeoutError:
            raise Refusal(
                "body_timeout", f"The body did not come within {self._limits.body_s:g} seconds."
            ) from None
        return b"".join(chunks)

    async def _next_chunk(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the client has gone")
        self._body_ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def gone(self) -> None:
        """Return when the client has gone; call it once the body is read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def answer(
        self, status: int, body: bytes, headers: Headers | None = None, content_type: bytes = JSON
    ) -> None:
        """Send a whole answer, JSON if nothing else is said."""
        length = (b"content-length", str(len(body)).encode())
        await self.start(status, content_type, [length, *(headers or [])])
        if self._body_ended:
            await self.end(body)
            return
        await self.write(body)
        await self._discard_body()
        await self.end()

    async def refuse(self, refusal: Refusal) -> None:
        """Send a refusal: as a whole answer, or as the last event of a stream that has begun."""
        if self.started:
            await self.end(refusal.event())
        else:
            await self.answer(refusal.status, refusal.body(), refusal.headers())

    async def start(self, status: int, content_type: bytes, headers: Headers) -> None:
        """Send the status and the headers."""
        assert not self.started, "an answer is started once"
        self.started = True
        own = [(b"content-type", content_type), (b"x-request-id", self.request_id.encode("ascii"))]
        if not self._body_ended:
            # What is left of the body may never be read, so that nothing can follow on this connection.
            own.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})

    async def write(self, data: bytes) -> None:
        """Send a part of the answer; waits while the client reads slowly."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last part."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def _discard_body(self) -> None:
        if self.header(b"expect"):
            return  # Such a client waits for leave to send its body, and reads the refusal instead.
        left = self._limits.discard_bytes
        with suppress(TimeoutError, ConnectionResetError):
            async with asyncio.timeout(self._limits.discard_s):
                while not self._body_ended and left > 0:
                    left -= len(await self._next_chunk())
