"""The course of one run through the agent: stage, launch, watch, stop, hand over.

``advance`` is called again and again and does what is due; long work goes to the background and
is looked at in a later step. Each act that must not happen twice is written down before it
happens. ``hand`` decides what stands over the run; here it is carried out.
"""

import logging
import threading
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from bruk.agent.disk import free_bytes
from bruk.agent.environment import launch_of
from bruk.agent.means import Means
from bruk.agent.outputs import hand_over
from bruk.agent.record import Phase, RunRecord
from bruk.agent.replica import HealthWatch, Readiness, address_of, free_port
from bruk.agent.stage import StageFailed
from bruk.agent.standing import Verdict
from bruk.agent.sync import ControlRefused
from bruk.agent.tail import ProgressTail
from bruk.engines.base import EngineError, LaunchFailed, Status
from bruk.model.errors import BrukError
from bruk.model.run import Observed, RunWanted, StopReason
from bruk.wire.agent import Observation, OutputReport

log = logging.getLogger(__name__)

EXIT_NOT_STAGED, EXIT_NOT_LAUNCHED, EXIT_STOPPED = 125, 126, 143
UNLISTED = "control does not list this run"
_STOP_AGAIN_MS = 5_000
_ROOM_AGAIN_MS = 5_000


class Course:
    """One run. ``record`` is durable; everything else is seen anew after a restart."""

    def __init__(self, record: RunRecord, means: Means) -> None:
        self.record = record
        self.status: Status | None = None
        self.listed = True
        self.shipped = False
        order = record.order
        self._means = means
        self._folders = means.records.folders(record.run, order.scope if order else "")
        self._tail = ProgressTail(self._folders.progress)
        self._task: Future[Any] | None = None
        self._attempts = 0
        self._retry_at_ms = 0
        self._note = ""
        self._given_up = threading.Event()
        self._progress_read = False
        self._stop_sent_at_ms: int | None = None
        self._health: HealthWatch | None = None

    @property
    def busy(self) -> bool:
        """Whether background work on it is under way."""
        return self._task is not None and not self._task.done()

    @property
    def processes(self) -> int:
        """Living processes; at least 1 while it may have any."""
        if not self.record.may_live:
            return 0
        return max(1, self.status.processes if self.status else 1)

    def save(self, **changes: Any) -> None:
        """Change the record, on disk first.

        Raises:
            OSError: the disk refused, and nothing has changed.
        """
        record = replace(self.record, **changes)
        self._means.records.save(record)
        self.record = record

    def advance(self, now_ms: int, verdict: Verdict, may_launch: bool, seen: bool) -> None:
        """Do what is due.

        Args:
            verdict: what stands over the run.
            may_launch: control's word is fresh enough to start something on it.
            seen: ``status`` was read after ``now_ms``.

        Raises:
            JournalError: use could not be written down; call again.
            OSError: the disk refused; call again.
            EngineError: the engine could not; call again.
        """
        if self.record.phase is Phase.STAGING:
            self._stage(now_ms, verdict, may_launch)
        if self.record.phase is Phase.LAUNCHING:
            self._look_at_launch()
        if self.record.phase is Phase.LIVE:
            self._watch(now_ms, verdict)
        # Use is written down before the end is told, so that control never settles a run short.
        self._measure(now_ms, seen)
        if self.record.phase is Phase.FINISHING:
            self._finish(now_ms)

    def end(self, observed: Observed, exit_code: int | None, detail: str, **changes: Any) -> None:
        """Fix the final observation."""
        log.info("run %s ended: %s %s %s", self.record.run, observed.value, exit_code, detail)
        self.save(phase=Phase.ENDED, observed=observed, exit_code=exit_code, detail=detail[:2000], **changes)
        self._note = ""

    def observation(self) -> Observation:
        """What is seen of the run now."""
        record, status = self.record, self.status
        living = record.phase is Phase.LIVE
        said = (record.stopped_because, record.detail, status.detail if living and status else "", self._note)
        detail = "; ".join(dict.fromkeys(part for part in said if part))
        return Observation(
            run=record.run,
            generation=record.generation,
            observed=self._observed(),
            exit_code=record.exit_code if record.phase is Phase.ENDED else None,
            detail=detail,
            started_at_ms=record.started_at_ms,
            ended_at_ms=record.ended_at_ms if record.phase is Phase.ENDED else None,
            address=address_of(record.port) if living and record.port else "",
            ready=self._ready,
            resumed_from_step=self._tail.resumed_from_step,
            software=record.software,
            progress=self._tail.newest,
            processes=self.processes,
            outputs=list(record.outputs),
            interrupted=bool(record.stopped_because),
        )

    def read_progress(self) -> None:
        """Take in what the run wrote on its progress file; of an ended run once."""
        ended = self.record.phase is Phase.ENDED
        if not (ended and self._progress_read):
            self._tail.read()
        self._progress_read = ended

    def give_up(self) -> None:
        """The agent ends: whatever fetches for this run should end soon."""
        self._given_up.set()

    @property
    def news(self) -> tuple[object, ...]:
        """What control should hear at once when it changes."""
        record = self.record
        return record.run, record.generation, record.phase, self._observed(), self._ready, record.port

    @property
    def _ready(self) -> bool:
        return self.record.phase is Phase.LIVE and self._health is not None and self._health.readiness.ready

    def ship(self) -> bool:
        """Send the next chunk of its log and progress; False when more waits."""
        record = self.record
        done = self._means.shipper.ship(record.run, record.handle, self._folders.progress)
        self.shipped = done and record.phase is Phase.ENDED
        return done

    def _observed(self) -> Observed:
        match self.record.phase:
            case Phase.STAGING | Phase.LAUNCHING:
                return Observed.STARTING
            case Phase.LIVE:
                return self.status.observed if self.status else Observed.RUNNING
            case Phase.FINISHING | Phase.ENDED:
                return self.record.observed

    def _stage(self, now_ms: int, verdict: Verdict, may_launch: bool) -> None:
        order = self.record.order
        assert order is not None, "only ordered runs are staged"
        if order.metered_until_ms is not None:
            self.end(Observed.LOST, None, "control saw this run start, but this site does not know it")
            return
        if order.wanted is RunWanted.STOP or not self.listed:
            self._given_up.set()
            if not self.busy:
                held = order.stop_reason is StopReason.HELD
                why = "stopped before it started"
                self.end(Observed.EXITED, EXIT_STOPPED, why, stopped_because=why, held=held)
            return
        if self._task is None:
            if verdict.reason or not may_launch:
                self._note = verdict.reason or "waiting for control"
                return
            if now_ms < self._retry_at_ms or not self._room(now_ms):
                return
            self._note = "fetching inputs" if order.inputs else ""
            self._task = self._means.background.submit(
                self._means.stager.stage, order, self._folders, self._given_up
            )
        if not self._task.done():
            return
        error = self._task.exception()
        if error is None and (verdict.reason or not may_launch):
            self._note = verdict.reason or "waiting for control"
            return
        self._task = None
        if error is None:
            self._launch()
        elif isinstance(error, StageFailed) and error.passing and self._try_again(now_ms, error.message):
            return
        else:
            message = error.message if isinstance(error, BrukError) else f"inputs cannot be staged: {error!r}"
            self.end(Observed.EXITED, EXIT_NOT_STAGED, message)

    def _room(self, now_ms: int) -> bool:
        home, reserve = self._folders.run.parent.parent, self._means.settings.reserve_bytes
        if free_bytes(home) >= reserve:
            return True
        self._means.stager.evict(self._means.needed_blobs())
        free = free_bytes(home)
        if free >= reserve:
            return True
        self._note = f"the site's disk is full ({free} bytes left, {reserve} are kept free); make room"
        self._retry_at_ms = now_ms + _ROOM_AGAIN_MS
        log.error("run %s is not launched: %s", self.record.run, self._note)
        return False

    def _try_again(self, now_ms: int, why: str, attempts_max: int | None = None) -> bool:
        """Whether another attempt is due later; notes why and when."""
        self._attempts += 1
        if self._attempts >= (attempts_max or self._means.settings.stage_attempts_max):
            return False
        self._retry_at_ms = now_ms + self._means.settings.pause_ms(self._attempts)
        self._note = why
        log.warning("run %s, attempt %d: %s", self.record.run, self._attempts, why)
        return True

    def _launch(self) -> None:
        self._attempts = self._retry_at_ms = 0
        means = self._means
        taken = means.taken_ports()
        try:
            port = free_port(taken) if self.record.order and self.record.order.replica else 0
            master_port = free_port(taken | {port})
            record = replace(self.record, port=port, master_port=master_port)
            launch, software = launch_of(record, self._folders, *means.of_launches)
        except LaunchFailed as error:
            self.end(Observed.EXITED, EXIT_NOT_LAUNCHED, error.message)
            return
        self.save(phase=Phase.LAUNCHING, port=port, master_port=master_port, software=software)
        log.info("launching run %s generation %d", launch.run, launch.generation)
        self._note = ""
        self._task = means.background.submit(means.engine.launch, launch)

    def _look_at_launch(self) -> None:
        task = self._task
        assert task is not None, "a launch of an earlier life is settled on recovery"
        if not task.done():
            return
        error = task.exception()
        if error is None:
            self.save(phase=Phase.LIVE, handle=task.result())
        elif not isinstance(error, LaunchFailed) and (handle := self._handle_by_run()):
            self.save(phase=Phase.LIVE, handle=handle)
        else:
            message = error.message if isinstance(error, BrukError) else f"the engine failed: {error!r}"
            self.end(Observed.EXITED, EXIT_NOT_LAUNCHED, message)
        self._task = None

    def _handle_by_run(self) -> str:
        """The handle under which the engine has it after all, or an empty text."""
        engine = self._means.engine
        for handle in engine.handles():
            if engine.recover(handle).run == self.record.run:
                return handle
        return ""

    def _watch(self, now_ms: int, verdict: Verdict) -> None:
        status, order = self.status, self.record.order
        if status is None:
            return
        if status.observed is Observed.LOST:
            # It is billed up to the last moment at which anybody knew it alive, and not beyond.
            started_at_ms, ended_at_ms = self._means.meter.known_life(self.record, status)
            self.save(started_at_ms=started_at_ms, ended_at_ms=ended_at_ms)
            self._measure(now_ms, seen=True)
            self.end(Observed.LOST, None, status.detail or "the engine does not know how it ended")
            return
        if status.observed is Observed.EXITED:
            # Until the outputs are handed over it is told as it was last alive: on its way out or not.
            wanted = order.wanted if order else None
            told_to = self.record.stopped_because or wanted is RunWanted.STOP or status.cause
            self.save(
                phase=Phase.FINISHING,
                observed=Observed.STOPPING if told_to else Observed.RUNNING,
                exit_code=status.exit_code,
                detail="; ".join(part for part in (self.record.detail, status.detail) if part),
                started_at_ms=status.started_at_ms or self.record.started_at_ms,
                ended_at_ms=status.ended_at_ms,
            )
            return
        if self.record.started_at_ms is None and status.started_at_ms is not None:
            self.save(started_at_ms=status.started_at_ms)
            self._means.meter.begin(self.record, status)
        grace_s = order.grace_s if order else 30
        if order is not None and order.wanted is RunWanted.STOP:
            self._stop(now_ms, grace_s, held=order.stop_reason is StopReason.HELD)
        elif verdict.reason:
            self._stop(now_ms, grace_s, because=verdict.reason, held=verdict.held)
        elif not self.listed:
            self._stop(now_ms, grace_s, because=UNLISTED)
        elif self.record.stopped_because or self.record.detail:
            self._stop(now_ms, grace_s)
        elif order is not None and order.replica:
            self._look_at_health(now_ms, grace_s)

    def _measure(self, now_ms: int, seen: bool) -> None:
        record, period_ms = self.record, self._means.settings.meter_ms
        if self.status is None or record.phase not in (Phase.LIVE, Phase.FINISHING):
            return
        until_ms = self._means.meter.advance(record, self.status, now_ms, period_ms, seen=seen)
        if until_ms is not None and until_ms > max(record.metered_until_ms or 0, record.started_at_ms or 0):
            self.save(metered_until_ms=until_ms)

    def _stop(self, now_ms: int, grace_s: int, because: str = "", held: bool = False) -> None:
        because = self.record.stopped_because or because
        held = self.record.held or held
        if (because, held) != (self.record.stopped_because, self.record.held):
            self.save(stopped_because=because, held=held)
        if self._stop_sent_at_ms is None or now_ms - self._stop_sent_at_ms >= _STOP_AGAIN_MS:
            if self._stop_sent_at_ms is None:
                log.info(
                    "stopping run %s, grace %d s: %s", self.record.run, grace_s, because or "control wants it"
                )
            self._means.engine.stop(self.record.handle, grace_s)
            self._stop_sent_at_ms = now_ms
        self._health = None

    def _look_at_health(self, now_ms: int, grace_s: int) -> None:
        means, settings = self._means, self._means.settings
        if self._health is None:
            known = Readiness(since_ms=now_ms, ready=self.record.ready)
            self._health = HealthWatch(address_of(self.record.port), means.probe, means.background, known)
        found = self._health.look(now_ms, settings.health_ms)
        if found.ready != self.record.ready:
            log.info("run %s is %s", self.record.run, "ready" if found.ready else "not ready")
            self.save(ready=found.ready)
        if not found.ready and now_ms - found.since_ms > settings.ready_within_ms:
            patience_s = settings.ready_within_ms // 1000
            self.save(
                detail=f"stopped: its server was not healthy on /health for {patience_s} s; see its log"
            )
            self._stop(now_ms, grace_s)

    def _finish(self, now_ms: int) -> None:
        if self._task is None:
            if now_ms < self._retry_at_ms:
                return
            self._task = self._means.background.submit(self._hand_over, self.record)
        if not self._task.done():
            return
        task, self._task = self._task, None
        error = task.exception()
        if error is None:
            reports, faults = task.result()
            self._conclude(reports, faults)
        elif isinstance(error, ControlRefused):
            limit = self._means.settings.hand_over_attempts_max
            if not self._try_again(now_ms, f"outputs: {error.message}", limit):
                self._conclude([], [f"outputs could not be handed over: {error.message}"])
        else:
            # A run that ended well is never given up because control is away or the disk is full.
            message = error.message if isinstance(error, BrukError) else repr(error)
            self._try_again(now_ms, f"handing over outputs: {message}", 2**31)

    def _conclude(self, reports: list[OutputReport], faults: list[str]) -> None:
        record = self.record
        detail = "; ".join(part for part in (record.detail, *faults) if part)
        self.read_progress()
        self.end(Observed.EXITED, record.exit_code, detail, outputs=tuple(reports))

    def _hand_over(self, record: RunRecord) -> tuple[list[OutputReport], list[str]]:
        """In the background: the rest of the log, then the outputs."""
        self._means.shipper.drain(record.run, record.handle, self._folders.progress)
        order = record.order
        if order is None or record.exit_code != 0 or not order.outputs:
            return [], []
        return hand_over(order.outputs, self._folders, self._means.transport, order.disk_bytes)

    def settle(self) -> None:
        """Forget the run: the engine's record, its folder; its checkpoints stay.

        Raises:
            OSError: a part of it could not be removed; call again.
        """
        record = self.record
        if record.handle:
            try:
                self._means.engine.forget(record.handle)
            except EngineError as error:
                log.debug("the engine has forgotten run %s already: %s", record.run, error)
        self._means.records.remove(record.run)
        self._means.shipper.forget(record.run)
