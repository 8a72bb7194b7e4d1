"""The site's hand as step functions: what control said in, what is seen out.

``take`` an answer, ``drive`` one step, ``report`` everything. They are given the time and touch no
network, so that a simulation drives them as the loop in ``agent`` does. Level-triggered: the newest
word counts, whatever came before it was lost, late or repeated. Look at ``course`` for one run.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import bruk
from bruk.agent.checkpoints import Checkpoints
from bruk.agent.complaint import Complaints
from bruk.agent.course import Course
from bruk.agent.local_hold import LocalAnswer, local_answer, local_key, write_local_answer
from bruk.agent.means import Means
from bruk.agent.meter import SEND_MAX
from bruk.agent.record import Phase, RunRecord
from bruk.agent.standing import Key, Standing
from bruk.engines.base import EngineError, Inventory, Status, UnknownHandle
from bruk.journal import JournalError
from bruk.model.clock import Clock
from bruk.model.errors import InvalidInput
from bruk.model.run import Observed
from bruk.model.site import Isolation
from bruk.model.switch import Acknowledgement, EnforcerKind, Hold
from bruk.wire.agent import NodeReport, RunOrder, SyncRequest, SyncResponse

log = logging.getLogger(__name__)


class Hand:
    """Everything one agent knows and does, but for the waiting and the network."""

    def __init__(self, home: Path, means: Means, clock: Clock) -> None:
        self._home = home
        self._means = means
        self._meter = means.meter
        self._clock = clock
        self._boot_id = clock.new_id("boot")
        self._lock = threading.RLock()
        self._courses: dict[str, Course] = {}
        self._orders: dict[str, RunOrder] | None = None
        self._version, self._asked = 0, ""
        self._standing = self._saved = Standing.load(home)
        self._key = Key(means.site, self._standing)
        self._inventory = Inventory((), Isolation.NONE)
        self._inventory_at_ms: int | None = None
        self._acknowledged = 0
        self._stopped_before = 0
        self._local_answer = local_answer(home)
        self._reported: object = None
        self._complaints = Complaints(log)
        self._checkpoints = Checkpoints(home, means.background)
        self._closed = False
        means.taken_ports = self._taken_ports
        means.needed_blobs = self._needed_blobs

    # What control said.

    def take(self, response: SyncResponse, now_ms: int) -> bool:
        """Take in control's answer; one to an earlier question than the last changes nothing.

        Returns:
            Whether it was taken.
        """
        with self._lock:
            try:
                self._meter.acknowledge(response.acknowledged_seq)
            except (JournalError, OSError) as error:
                log.error("the journal could not note what control has: %s", error)
            if response.asked != self._asked or response.generation < self._standing.generation:
                return False
            self._version = response.version
            self._orders = {order.run: order for order in response.runs}
            self._standing = Standing.of(response, now_ms)
            self._checkpoints.release(response.scopes_done, self._scopes())
            return True

    # What is done.

    def recover(self) -> None:
        """After a start: find everything of an earlier life again, and start nothing.

        Raises:
            EngineError: the engine's records cannot be read; there is no safe way on.
        """
        with self._lock:
            self._means.records.sweep()
            for record in self._means.records.load():
                self._courses[record.run] = Course(record, self._means)
            for handle in self._means.engine.handles():
                self._adopt(self._means.engine.recover(handle))
            for course in self._courses.values():
                self._find_again(course)

    def drive(self, now_ms: int) -> bool:
        """One step over everything.

        Args:
            now_ms: read before the call, so that what is seen alive was alive then [ms].

        Returns:
            Whether something changed that control should hear at once.
        """
        with self._lock:
            if self._closed:
                return False
            self._look_around(now_ms)
            self._follow_orders(now_ms)
            fresh = self._poll(now_ms)
            may_launch = self._orders is not None and not self._standing.lease_ended(now_ms)
            for course in list(self._courses.values()):
                with self._guarded(course, now_ms):
                    seen = course.record.run in fresh
                    course.advance(now_ms, self._key.over(course.record), may_launch, seen)
                    course.read_progress()
            for course in list(self._courses.values()):
                with self._guarded(course, now_ms):
                    self._settle(course, now_ms)
            self._carry_out(now_ms)
            return self._signature() != self._reported

    # What is seen.

    def report(self, now_ms: int, wait_ms: int | None = None) -> SyncRequest:
        """Everything control should know, now."""
        with self._lock:
            settings = self._means.settings
            meters = self._meter.pending()
            if len(meters) == SEND_MAX:
                wait_ms = 0
            elif wait_ms is None:
                wait_ms = settings.busy_wait_ms if self.active else settings.idle_wait_ms
                # The poll must come back well within the lease, or the wait itself would end it.
                wait_ms = min(wait_ms, max(100, self._standing.lease_ms // 3))
            self._asked = self._clock.new_id("ask")
            request = SyncRequest(
                asked=self._asked,
                site=self._means.site,
                agent_version=bruk.__version__,
                boot_id=self._boot_id,
                journal=self._meter.journal_id,
                now_ms=now_ms,
                known_version=self._version,
                wait_ms=wait_ms,
                nodes=[NodeReport.model_validate(asdict(node)) for node in self._inventory.nodes],
                isolation=self._inventory.isolation,
                network=[str(rule) for rule in self._means.egress],
                observations=[course.observation() for course in self._courses.values()],
                meters=meters,
                meters_after=self._meter.after,
                acknowledgement=self._acknowledgement(now_ms),
                local_hold=self._local(),
                scopes=self._checkpoints.without_runs(self._scopes()),
            )
            self._reported = self._signature()
            return request

    @property
    def active(self) -> bool:
        """Whether any run is under way."""
        return any(course.record.phase is not Phase.ENDED for course in list(self._courses.values()))

    def courses(self) -> list[Course]:
        """All runs, for shipping their logs."""
        with self._lock:
            return list(self._courses.values())

    def close(self) -> None:
        """Wait for the step under way; no later one does anything. What runs goes on."""
        with self._lock:
            self._closed = True
            for course in self._courses.values():
                course.give_up()

    # Recovery.

    def _adopt(self, status: Status) -> None:
        course = self._courses.get(status.run)
        if course is None:
            record = RunRecord(
                run=status.run,
                generation=status.generation,
                phase=Phase.LIVE,
                placement=status.placement,
                handle=status.handle,
                started_at_ms=status.started_at_ms,
            )
            log.warning("run %s was found in the engine without the agent's record: adopted", status.run)
            course = self._courses[status.run] = Course(record, self._means)
            course.save()
        elif course.record.phase in (Phase.STAGING, Phase.LAUNCHING):
            course.save(phase=Phase.LIVE, handle=status.handle)
        if course.record.handle == status.handle:
            course.status = status
            if course.record.may_live:
                log.info("run %s adopted: %s", status.run, status.observed.value)

    def _find_again(self, course: Course) -> None:
        record = course.record
        if record.phase is Phase.LAUNCHING:
            # It may have started and ended unseen. To start it again could do the work twice.
            course.end(
                Observed.LOST,
                None,
                "the agent ended while it launched this run, and the engine does not know it",
            )
        elif record.phase is Phase.LIVE and course.status is None:
            try:
                course.status = self._means.engine.recover(record.handle)
            except UnknownHandle:
                course.end(Observed.LOST, None, "the engine does not know this run any more")

    # Steps of a drive.

    def _look_around(self, now_ms: int) -> None:
        local, self._local_generation = local_key(self._home)
        ended = self._standing.lease_ended(now_ms)
        if ended and not self._key.cut_off and self._standing.heard_at_ms:
            log.warning("control is away past the lease; policy: %s", self._standing.cut_off.value)
        self._key = Key(self._means.site, self._standing, local, cut_off=ended)
        if self._standing.worth_saving_over(self._saved):
            try:
                self._standing.save(self._home)
                self._saved = self._standing
            except OSError as error:
                self._complaints.say("what control said cannot be written down", error, now_ms)
        due = (
            self._inventory_at_ms is None
            or now_ms - self._inventory_at_ms >= self._means.settings.inventory_ms
        )
        if due:
            try:
                self._inventory = self._means.engine.inventory()
                self._means.nodes = {node.name: node for node in self._inventory.nodes}
                self._inventory_at_ms = now_ms
            except EngineError as error:
                self._complaints.say("the engine does not say what it has", error, now_ms)

    def _follow_orders(self, now_ms: int) -> None:
        if self._orders is None:
            return
        for order in self._orders.values():
            try:
                self._follow(order)
            except (OSError, InvalidInput) as error:
                self._complaints.say(f"the order for run {order.run} cannot be used now", error, now_ms)
        for course in self._courses.values():
            course.listed = course.record.run in self._orders

    def _follow(self, order: RunOrder) -> None:
        course = self._courses.get(order.run)
        if course is None:
            record = RunRecord(order.run, order.generation, Phase.STAGING, order, tuple(order.placement))
            course = self._courses[order.run] = Course(record, self._means)
            if order.started:
                # Its end was forgotten with it; to start it again could do the work twice.
                course.end(Observed.LOST, None, "its site does not know this run any more")
            else:
                course.save()
            return
        known = course.record
        if known.order is None and order.generation >= known.generation:
            # Its folders follow from the order's scope, so the course is made anew around it.
            status = course.status
            course = Course(replace(known, order=order, generation=order.generation), self._means)
            course.status = status
            course.save()
            self._courses[order.run] = course
        elif order.generation > known.generation:
            course.save(order=order, generation=order.generation)
        if course.record.settled_at_ms is not None:
            course.save(settled_at_ms=None)

    def _poll(self, now_ms: int) -> set[str]:
        """Look at every live run; returns those that were really seen."""
        live = [course for course in self._courses.values() if course.record.phase is Phase.LIVE]
        if not live:
            return set()
        try:
            statuses = self._means.engine.poll([course.record.handle for course in live])
        except UnknownHandle:
            statuses = [self._poll_one(course) for course in live]
        except EngineError as error:
            self._complaints.say("the engine does not answer", error, now_ms)
            return set()
        for course, status in zip(live, statuses, strict=True):
            course.status = status
        return {course.record.run for course in live}

    def _poll_one(self, course: Course) -> Status:
        record = course.record
        try:
            return self._means.engine.poll([record.handle])[0]
        except UnknownHandle:
            return Status(record.handle, record.run, record.generation, Observed.LOST)

    @contextmanager
    def _guarded(self, course: Course, now_ms: int) -> Iterator[None]:
        """One run's trouble is not another's: it is logged, and the next step tries again."""
        try:
            yield
        except (OSError, EngineError, JournalError) as error:
            self._complaints.say(f"run {course.record.run} waits, for a step failed", error, now_ms)

    def _settle(self, course: Course, now_ms: int) -> None:
        record = course.record
        if course.listed or self._orders is None or record.phase is not Phase.ENDED or course.busy:
            return
        if record.settled_at_ms is None:
            course.save(settled_at_ms=now_ms)
        elif now_ms - record.settled_at_ms >= self._means.settings.keep_ms:
            course.settle()
            self._meter.forget(record.run)
            self._stopped_before += record.held
            del self._courses[record.run]
            self._complaints.forget(f"run {record.run} waits, for a step failed")

    # The switch.

    def _carry_out(self, now_ms: int) -> None:
        """Note what is carried out of the switch, and answer the local key."""
        held = self._key.held(course.record for course in self._courses.values())
        if not held:
            self._acknowledged = max(self._acknowledged, self._standing.generation)
        # Of the key as this step saw it: one that was turned since has not been carried out yet.
        generation = self._local_generation
        if not generation:
            return
        left = self._processes_left() if self._key.local else 0
        known = self._local_answer
        if left or (self._key.local and held):
            # A run whose last process is gone but whose end is not taken in yet is not off yet.
            generation = known.generation if known else 0
        stopped = self._stopped_locally() if self._key.local else known.stopped if known else 0
        answer = LocalAnswer(generation, left, stopped, now_ms)
        if known is None or replace(known, at_ms=now_ms) != answer:
            try:
                write_local_answer(self._home, answer)
                self._local_answer = answer
            except OSError as error:
                self._complaints.say("the answer to the site's own key cannot be written", error, now_ms)

    def _acknowledgement(self, now_ms: int) -> Acknowledgement:
        return Acknowledgement(
            enforcer=EnforcerKind.AGENT,
            id=self._means.site,
            generation=self._acknowledged,
            at_ms=now_ms,
            stopped=self._stopped(),
            processes_left=self._processes_left(),
        )

    def _processes_left(self) -> int:
        held = {record.run for record in self._key.held(course.record for course in self._courses.values())}
        return sum(course.processes for run, course in self._courses.items() if run in held)

    def _stopped(self) -> int:
        over = (Phase.FINISHING, Phase.ENDED)
        return self._stopped_before + sum(
            course.record.held and course.record.phase in over for course in self._courses.values()
        )

    def _stopped_locally(self) -> int:
        """Runs that ended under a hold since the site's own key was turned off."""
        since_ms = self._key.local.raised_at_ms if self._key.local else 0
        records = [course.record for course in self._courses.values()]
        return sum(record.held and (record.ended_at_ms or 0) >= since_ms for record in records)

    def _local(self) -> Hold | None:
        return replace(self._key.local, target=self._means.site) if self._key.local else None

    def _taken_ports(self) -> set[int]:
        records = [
            course.record for course in self._courses.values() if course.record.phase is not Phase.ENDED
        ]
        return {record.port for record in records} | {record.master_port for record in records}

    def _scopes(self) -> set[str]:
        """Identities under which the known runs, and those just ordered, keep checkpoints."""
        orders = [course.record.order for course in self._courses.values()]
        orders += (self._orders or {}).values()
        return {order.scope or order.run for order in orders if order} | set(self._courses)

    def _needed_blobs(self) -> set[str]:
        orders = [
            course.record.order for course in self._courses.values() if course.record.phase is Phase.STAGING
        ]
        return {item.digest for order in orders if order for item in order.inputs}

    def _signature(self) -> object:
        """What control should hear at once when it changes."""
        seen = [course.news for course in self._courses.values()]
        local = self._key.local.id if self._key.local else ""
        return seen, self._acknowledged, self._processes_left() == 0, local
