"""One gateway process: its parts, its start, its end.

It must never end with usage that is not durable. Look next at `app` for requests, at `sync` for control.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from bruk.admission import Limiter
from bruk.gateway.account import Accounts
from bruk.gateway.admit import Admission
from bruk.gateway.app import serve
from bruk.gateway.book import UsageBook
from bruk.gateway.door import Door
from bruk.gateway.lease import LeaseHolder
from bruk.gateway.limits import Limits
from bruk.gateway.metrics import Metrics
from bruk.gateway.relay import Relay
from bruk.gateway.sync import Sync
from bruk.gateway.tracing import tracing
from bruk.gateway.traffic import Traffic
from bruk.gateway.upstream import Upstream
from bruk.model.clock import Clock
from bruk.model.errors import InvalidInput
from bruk.seal import Keyring
from bruk.wire.bearer import BearerFile

_LOG = logging.getLogger(__name__)
# Control's public keys, as pinned when the gateway was set up and followed since.
KEYS_FILE = "control.pub"
_TICK_S = 0.25
# What ending may take beyond the time that running answers get: journal, last hand-over [s].
_END_S = 5.0


class Gateway:
    """A gateway of one site.

    Attributes:
        home: its own folder; `journal/` and `epoch` are made in it.
        address: host and port it listens on, once `run` has bound them.
    """

    def __init__(
        self,
        home: Path,
        name: str,
        site: str,
        control_url: str,
        token: str,
        pinned_keys: Keyring,
        clock: Clock,
        limits: Limits | None = None,
        token_file: Path | None = None,
    ) -> None:
        self.home = home
        self.name = name
        self.site = site
        self.clock = clock
        self.limits = limits or Limits()
        self.address: tuple[str, int] | None = None
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.leases = LeaseHolder(
            name, site, pinned_keys, clock, home / "epoch", self.limits.lease_ms, home / KEYS_FILE
        )
        self.accounts = Accounts()
        self.traffic = Traffic(name, site, self.limits.requests, self.limits.bodies_bytes)
        self.limiter = Limiter()
        self.admission = Admission(self.leases, self.traffic, self.accounts, self.limiter, clock)
        self.upstream = Upstream(self.limits, clock)
        self.tracing = tracing(name, site)
        self.metrics = Metrics(
            in_flight=lambda: len(self.traffic),
            lease_valid=lambda: self.leases.ended_for_ms() is None,
            waiting=lambda: self.book.backlog,
        )
        self._control_url = control_url
        self._bearer = BearerFile(token, token_file)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._stopped = False

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Inside, the journal is open and the gateway is in step with control.

        Raises:
            JournalError: the journal cannot be opened (see `Journal.open`).
        """
        self.book = UsageBook.open(self.home / "journal", self.clock.new_id("jrn"), self.accounts)
        self.relay = Relay(self.upstream, self.book, self.traffic, self.clock, self.limits)
        self.sync = Sync(
            gateway=self.name,
            control_url=self._control_url,
            bearer=self._bearer,
            leases=self.leases,
            accounts=self.accounts,
            limiter=self.limiter,
            traffic=self.traffic,
            book=self.book,
            clock=self.clock,
        )
        self.traffic.on_change = self.book.on_entry = self.sync.nudge
        if self.book.waiting:
            self.sync.nudge()
        loops = (self.sync.watch, self.sync.hand_over, self._guard)
        tasks = [asyncio.create_task(_for_ever(loop)) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_S):
                    await self.sync.flush()
            await self.sync.close()
            await self.upstream.close()
            await asyncio.to_thread(self.book.close)
            await asyncio.to_thread(self.tracing.close)

    async def run(self, listen: str) -> None:
        """Serve until SIGTERM or SIGINT: then nothing more is taken, answers under way get `Limits.drain_s`,
        what is left is cut and billed as far as it came, and the journal is made durable.

        Args:
            listen: ``HOST:PORT``; port 0 takes a free one, see `address`.

        Raises:
            InvalidInput: the address is malformed or cannot be bound.
            JournalError: the journal cannot be opened.
        """
        listener = _bind(listen)
        self.address = listener.getsockname()[:2]
        with contextlib.closing(listener):
            async with self.open():
                if self._stopped:
                    return
                await self._serve(listener)

    async def _serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._loop, self._ending = loop, asyncio.Event()
        door = Door(serve(self), self.clock, self.limits)
        with _signals(loop, self._ending):
            await door.open(listener)
            if self._stopped:
                self._ending.set()
            await self._ending.wait()
        door.refuse_more()
        await self.drain()
        await door.close(_END_S)

    def stop(self) -> None:
        """Make `run` end as SIGTERM does; may be called from any thread."""
        self._stopped = True
        if self._loop is not None and self._ending is not None:
            with contextlib.suppress(RuntimeError):  # The loop has ended already.
                self._loop.call_soon_threadsafe(self._ending.set)

    async def drain(self) -> None:
        """Take nothing more, wait for what is under way, and cut it when its time is over."""
        self.traffic.draining = True
        deadline_ms = self.clock.monotonic_ms() + int(self.limits.drain_s * 1000)
        while len(self.traffic) and self.clock.monotonic_ms() < deadline_ms:
            await asyncio.sleep(0.05)
        self.traffic.cut("shutting_down")

    async def _guard(self) -> None:
        """Cut what outlives the lease, try again what the disk refused, close what is idle."""
        while True:
            await asyncio.sleep(_TICK_S)
            ended_ms = self.leases.ended_for_ms()
            if ended_ms is not None and ended_ms >= self.limits.after_lease_s * 1000:
                self.traffic.cut("lease_ended")
            await self.book.retry()
            await self.upstream.sweep()


async def _for_ever(loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop that must not end, and begin it again when a defect ends it."""
    while True:
        try:
            await loop()
        except Exception as error:
            _LOG.error(
                "a loop of the gateway failed and begins again: %s", type(error).__name__, exc_info=error
            )
            await asyncio.sleep(1)


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop, ending: asyncio.Event) -> Iterator[None]:
    """Inside, SIGTERM and SIGINT set the event."""
    numbers = [signal.SIGTERM, signal.SIGINT]
    try:
        for number in numbers:
            loop.add_signal_handler(number, ending.set)
    except (RuntimeError, ValueError):
        numbers = []  # Not in the main thread: whoever runs us there calls `stop`.
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _bind(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise InvalidInput(f"{listen!r} is no address to listen on. Write HOST:PORT.", field="listen")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family, backlog=1024)
    except OSError as error:
        raise InvalidInput(
            f"{listen} cannot be listened on: {error.strerror or error}. Choose another port, or stop what"
            " uses it.",
            field="listen",
        ) from error
