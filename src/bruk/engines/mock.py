"""An engine without processes, whose failures are configured; for tests of whoever drives engines.

Runs live in a ``MockWorld`` by the Clock alone and survive the engine object, as real runs survive
an agent. It passes the same contract suite as the real ones. It must never start a process.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from bruk.engines.base import (
    EndCause,
    EngineError,
    Inventory,
    Launch,
    LaunchFailed,
    NodeInventory,
    Status,
    StillRunning,
    UnknownHandle,
)
from bruk.model.clock import Clock
from bruk.model.run import Observed
from bruk.model.site import Isolation

SIGTERM_CODE = 143
SIGKILL_CODE = 137


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a mocked run does.

    Attributes:
        launch_error: refuse the launch with this sentence; empty: launch.
        launch_errors: refuse only that many launches of a run, then let it start; 0: all.
        ends_after_ms: ends of its own after this [ms]; None: only when stopped.
        exit_code: with this status, when it ends of its own.
        lost_after_ms: from then on nobody can say how it fares [ms].
        stop_takes_ms: from SIGTERM to its end, the grace permitting [ms].
        stop_exit_code: with this status, when it ends within the grace.
        processes: how many it has while it lives.
        output: what it has said.
    """

    launch_error: str = ""
    launch_errors: int = 0
    ends_after_ms: int | None = None
    exit_code: int = 0
    lost_after_ms: int | None = None
    stop_takes_ms: int = 0
    stop_exit_code: int = SIGTERM_CODE
    processes: int = 1
    output: bytes = b""


@dataclass(slots=True)
class MockRun:
    """One run of the world; times by its Clock [ms]."""

    launch: Launch
    behaviour: Behaviour
    started_at_ms: int
    stop_at_ms: int | None = None
    kill_at_ms: int | None = None


@dataclass(slots=True)
class MockWorld:
    """What outlives the engine object.

    Attributes:
        behave: the behaviour of each launch.
        launched: every launch that started something, in order; a test counts starts here.
        unreachable: while set, every call fails with this sentence.
    """

    behave: Callable[[Launch], Behaviour] = lambda launch: Behaviour()
    runs: dict[str, MockRun] = field(default_factory=dict)
    launched: list[Launch] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    unreachable: str = ""


NODES = (NodeInventory("node-1", "cpu", "cpu-slot", devices=2, cpu_milli=2000, memory_bytes=8 * 2**30),)


class MockEngine:
    """Implements ``engines.base.Engine`` over a world."""

    def __init__(
        self,
        clock: Clock,
        world: MockWorld | None = None,
        nodes: tuple[NodeInventory, ...] = NODES,
        isolation: Isolation = Isolation.NONE,
    ) -> None:
        self.world = world or MockWorld()
        self._clock = clock
        self._inventory = Inventory(nodes, isolation)

    def inventory(self) -> Inventory:
        self._reach()
        return self._inventory

    def launch(self, launch: Launch) -> str:
        self._reach()
        world, handle = self.world, f"{launch.run}.{launch.generation}"
        if handle in world.runs:
            return handle
        behaviour = world.behave(launch)
        refused = world.refused.get(handle, 0)
        if behaviour.launch_error and (not behaviour.launch_errors or refused < behaviour.launch_errors):
            world.refused[handle] = refused + 1
            raise LaunchFailed(behaviour.launch_error, run=launch.run)
        self._check(launch)
        world.runs[handle] = MockRun(launch, behaviour, self._clock.now_ms())
        world.launched.append(launch)
        return handle

    def poll(self, handles: Sequence[str]) -> list[Status]:
        return [self.recover(handle) for handle in handles]

    def recover(self, handle: str) -> Status:
        run = self._run(handle)
        observed, exit_code, ended_at_ms, cause = self._state(run)
        ended = ended_at_ms is not None
        return Status(
            handle=handle,
            run=run.launch.run,
            generation=run.launch.generation,
            observed=observed,
            processes=0 if ended else run.behaviour.processes,
            exit_code=exit_code,
            started_at_ms=run.started_at_ms,
            ended_at_ms=ended_at_ms,
            detail="lost: as configured" if observed is Observed.LOST else "",
            placement=run.launch.placement,
            cause=cause,
        )

    def stop(self, handle: str, grace_s: int) -> None:
        run, now_ms = self._run(handle), self._clock.now_ms()
        if self._state(run)[2] is not None:
            return
        kill_at_ms = now_ms + max(grace_s, 0) * 1000
        if run.stop_at_ms is None:
            run.stop_at_ms, run.kill_at_ms = now_ms, kill_at_ms
        else:
            run.kill_at_ms = min(run.kill_at_ms or kill_at_ms, kill_at_ms)

    def logs(self, handle: str, offset: int, limit: int) -> tuple[bytes, int]:
        data = self._run(handle).behaviour.output[offset : offset + limit]
        return data, offset + len(data)

    def handles(self) -> Iterator[str]:
        self._reach()
        yield from sorted(self.world.runs)

    def forget(self, handle: str) -> None:
        self._reach()
        if handle not in self.world.runs:
            return
        run = self.world.runs[handle]
        if self._state(run)[2] is None:
            raise StillRunning(f"run {run.launch.run} still runs; stop it before forgetting it")
        del self.world.runs[handle]

    def _check(self, launch: Launch) -> None:
        counts = {node.name: node.devices for node in self._inventory.nodes}
        wanted = {(part.node, index) for part in launch.placement for index in part.devices}
        if not wanted or any(not 0 <= index < counts.get(node, 0) for node, index in wanted):
            raise LaunchFailed(f"run {launch.run} names devices that are not here", run=launch.run)
        for other in self.world.runs.values():
            held = {(part.node, index) for part in other.launch.placement for index in part.devices}
            if held & wanted and self._state(other)[2] is None:
                self.in_use(launch, other.launch.run)

    def in_use(self, launch: Launch, by: str) -> None:
        """A launch names a device that another run holds.

        Raises:
            LaunchFailed: always.
        """
        raise LaunchFailed(f"a device is in use by run {by}", run=launch.run)

    def _state(self, run: MockRun) -> tuple[Observed, int | None, int | None, EndCause]:
        return self.state_of(run, self._clock.now_ms())

    @staticmethod
    def state_of(run: MockRun, now_ms: int) -> tuple[Observed, int | None, int | None, EndCause]:
        """Observed state, exit code, end [ms] and cause of a run at this time [ms]."""
        behaviour, launch = run.behaviour, run.launch
        ends: list[tuple[int, Observed, int | None, EndCause]] = []
        if behaviour.lost_after_ms is not None:
            lost_at_ms = run.started_at_ms + behaviour.lost_after_ms
            ends.append((lost_at_ms, Observed.LOST, None, EndCause.NONE))
        if behaviour.ends_after_ms is not None:
            own_end_ms = run.started_at_ms + behaviour.ends_after_ms
            ends.append((own_end_ms, Observed.EXITED, behaviour.exit_code, EndCause.NONE))
        if run.stop_at_ms is not None and run.kill_at_ms is not None:
            ends.append(_end(run.stop_at_ms, run.kill_at_ms, behaviour, EndCause.STOP))
        if launch.time_limit_s is not None:
            limit_ms = run.started_at_ms + launch.time_limit_s * 1000
            kill_ms = limit_ms + launch.grace_s * 1000
            ends.append(_end(limit_ms, kill_ms, behaviour, EndCause.TIME_LIMIT))
        if ends:
            ended_at_ms, observed, code, cause = min(ends, key=lambda end: end[0])
            if ended_at_ms <= now_ms:
                return observed, code, ended_at_ms, cause
        if run.stop_at_ms is not None:
            return Observed.STOPPING, None, None, EndCause.STOP
        if launch.time_limit_s is not None and run.started_at_ms + launch.time_limit_s * 1000 <= now_ms:
            return Observed.STOPPING, None, None, EndCause.TIME_LIMIT
        return Observed.RUNNING, None, None, EndCause.NONE

    def _run(self, handle: str) -> MockRun:
        self._reach()
        if handle not in self.world.runs:
            raise UnknownHandle(f"no run has the handle {handle!r} here", handle=handle)
        return self.world.runs[handle]

    def _reach(self) -> None:
        if self.world.unreachable:
            raise EngineError(self.world.unreachable)


def _end(
    asked_ms: int, kill_ms: int, behaviour: Behaviour, cause: EndCause
) -> tuple[int, Observed, int | None, EndCause]:
    willing_ms = asked_ms + behaviour.stop_takes_ms
    if willing_ms <= kill_ms:
        return willing_ms, Observed.EXITED, behaviour.stop_exit_code, cause
    return kill_ms, Observed.EXITED, SIGKILL_CODE, cause
