"""The agent's loop: steps in a worker thread, one long poll in flight, logs on the way.

It ends when it is cancelled and leaves running work running; supervisors outlive it. All decisions
stand in ``hand``; here is only waiting. Must never hold the event loop: steps touch the disk.
"""

import asyncio
import contextlib
import logging
import signal
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bruk.agent.hand import Hand
from bruk.agent.local_hold import keep_reserve
from bruk.agent.means import Means, Settings
from bruk.agent.meter import EnergyReader, Meter
from bruk.agent.record import Phase, Records
from bruk.agent.replica import HealthProbe, http_health
from bruk.agent.stage import Stager
from bruk.agent.sync import ControlAway, ControlRefused, HttpTransport, Transport
from bruk.agent.tail import Shipper
from bruk.engines.base import Engine, EngineError
from bruk.journal import KEEP_BYTES, Journal
from bruk.model.clock import Clock
from bruk.model.egress import Destination
from bruk.model.errors import BrukError
from bruk.wire.agent import SyncRequest, SyncResponse

log = logging.getLogger(__name__)
_STEP_BUSY_S = 0.25
_STEP_IDLE_S = 0.5
_SHIP_S = 1.0
_SYNC_PAUSE_S = 0.05
_WORKERS = 16


class Inline(ThreadPoolExecutor):
    """Runs what it is given at once in the caller's thread: the background of a simulation."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Agent:
    """One site's agent over its home.

    ``hand`` has the step functions; ``run`` calls them until it is cancelled.
    """

    def __init__(
        self,
        home: Path,
        site: str,
        control_url: str,
        token: str,
        engine: Engine,
        clock: Clock,
        python: str = sys.executable,
        *,
        token_file: Path | None = None,
        software: tuple[Path, ...] = (),
        egress: tuple[Destination, ...] = (),
        settings: Settings | None = None,
        energy: EnergyReader | None = None,
        transport: Transport | None = None,
        probe: HealthProbe = http_health,
        background: ThreadPoolExecutor | None = None,
    ) -> None:
        """Open the agent's home; nothing is started yet.

        Args:
            home: the agent's own folder, kept across restarts; its journal lies in it.
            token: bearer token that control gave this site.
            token_file: where a renewed token is found.
            python: the site's interpreter, for recipes and for ``python`` in commands.
            software: folders in which jobs may name virtual environments; none: jobs may not.
            egress: destinations that jobs may declare; none: jobs may not.
            transport: instead of HTTP to ``control_url``; for simulations and tests.
            background: instead of a pool of threads; ``Inline`` for simulations.

        Raises:
            JournalError: another agent has this home, or its journal is damaged.
            OSError: the home cannot be written.
        """
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        keep_reserve(home)
        settings = settings or Settings()
        self._clock = clock
        self._settings = settings
        self._transport = transport or HttpTransport(control_url, token, token_file)
        self._journal = Journal.open(home / "journal", new_id=clock.new_id("journal"), keep_bytes=KEEP_BYTES)
        self._background = background or ThreadPoolExecutor(_WORKERS, thread_name_prefix="agent")
        self._wake = asyncio.Event()
        means = Means(
            site=site,
            python=python,
            engine=engine,
            transport=self._transport,
            records=Records(home),
            stager=Stager(home, self._transport, settings.reserve_bytes),
            shipper=Shipper(self._transport, engine),
            meter=Meter(self._journal, energy),
            background=self._background,
            probe=probe,
            settings=settings,
            software=software,
            egress=egress,
        )
        self.hand = Hand(home, means, clock)

    async def run(self) -> None:
        """Recover, then work until cancelled. Running work goes on.

        While the engine cannot say what runs there is no safe way to begin, so it asks again.
        """
        try:
            await self._recover()
            # The first report says what is here, so one step comes before it.
            await asyncio.to_thread(self.hand.drive, self._clock.now_ms())
            async with asyncio.TaskGroup() as group:
                group.create_task(self._drive())
                group.create_task(self._sync())
                group.create_task(self._ship())
        finally:
            await self._close()

    async def _recover(self) -> None:
        failures = 0
        while True:
            try:
                return await asyncio.to_thread(self.hand.recover)
            except (EngineError, OSError) as error:
                failures += 1
                log.error("the agent cannot begin: %s; it asks again", error)
                await asyncio.sleep(self._settings.pause_ms(failures) / 1000)

    def close(self) -> None:
        """Let go of the home; for an agent whose ``run`` is not used."""
        self.hand.close()
        # A launch that was written down must be carried out, so nothing that waits is cancelled.
        self._background.shutdown(wait=True)
        self._journal.close()

    async def _close(self) -> None:
        log.info("the agent ends; what runs goes on")
        if isinstance(self._transport, HttpTransport):
            await self._transport.close()
        await asyncio.to_thread(self.close)

    async def _drive(self) -> None:
        while True:
            try:
                if await asyncio.to_thread(self.hand.drive, self._clock.now_ms()):
                    self._wake.set()
            except (BrukError, OSError):
                log.exception("a step failed; the next one tries again")
            await asyncio.sleep(_STEP_BUSY_S if self.hand.active else _STEP_IDLE_S)

    async def _sync(self) -> None:
        failures, urgent = 0, True
        while True:
            self._wake.clear()
            try:
                response = await self._round(urgent)
            except (BrukError, OSError) as error:
                failures += 1
                pause_ms = self._settings.pause_ms(failures)
                if failures == 1 or not isinstance(error, ControlAway):
                    log.warning("%s; next try in %d ms", error, pause_ms)
                await asyncio.sleep(pause_ms / 1000)
                urgent = True
                continue
            if failures:
                log.info("control is there again after %d tries", failures)
            failures, urgent = 0, response is None
            # A control that answers at once, again and again, must not heat two machines.
            await asyncio.sleep(_SYNC_PAUSE_S)

    async def _round(self, urgent: bool) -> SyncResponse | None:
        """One exchange and what follows from it; None when it was given up for news of the site's."""
        request = await asyncio.to_thread(self.hand.report, self._clock.now_ms(), 0 if urgent else None)
        response = await self._exchange(request)
        if response is None:
            return None
        if not await asyncio.to_thread(self.hand.take, response, self._clock.now_ms()):
            raise ControlRefused(
                "control's answer is older than what this site has heard already and is not acted on; if "
                "control was restored from a backup, stop the agent, remove standing.json from its home "
                "and start it again"
            )
        if await asyncio.to_thread(self.hand.drive, self._clock.now_ms()):
            self._wake.set()
        return response

    async def _exchange(self, request: SyncRequest) -> SyncResponse | None:
        """The answer; None when something changed at the site before it came."""
        pending = asyncio.create_task(self._transport.sync(request))
        if not request.wait_ms:
            # Never given up, so that a site where much happens still hears control.
            return await pending
        woken = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait({pending, woken}, return_when=asyncio.FIRST_COMPLETED)
            if pending.done():
                return pending.result()
            return None
        finally:
            for task in (pending, woken):
                task.cancel()
            await asyncio.gather(pending, woken, return_exceptions=True)

    async def _ship(self) -> None:
        failures = 0
        while True:
            try:
                await asyncio.to_thread(self._ship_all)
                failures = 0
            except (ControlAway, OSError) as error:
                failures += 1
                log.debug("logs wait: %s", error)
            await asyncio.sleep(max(_SHIP_S, self._settings.pause_ms(failures) / 1000 if failures else 0))

    def _ship_all(self) -> None:
        for course in self.hand.courses():
            if course.record.phase in (Phase.LIVE, Phase.ENDED) and not course.shipped:
                course.ship()


async def run_until_signalled(agent: Agent) -> None:
    """Run the agent until SIGTERM or SIGINT; what ``bruk agent`` awaits."""
    task = asyncio.ensure_future(agent.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
