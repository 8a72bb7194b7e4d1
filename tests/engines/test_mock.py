"""The mock's configured failures, each as the agent would meet it."""

from pathlib import Path

import pytest

from bruk.engines.base import EndCause, EngineError, Launch, LaunchFailed
from bruk.engines.mock import Behaviour, MockEngine, MockWorld
from bruk.model.clock import ManualClock
from bruk.model.run import DeviceSet, Observed


def launch(run: str = "run-a", device: int = 0, time_limit_s: int | None = None) -> Launch:
    home = Path("/nowhere")
    placement = (DeviceSet("node-1", (device,)),)
    return Launch(run, 1, placement, ("x",), {}, home, home, time_limit_s=time_limit_s, grace_s=5)


def mocked(behaviour: Behaviour) -> tuple[MockEngine, ManualClock]:
    clock = ManualClock()
    return MockEngine(clock, MockWorld(behave=lambda launch: behaviour)), clock


def test_it_ends_with_the_configured_status_at_the_configured_time() -> None:
    engine, clock = mocked(Behaviour(ends_after_ms=5000, exit_code=9, processes=3))
    handle = engine.launch(launch())
    clock.advance(4999)
    assert (engine.recover(handle).observed, engine.recover(handle).processes) == (Observed.RUNNING, 3)
    clock.advance(100)
    status = engine.recover(handle)
    assert (status.observed, status.exit_code, status.processes) == (Observed.EXITED, 9, 0)
    assert status.started_at_ms is not None
    assert status.ended_at_ms == status.started_at_ms + 5000


def test_a_launch_can_fail_a_number_of_times() -> None:
    engine, _ = mocked(Behaviour(launch_error="no image", launch_errors=2))
    for _ in range(2):
        with pytest.raises(LaunchFailed, match="no image"):
            engine.launch(launch())
    assert engine.recover(engine.launch(launch())).observed is Observed.RUNNING
    assert len(engine.world.launched) == 1


def test_a_run_can_be_lost() -> None:
    engine, clock = mocked(Behaviour(lost_after_ms=100))
    handle = engine.launch(launch())
    clock.advance(100)
    status = engine.recover(handle)
    assert (status.observed, status.exit_code) == (Observed.LOST, None)


def test_a_slow_stop_takes_its_time_and_the_grace_cuts_it() -> None:
    engine, clock = mocked(Behaviour(stop_takes_ms=3000))
    slow, cut = engine.launch(launch()), engine.launch(launch("run-b", 1))
    engine.stop(slow, 10)
    engine.stop(cut, 1)
    clock.advance(2999)
    assert engine.recover(slow).observed is Observed.STOPPING
    clock.advance(1)
    assert [status.exit_code for status in engine.poll([slow, cut])] == [143, 137]


def test_the_time_limit_and_its_grace_hold() -> None:
    engine, clock = mocked(Behaviour(stop_takes_ms=60_000))
    handle = engine.launch(launch(time_limit_s=10))
    clock.advance(10_000)
    assert engine.recover(handle).observed is Observed.STOPPING
    clock.advance(5_000)
    status = engine.recover(handle)
    assert (status.exit_code, status.cause) == (137, EndCause.TIME_LIMIT)


def test_an_engine_out_of_reach_fails_every_call() -> None:
    engine, _ = mocked(Behaviour())
    handle = engine.launch(launch())
    engine.world.unreachable = "the scheduler does not answer"
    for call in (engine.inventory, lambda: engine.poll([handle]), lambda: list(engine.handles())):
        with pytest.raises(EngineError, match="does not answer"):
            call()
