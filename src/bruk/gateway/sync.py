"""The exchange with control: leases and holds come in, usage and acknowledgements go out.

Two loops share one exchange. The watch waits at control until something changes, so that a disabled key
or a switch counts at once. The hand-over sends usage and acknowledgements as they arise. Either brings a
lease; epochs keep their order. It must never delete usage that a signed lease does not call settled. Look
next at `lease` and `book`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import orjson
from pydantic import ValidationError

from bruk.admission import Limiter
from bruk.gateway.account import Accounts
from bruk.gateway.book import UsageBook
from bruk.gateway.lease import LeaseHolder, LeaseRefused
from bruk.gateway.traffic import Traffic
from bruk.journal import JournalError
from bruk.model.clock import Clock
from bruk.wire.bearer import BearerFile
from bruk.wire.gateway import GatewayAnswer

_LOG = logging.getLogger(__name__)
SYNC_PATH = "/api/v1/gateway/sync"
# Control answers a watch after this at the latest, well before a lease of 10 s ends [ms].
WAIT_MS = 3_000
USAGE_MAX = 1_000
# Records that come within this of each other go in one exchange [s].
_GATHER_S = 0.2
_PAUSE_S_MIN, _PAUSE_S_MAX = 0.2, 2.0
_TICK_S = 0.5


@dataclass(frozen=True, slots=True)
class Message:
    """What is said to control: a `GatewaySync` as JSON, how many records of usage it has, and the generation
    that it acknowledges."""

    body: bytes
    records: int
    generation: int


class Sync:
    """Keeps a gateway and control in step. `on_lease` is called after every new lease."""

    def __init__(
        self,
        *,
        gateway: str,
        control_url: str,
        bearer: BearerFile,
        leases: LeaseHolder,
        accounts: Accounts,
        limiter: Limiter,
        traffic: Traffic,
        book: UsageBook,
        clock: Clock,
        on_lease: Callable[[], object] = lambda: None,
    ) -> None:
        self._gateway = gateway
        self._url = control_url.rstrip("/") + SYNC_PATH
        self._bearer = bearer
        self._leases = leases
        self._accounts = accounts
        self._limiter = limiter
        self._traffic = traffic
        self._book = book
        self._clock = clock
        self._on_lease = on_lease
        self._version = 0
        self._acknowledged_generation = -1
        self._sent = 0
        self._something_new = asyncio.Event()
        self._client: httpx.AsyncClient | None = None
        self._complaint = ""

    def nudge(self) -> None:
        """Something is there to hand over."""
        self._something_new.set()

    async def watch(self) -> None:
        """Wait at control for changes, for ever."""
        pause_s = _PAUSE_S_MIN
        while True:
            if await self._try(wait_ms=WAIT_MS, usage_max=0):
                pause_s = _PAUSE_S_MIN
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    async def hand_over(self) -> None:
        """Hand usage and acknowledgements over as they arise, for ever."""
        while True:
            await self._something_new.wait()
            await asyncio.sleep(_GATHER_S)
            self._something_new.clear()
            while await self._hand_over_some():
                pass
            if self._book.waiting:
                # Control is away, or has not settled yet; there is nothing to gain from asking it at once.
                await asyncio.sleep(_TICK_S)
                self._something_new.set()

    async def flush(self) -> None:
        """Hand over what is left, once; called when the process ends."""
        await self._try(wait_ms=0, usage_max=USAGE_MAX)

    async def close(self) -> None:
        """Close the connection to control."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _hand_over_some(self) -> bool:
        """One exchange; True when it settled a full load, so that more may wait."""
        if not self._book.waiting and self._acknowledged_generation == self._traffic.generation:
            return False
        return await self._try(wait_ms=0, usage_max=USAGE_MAX) and self._sent == USAGE_MAX

    async def _try(self, wait_ms: int, usage_max: int) -> bool:
        try:
            await self.exchange(wait_ms, usage_max)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, LeaseRefused, JournalError) as error:
            # An answer may hold keys, so that only the kind of an error of reading it is logged.
            words = error.message if isinstance(error, LeaseRefused | JournalError) else type(error).__name__
            if words != self._complaint:
                _LOG.warning("sync with control failed: %s", words)
            self._complaint = words
            return False
        if self._complaint:
            _LOG.warning("sync with control works again")
            self._complaint = ""
        return True

    async def exchange(self, wait_ms: int, usage_max: int) -> None:
        """Send what there is, and rely on the answer.

        Raises:
            httpx.HTTPError: control cannot be reached or refuses.
            ValueError: its answer cannot be read.
            LeaseRefused: its lease must not be relied on.
            JournalError: the acknowledgement cannot be noted.
        """
        message = self.message(wait_ms, usage_max)
        if usage_max:
            self._sent = message.records
        response = await self._opened().post(
            self._url,
            content=message.body,
            headers={"content-type": "application/json"},
            timeout=httpx.Timeout(10, read=wait_ms / 1000 + 10),
        )
        response.raise_for_status()
        try:
            answer = GatewayAnswer.model_validate(orjson.loads(response.content))
        except ValidationError as error:
            raise ValueError("the answer is no sync answer") from error
        if self.rely_on(answer):
            # Only what control signed for counts as settled: whoever can answer in its place must not make
            # us forget usage.
            await asyncio.to_thread(self._book.acknowledge, self.settled_seq(answer))
        if wait_ms:
            self._version = answer.version
        self._acknowledged_generation = message.generation

    def message(self, wait_ms: int, usage_max: int) -> Message:
        """What there is to say now, with at most so much usage."""
        acknowledgement = self._traffic.acknowledgement(self._clock.now_ms())
        usage = self._book.pending(usage_max) if usage_max else []
        said = {
            "gateway": self._gateway,
            "journal": self._book.journal_id,
            "now_ms": self._clock.now_ms(),
            "known_epoch": self._leases.epoch,
            "known_version": self._version if wait_ms else 0,
            "wait_ms": wait_ms,
            "usage_after": self._book.after,
            "usage": [orjson.Fragment(record) for record in usage],
            "acknowledgement": acknowledgement,
        }
        return Message(orjson.dumps(said), len(usage), acknowledgement.generation)

    def rely_on(self, answer: GatewayAnswer) -> bool:
        """Rely on the lease of an answer from now on; True if it was a newer one.

        Raises:
            LeaseRefused: it must not be relied on.
        """
        try:
            renewed = self._leases.take(answer.lease, answer.handovers)
        except LeaseRefused as error:
            if "epoch" in error.detail and self._leases.ended_for_ms() is None:
                # The two loops can be answered in one order and read in the other; the newer lease stands.
                return False
            raise
        lease = self._leases.lease
        assert lease is not None, "a lease was taken"
        if not renewed:
            return False
        self._accounts.renew(lease.projects, lease.settled_through_seq)
        self._limiter.allow_only(lease.limits, self._clock.monotonic_ms())
        self._traffic.enforce(lease.generation, self._leases.holds)
        self._on_lease()
        return True

    def settled_seq(self, answer: GatewayAnswer) -> int:
        """Up to where the signed lease in force and this answer agree that usage is in the ledger."""
        lease = self._leases.lease
        return min(answer.acknowledged_seq, lease.settled_through_seq) if lease is not None else 0

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(auth=self._bearer, trust_env=False, follow_redirects=False)
        return self._client
