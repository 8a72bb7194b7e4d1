"""Connections to replicas, kept between requests.

It must never use a proxy of the environment, or put an address or a key into a message. Look next at `wire`
for a connection, at `choice` for which replica is tried first, at `relay`, which uses this.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from bruk.gateway.choice import Choice
from bruk.gateway.limits import Limits
from bruk.gateway.wire import Connection, UpstreamFailed
from bruk.model.clock import Clock
from bruk.wire.gateway import ReplicaRoute

__all__ = ["Answer", "Upstream", "UpstreamFailed"]

# A connection is let go before servers would close it (5 s), or a request could meet the closing [ms].
IDLE_MS = 4_000
# What may stand in a line of a request's head.
_PLAIN = re.compile(r"[!-~]*")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a replica listens: what an address means, read once."""

    host: str
    port: int
    tls: bool
    named: str
    path: str

    @classmethod
    def of(cls, address: str) -> _Place:
        if not _PLAIN.fullmatch(address):
            raise ValueError("an address has no spaces and is ASCII")
        parts = urlsplit(address if "://" in address else f"http://{address}")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ValueError("no address of a server")
        tls = parts.scheme == "https"
        path = parts.path.rstrip("/").removesuffix("/v1")
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls, parts.netloc, path)


class Answer:
    """A replica's answer that has begun: its status, its type and its bytes as they come.

    Whoever has it must `close` it; before its end that cancels it at the replica.
    """

    def __init__(self, upstream: Upstream, replica: ReplicaRoute, connection: Connection) -> None:
        self.status = connection.status
        self.content_type = connection.content_type
        self._upstream = upstream
        self._replica = replica
        self._connection: Connection | None = connection

    async def chunks(self) -> AsyncIterator[bytes]:
        """The answer's bytes.

        Raises:
            UpstreamFailed: it broke off, or was silent for too long.
        """
        assert self._connection is not None, "a closed answer is not read"
        while chunk := await self._connection.read():
            yield chunk

    async def whole(self, bytes_max: int) -> bytes:
        """All of it.

        Raises:
            UpstreamFailed: as `chunks`, or it is too long.
        """
        assert self._connection is not None, "a closed answer is not read"
        return await self._connection.whole(bytes_max)

    def close(self) -> None:
        """Give the connection back, or close it where the answer has not ended. Repeating it does nothing."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._upstream.take_back(self._replica, connection)


class Upstream:
    """Connections to replicas; at most one request on each at a time.

    Attributes:
        choice: which replica is tried first; what is sent and answered here is told to it.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._tls = ssl.create_default_context()
        # By address, the longest idle first, each with the time from which it is idle [ms].
        self._idle: dict[str, list[tuple[int, Connection]]] = {}
        self._places: dict[str, _Place] = {}
        self.choice = Choice(clock)

    async def send(
        self, replica: ReplicaRoute, path: str, body: bytes, request_id: str, onward: str = ""
    ) -> Answer:
        """Send the request; the answer that is returned has begun, and must be closed.

        Args:
            onward: further headers, each with its end of line.

        Raises:
            UpstreamFailed: the replica cannot be reached or gave no answer.
        """
        place = self._place(replica)
        who = f"authorization: Bearer {replica.key}\r\n" if replica.key else ""
        head = (
            f"POST {place.path}{path} HTTP/1.1\r\nhost: {place.named}\r\n{who}"
            "content-type: application/json\r\naccept: */*\r\naccept-encoding: identity\r\n"
            f"{onward}x-request-id: {request_id}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.choice.begins(replica.run)
        connection = None
        try:
            connection = self._borrow(replica.address) or await self._connect(place)
            connection.send(head.encode("ascii"), body, self._limits.first_byte_s, self._limits.idle_s)
            await connection.head_read()
        except BaseException:
            self.choice.ends(replica.run)
            if connection is not None:
                connection.close()
            raise
        return Answer(self, replica, connection)

    def take_back(self, replica: ReplicaRoute, connection: Connection) -> None:
        """An answer over this connection is done with."""
        self.choice.ends(replica.run)
        if connection.finish():
            idle = self._idle.setdefault(replica.address, [])
            idle.append((self._clock.monotonic_ms(), connection))

    async def sweep(self, idle_ms: int = IDLE_MS) -> None:
        """Close what was idle for so long; called now and then."""
        now_ms = self._clock.monotonic_ms()
        for address, idle in list(self._idle.items()):
            while idle and now_ms - idle[0][0] >= idle_ms:
                idle.pop(0)[1].close()
            if not idle:
                del self._idle[address]

    async def close(self) -> None:
        """Close every connection that no request uses."""
        await self.sweep(0)

    def _place(self, replica: ReplicaRoute) -> _Place:
        place = self._places.get(replica.address)
        if place is None:
            try:
                place = _Place.of(replica.address)
            except ValueError:
                raise UpstreamFailed("the address of the run cannot be used") from None
            if len(self._places) > 10_000:
                self._places.clear()  # Addresses of runs that ended long ago.
            self._places[replica.address] = place
        if not _PLAIN.fullmatch(replica.key):
            raise UpstreamFailed("the key of the run cannot be used")
        return place

    def _borrow(self, address: str) -> Connection | None:
        idle = self._idle.get(address)
        while idle:
            since_ms, connection = idle.pop()
            if connection.usable and self._clock.monotonic_ms() - since_ms < IDLE_MS:
                return connection
            connection.close()
        return None

    async def _connect(self, place: _Place) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.connect_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop), place.host, place.port, ssl=self._tls if place.tls else None
                )
        except (OSError, TimeoutError, ssl.SSLError) as error:
            raise UpstreamFailed(f"no answer: {type(error).__name__}") from error
        return connection
