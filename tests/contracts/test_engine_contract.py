"""What every engine must do, whatever stands behind it.

A new engine joins by a ``Bench``: how to make it anew over the same world, how to word a few kinds
of run for it, and how to let time pass.
"""

import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bruk.engines.base import EndCause, Engine, Launch, LaunchFailed, Status, StillRunning, UnknownHandle
from bruk.engines.local import isolation
from bruk.engines.local.engine import LocalEngine
from bruk.engines.local.slots import LocalConfig
from bruk.engines.mock import Behaviour, MockEngine, MockWorld
from bruk.model.clock import ManualClock
from bruk.model.run import DeviceSet, Observed

ENDED = (Observed.EXITED, Observed.LOST)
SAID = "hej, världen\n".encode()


class Bench(ABC):
    """One engine under test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()

    @abstractmethod
    def make(self) -> Engine:
        """The engine, made anew over the same world with two devices on ``node-1``."""

    @abstractmethod
    def launch_that(self, kind: str, run: str = "run-a", devices: tuple[int, ...] = (0,)) -> Launch:
        """``ends:N`` with status N, ``stays`` until SIGTERM, ``ignores`` SIGTERM, ``says`` SAID and
        ends, ``fails`` to launch."""

    @abstractmethod
    def pass_time(self) -> None:
        """Let a little time go by."""

    def until(self, engine: Engine, handle: str, true: Callable[[Status], bool]) -> Status:
        for _ in range(1000):
            status = engine.poll([handle])[0]
            if true(status):
                return status
            self.pass_time()
        raise AssertionError(f"never came: {status}")

    def end(self, engine: Engine, handle: str) -> Status:
        return self.until(engine, handle, lambda status: status.observed in ENDED)


class LocalBench(Bench):
    isolation = "none"
    commands = {  # noqa: RUF012
        "stays": "echo up; exec sleep 300",
        "ignores": "trap '' TERM; echo up; while :; do sleep 0.2; done",
        "says": f"printf '{SAID.decode().strip()}\\n'",
        "fails": "",
    }

    def make(self) -> Engine:
        cores = (min(os.sched_getaffinity(0)),)
        config = LocalConfig(slots=2, cores=cores, isolation=self.isolation)
        return LocalEngine(self.folder / "engine", self.clock, config)

    def launch_that(self, kind: str, run: str = "run-a", devices: tuple[int, ...] = (0,)) -> Launch:
        folder = self.folder / run
        folder.mkdir(exist_ok=True)
        name, _, code = kind.partition(":")
        text = f"exit {code}" if name == "ends" else self.commands[name]
        command = ("/nonexistent/command",) if name == "fails" else ("sh", "-c", text)
        placement = (DeviceSet("node-1", devices),)
        return Launch(run, 1, placement, command, {"PATH": os.environ["PATH"]}, folder, folder)

    def pass_time(self) -> None:
        time.sleep(0.01)


class SandboxBench(LocalBench):
    isolation = "sandbox"


class MockBench(Bench):
    behaviours = {  # noqa: RUF012
        "stays": Behaviour(output=b"up\n"),
        "ignores": Behaviour(output=b"up\n", stop_takes_ms=10**9),
        "says": Behaviour(ends_after_ms=10, output=SAID),
        "fails": Behaviour(launch_error="as configured"),
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.world = MockWorld(behave=self._behave)

    def _behave(self, launch: Launch) -> Behaviour:
        name, _, code = launch.command[0].partition(":")
        if name == "ends":
            return Behaviour(ends_after_ms=10, exit_code=int(code))
        return self.behaviours[name]

    def make(self) -> Engine:
        return MockEngine(self.clock, self.world)

    def launch_that(self, kind: str, run: str = "run-a", devices: tuple[int, ...] = (0,)) -> Launch:
        return Launch(run, 1, (DeviceSet("node-1", devices),), (kind,), {}, self.folder, self.folder)

    def pass_time(self) -> None:
        self.clock.advance(10)


@pytest.fixture(params=[LocalBench, SandboxBench, MockBench], ids=["local", "sandbox", "mock"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param is not MockBench and sys.platform != "linux":
        pytest.skip("the local engine needs Linux")
    if request.param is SandboxBench and not isolation.settled("auto"):
        pytest.skip("sandboxes do not work on this machine")
    bench: Bench = request.param(tmp_path)
    yield bench
    engine = bench.make()
    for handle in list(engine.handles()):
        engine.stop(handle, 0)
        bench.end(engine, handle)


def test_inventory_has_identical_devices_and_says_how_runs_are_kept_apart(bench: Bench) -> None:
    inventory = bench.make().inventory()
    assert [node.name for node in inventory.nodes] == ["node-1"]
    assert inventory.nodes[0].devices == 2
    assert inventory.nodes[0].memory_bytes > 0


@pytest.mark.parametrize("code", [0, 3])
def test_exit_status_is_exact(bench: Bench, code: int) -> None:
    engine = bench.make()
    status = bench.end(engine, engine.launch(bench.launch_that(f"ends:{code}")))
    assert (status.observed, status.exit_code, status.processes) == (Observed.EXITED, code, 0)
    assert status.cause is EndCause.NONE
    assert status.started_at_ms is not None
    assert status.ended_at_ms is not None
    assert status.ended_at_ms >= status.started_at_ms


def test_a_living_run_is_running_with_its_processes_and_placement(bench: Bench) -> None:
    engine = bench.make()
    launch = bench.launch_that("stays")
    handle = engine.launch(launch)
    status = bench.until(engine, handle, lambda status: status.processes > 0)
    assert status.observed is Observed.RUNNING
    assert (status.handle, status.run, status.generation) == (handle, "run-a", 1)
    assert status.placement == launch.placement
    assert status.exit_code is None
    assert status.ended_at_ms is None


def test_launch_again_starts_nothing_and_returns_the_same_handle(bench: Bench) -> None:
    engine = bench.make()
    launch = bench.launch_that("stays")
    handle = engine.launch(launch)
    before = bench.until(engine, handle, lambda status: status.processes > 0)
    assert engine.launch(launch) == handle
    assert bench.make().launch(launch) == handle
    after = engine.poll([handle])[0]
    assert (after.started_at_ms, after.processes) == (before.started_at_ms, before.processes)
    assert list(engine.handles()) == [handle]


def test_an_ended_run_is_not_started_again(bench: Bench) -> None:
    engine = bench.make()
    launch = bench.launch_that("ends:3")
    handle = engine.launch(launch)
    ended = bench.end(engine, handle)
    assert engine.launch(launch) == handle
    assert engine.poll([handle]) == [ended]


def test_generations_are_runs_of_their_own(bench: Bench) -> None:
    engine = bench.make()
    launch = bench.launch_that("ends:0")
    first = engine.launch(launch)
    bench.end(engine, first)
    second = engine.launch(replace(launch, generation=2))
    assert second != first
    assert [status.generation for status in engine.poll([second, first])] == [2, 1]


def test_failed_launch_leaves_nothing(bench: Bench) -> None:
    engine = bench.make()
    with pytest.raises(LaunchFailed):
        engine.launch(bench.launch_that("fails"))
    assert list(engine.handles()) == []
    handle = engine.launch(bench.launch_that("ends:0"))
    assert bench.end(engine, handle).exit_code == 0


def test_a_device_in_use_is_refused_and_given_again_afterwards(bench: Bench) -> None:
    engine = bench.make()
    holder = engine.launch(bench.launch_that("stays", "run-a", (0, 1)))
    rival = bench.launch_that("ends:0", "run-b", (1,))
    with pytest.raises(LaunchFailed, match="run-a"):
        engine.launch(rival)
    with pytest.raises(LaunchFailed, match="run-a"):
        bench.make().launch(rival)
    engine.stop(holder, 5)
    bench.end(engine, holder)
    assert bench.end(engine, engine.launch(rival)).exit_code == 0


@pytest.mark.parametrize("devices", [(2,), (-1,), ()])
def test_devices_that_are_not_there_are_refused(bench: Bench, devices: tuple[int, ...]) -> None:
    with pytest.raises(LaunchFailed):
        bench.make().launch(bench.launch_that("stays", devices=devices))


def test_stop_is_answered_at_once_and_ends_with_the_signals_status(bench: Bench) -> None:
    engine = bench.make()
    handle = engine.launch(bench.launch_that("stays"))
    engine.stop(handle, 20)
    engine.stop(handle, 20)
    status = bench.end(engine, handle)
    assert (status.observed, status.exit_code, status.cause) == (Observed.EXITED, 143, EndCause.STOP)
    engine.stop(handle, 0)
    assert engine.poll([handle]) == [status]


def test_repeated_stop_shortens_the_grace_and_never_lengthens_it(bench: Bench) -> None:
    engine = bench.make()
    handle = engine.launch(bench.launch_that("ignores"))
    bench.until(engine, handle, lambda status: engine.logs(handle, 0, 10)[0] == b"up\n")
    engine.stop(handle, 600)
    assert engine.poll([handle])[0].observed is Observed.STOPPING
    engine.stop(handle, 0)
    engine.stop(handle, 600)
    status = bench.end(engine, handle)
    assert (status.observed, status.exit_code) == (Observed.EXITED, 137)


def test_logs_are_read_by_offset(bench: Bench) -> None:
    engine = bench.make()
    handle = engine.launch(bench.launch_that("says"))
    bench.end(engine, handle)
    assert engine.logs(handle, 0, 5) == (SAID[:5], 5)
    assert engine.logs(handle, 5, 1000) == (SAID[5:], len(SAID))
    assert engine.logs(handle, len(SAID), 1000) == (b"", len(SAID))


def test_a_new_engine_over_the_same_world_adopts_what_runs(bench: Bench) -> None:
    engine = bench.make()
    handle = engine.launch(bench.launch_that("stays"))
    before = bench.until(engine, handle, lambda status: status.processes > 0)
    del engine
    again = bench.make()
    assert list(again.handles()) == [handle]
    adopted = again.recover(handle)
    assert (adopted.observed, adopted.started_at_ms) == (Observed.RUNNING, before.started_at_ms)
    again.stop(handle, 20)
    assert bench.end(again, handle).exit_code == 143


def test_a_run_that_ended_unseen_tells_its_true_end(bench: Bench) -> None:
    engine = bench.make()
    handle = engine.launch(bench.launch_that("ends:3"))
    seen = bench.end(engine, handle)
    assert bench.make().recover(handle) == seen
    assert seen.exit_code == 3


def test_unknown_handles_are_refused(bench: Bench) -> None:
    engine = bench.make()
    for handle in ("nobody.1", "../../etc/passwd", "", "å.x"):
        with pytest.raises(UnknownHandle):
            engine.poll([handle])
        with pytest.raises(UnknownHandle):
            engine.recover(handle)
        with pytest.raises(UnknownHandle):
            engine.stop(handle, 1)
        with pytest.raises(UnknownHandle):
            engine.logs(handle, 0, 1)


def test_forget_drops_an_ended_run_and_refuses_a_living_one(bench: Bench) -> None:
    engine = bench.make()
    handle = engine.launch(bench.launch_that("stays"))
    with pytest.raises(StillRunning):
        engine.forget(handle)
    engine.stop(handle, 20)
    bench.end(engine, handle)
    engine.forget(handle)
    engine.forget(handle)
    assert list(bench.make().handles()) == []
    with pytest.raises(UnknownHandle):
        engine.recover(handle)


def test_the_time_limit_ends_a_run_and_says_so(bench: Bench) -> None:
    engine = bench.make()
    handle = engine.launch(replace(bench.launch_that("stays"), time_limit_s=1))
    status = bench.end(engine, handle)
    assert (status.observed, status.exit_code, status.cause) == (Observed.EXITED, 143, EndCause.TIME_LIMIT)
