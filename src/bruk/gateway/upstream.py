"""The HTTP client towards replicas, and which replica is tried first.

Everything the gateway knows of its client library stands in this module, so that a faster one can take
its place. It must never follow a redirect, use a proxy of the environment, or put an address or a key
into a message. Look next at `relay`, which uses it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpx

from bruk.gateway.limits import Limits
from bruk.model.clock import Clock
from bruk.model.errors import BrukError, ErrorKind
from bruk.wire.gateway import ReplicaRoute

# A replica that failed is tried last for so long [ms].
COOL_MS = 5_000
# A connection is let go before servers would close it (5 s), or a request could meet the closing [ms].
IDLE_MS = 4_000


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


class Answer:
    """A replica's answer that has begun: its status, its type and its bytes as they come."""

    def __init__(self, response: httpx.Response, idle_s: float) -> None:
        self.status = response.status_code
        self.content_type: str = response.headers.get("content-type", "")
        self._response = response
        self._idle_s = idle_s

    async def chunks(self) -> AsyncIterator[bytes]:
        """The answer's bytes.

        Raises:
            UpstreamFailed: it broke off, or was silent for too long.
        """
        iterator = self._response.aiter_bytes()
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    chunk = await anext(iterator, None)
            except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
                raise UpstreamFailed(f"the answer broke off: {type(error).__name__}") from error
            if chunk is None:
                return
            yield chunk

    async def whole(self, bytes_max: int) -> bytes:
        """All of it.

        Raises:
            UpstreamFailed: as `chunks`, or it is too long.
        """
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > bytes_max:
                raise UpstreamFailed("the answer is too long")
            parts.append(chunk)
        return b"".join(parts)


class Upstream:
    """Connections to replicas, kept open between requests; at most one request on each at a time.

    Each connection has a client of its own, because the work of httpx's pool grows with the square of the
    connections it holds.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._tls = ssl.create_default_context()
        # By address, the longest idle first, each with the time from which it is idle [ms].
        self._idle: dict[str, list[tuple[int, httpx.AsyncClient]]] = {}
        self._outstanding: dict[str, int] = {}
        self._cool_until_ms: dict[str, int] = {}
        self._last_turn: dict[str, int] = {}
        self._turn = 0

    def order(self, replicas: Iterable[ReplicaRoute]) -> list[ReplicaRoute]:
        """Replicas in the order to try them: those that failed lately last, else least outstanding work,
        and of those with as much the one whose turn is longest ago.
        """
        now_ms = self._clock.monotonic_ms()

        def rank(replica: ReplicaRoute) -> tuple[bool, int, int, str]:
            run = replica.run
            cooling = self._cool_until_ms.get(run, 0) > now_ms
            return cooling, self._outstanding.get(run, 0), self._last_turn.get(run, 0), run

        return sorted(replicas, key=rank)

    def failed(self, replica: ReplicaRoute) -> None:
        """Try this one last for a while."""
        self._cool_until_ms[replica.run] = self._clock.monotonic_ms() + COOL_MS

    @asynccontextmanager
    async def send(
        self, replica: ReplicaRoute, path: str, body: bytes, request_id: str
    ) -> AsyncIterator[Answer]:
        """Send the request; inside, the answer has begun. Leaving early cancels it at the replica.

        Raises:
            UpstreamFailed: the replica cannot be reached or gave no answer.
        """
        headers = {
            "authorization": f"Bearer {replica.key}",
            "content-type": "application/json",
            "accept-encoding": "identity",
            "x-request-id": request_id,
        }
        try:
            client = self._borrow(replica.address)
            request = client.build_request("POST", path, content=body, headers=headers)
        except (httpx.InvalidURL, ValueError) as error:
            raise UpstreamFailed("the address or the key of the run cannot be used") from error
        self._turn += 1
        self._last_turn[replica.run] = self._turn
        self._outstanding[replica.run] = self._outstanding.get(replica.run, 0) + 1
        try:
            try:
                response = await client.send(request, stream=True)
            except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
                raise UpstreamFailed(f"no answer: {type(error).__name__}") from error
            try:
                yield Answer(response, self._limits.idle_s)
            finally:
                await response.aclose()
        finally:
            self._idle.setdefault(replica.address, []).append((self._clock.monotonic_ms(), client))
            left = self._outstanding[replica.run] - 1
            if left:
                self._outstanding[replica.run] = left
            else:
                del self._outstanding[replica.run]

    async def sweep(self, idle_ms: int = IDLE_MS) -> None:
        """Close what was idle for so long; called now and then."""
        now_ms = self._clock.monotonic_ms()
        stale: list[httpx.AsyncClient] = []
        for address, idle in list(self._idle.items()):
            while idle and now_ms - idle[0][0] >= idle_ms:
                stale.append(idle.pop(0)[1])
            if not idle:
                del self._idle[address]
        for client in stale:
            await client.aclose()

    async def close(self) -> None:
        """Close every connection that no request uses."""
        await self.sweep(0)

    def _borrow(self, address: str) -> httpx.AsyncClient:
        idle = self._idle.get(address)
        if idle:
            since_ms, client = idle.pop()
            if self._clock.monotonic_ms() - since_ms < IDLE_MS:
                return client
            idle.append((since_ms, client))
        limits = self._limits
        base = address if "://" in address else f"http://{address}"
        return httpx.AsyncClient(
            base_url=base.rstrip("/").removesuffix("/v1"),
            timeout=httpx.Timeout(limits.first_byte_s, connect=limits.connect_s, pool=limits.connect_s),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            verify=self._tls,
            trust_env=False,
            follow_redirects=False,
        )
