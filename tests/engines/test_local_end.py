"""The end of a run: every descendant, the grace, the true status."""

import os
import signal
import sys
from pathlib import Path

import pytest

from bruk.engines.base import EndCause
from bruk.model.run import DeviceSet, Observed

from .conftest import Works, wait_for

TORCHRUN_LIKE = """
import os, signal, subprocess, sys, time
workers = [subprocess.Popen([sys.executable, "-c", '''
import os, subprocess, time
subprocess.Popen(["sleep", "300"])
print("worker up", flush=True)
time.sleep(300)
'''], start_new_session=True) for _ in range(2)]
print("up", flush=True)
time.sleep(300)
"""
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("daemon up", flush=True)
        time.sleep(300)
    os._exit(0)
time.sleep(300)
"""
CHECKPOINTS = """
import signal, sys, time
def end(number, frame):
    time.sleep(0.3)
    open("checkpoint", "w").write("whole")
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_signal_from_outside_shows_as_a_shell_shows_it(works: Works, number: signal.Signals) -> None:
    engine = works.engine()
    handle = engine.launch(works.launch(f"import os; os.kill(os.getpid(), {int(number)})"))
    status = works.end(engine, handle)
    assert status.exit_code == 128 + number
    assert number.name in status.detail
    assert status.cause is EndCause.NONE


def test_workers_in_sessions_of_their_own_are_ended(works: Works) -> None:
    engine = works.engine()
    handle = engine.launch(works.launch(TORCHRUN_LIKE))
    wait_for(lambda: engine.logs(handle, 0, 1000)[0].count(b"worker up") == 2)
    assert works.until(engine, handle, lambda status: status.processes == 5).observed is Observed.RUNNING
    engine.stop(handle, 1)
    status = works.end(engine, handle)
    assert (status.exit_code, status.processes) == (143, 0)
    assert works.left(handle) == []


def test_a_double_forked_daemon_is_counted_and_ended(works: Works) -> None:
    engine = works.engine()
    handle = engine.launch(works.launch(DAEMON))
    works.said(engine, handle, "daemon up")
    assert works.until(engine, handle, lambda status: status.processes == 2).observed is Observed.RUNNING
    engine.stop(handle, 5)
    assert works.end(engine, handle).exit_code == 143
    assert works.left(handle) == []


def test_what_a_command_leaves_behind_ends_with_it(works: Works) -> None:
    engine = works.engine()
    script = "setsid setsid sh -c 'trap \"\" TERM; while :; do sleep 0.2; done' & exit 3"
    handle = engine.launch(works.shell(script, grace_s=0))
    status = works.end(engine, handle)
    assert (status.exit_code, status.processes, status.cause) == (3, 0, EndCause.NONE)
    assert works.left(handle) == []


def test_a_run_that_clears_its_environment_is_ended_too(works: Works) -> None:
    engine = works.engine()
    handle = engine.launch(works.shell("env -i setsid sleep 300 & echo up; wait"))
    works.said(engine, handle, "up")
    pids = [pid for pid, _ in _tree(works)]
    engine.stop(handle, 5)
    works.end(engine, handle)
    assert pids
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_a_run_that_starts_others_faster_than_they_die_ends(works: Works) -> None:
    engine = works.engine()
    script = "trap '' TERM; echo up; while :; do setsid sh -c 'trap \"\" TERM; sleep 300' & sleep 0.01; done"
    handle = engine.launch(works.shell(script))
    works.until(engine, handle, lambda status: status.processes > 15)
    engine.stop(handle, 0)
    status = works.end(engine, handle)
    assert (status.exit_code, status.processes) == (137, 0)
    assert works.left(handle) == []


def test_the_handler_of_sigterm_gets_its_grace(works: Works) -> None:
    engine = works.engine()
    handle = engine.launch(works.launch(CHECKPOINTS))
    works.said(engine, handle, "up")
    engine.stop(handle, 20)
    assert engine.poll([handle])[0].observed is Observed.STOPPING
    status = works.end(engine, handle)
    assert (status.exit_code, status.cause) == (143, EndCause.STOP)
    assert (works.folder / "run-a" / "checkpoint").read_text() == "whole"
    assert "killed" not in status.detail


def test_a_child_of_a_shell_gets_sigterm_and_its_grace_too(works: Works) -> None:
    engine = works.engine()
    (works.folder / "run-a").mkdir()
    (works.folder / "run-a" / "train.py").write_text(CHECKPOINTS)
    handle = engine.launch(works.shell("python3 train.py; echo not reached"))
    works.said(engine, handle, "up")
    engine.stop(handle, 20)
    assert works.end(engine, handle).exit_code == 143
    assert (works.folder / "run-a" / "checkpoint").read_text() == "whole"


def test_after_the_grace_comes_sigkill(works: Works) -> None:
    engine = works.engine()
    handle = engine.launch(works.shell("trap '' TERM; echo up; while :; do sleep 0.1; done"))
    works.said(engine, handle, "up")
    engine.stop(handle, 1)
    status = works.end(engine, handle)
    assert (status.exit_code, status.cause) == (137, EndCause.STOP)
    assert "killed" in status.detail


def test_sigterm_to_the_supervisor_stops_the_run(works: Works) -> None:
    engine = works.engine()
    handle = engine.launch(works.launch(CHECKPOINTS))
    works.said(engine, handle, "up")
    os.kill(works.record().pid, signal.SIGTERM)
    status = works.end(engine, handle)
    assert (status.exit_code, status.cause) == (143, EndCause.STOP)


def test_a_stop_request_without_its_signal_is_found(works: Works) -> None:
    engine = works.engine()
    handle = engine.launch(works.shell("echo up; exec sleep 300"))
    works.said(engine, handle, "up")
    (works.at() / "stop.json").write_text('{"deadline_monotonic_ms": 0}')
    assert works.end(engine, handle).cause is EndCause.STOP


def test_the_time_limit_counts_the_grace_too(works: Works) -> None:
    engine = works.engine()
    script = "trap '' TERM; while :; do sleep 0.1; done"
    handle = engine.launch(works.shell(script, time_limit_s=1, grace_s=0))
    status = works.end(engine, handle)
    assert (status.exit_code, status.cause) == (137, EndCause.TIME_LIMIT)
    assert "1 s" in status.detail


def test_processor_time_of_the_dead_is_counted(works: Works) -> None:
    engine = works.engine()
    burn = "import time\nwhile time.process_time() < 0.25: pass"
    handle = engine.launch(works.command(("sh", "-c", 'python3 -c "$0"; sleep 0.01', burn), "run-a"))
    assert works.end(engine, handle).cpu_ms >= 250


def _tree(works: Works) -> list[tuple[int, int]]:
    from bruk.engines.local.processes import descendants

    return [each.identity for each in descendants([works.record().pid])]


@pytest.mark.slow
def test_the_workers_of_a_real_torchrun_checkpoint_and_end(works: Works) -> None:
    pytest.importorskip("torch")
    engine = works.engine()
    (works.folder / "run-a").mkdir()
    script = CHECKPOINTS.replace('open("checkpoint"', 'open("checkpoint" + os.environ["RANK"]')
    (works.folder / "run-a" / "train.py").write_text("import os\n" + script)
    torchrun = (
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "train.py",
    )
    env = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    both = (DeviceSet("node-1", (0, 1)),)
    handle = engine.launch(works.command(torchrun, "run-a", env=env, placement=both))
    # The workers write unbuffered, so that their lines may mix.
    wait_for(lambda: engine.logs(handle, 0, 10**6)[0].count(b"up") == 2, lambda: _found(works, handle))
    assert works.until(engine, handle, lambda status: status.processes >= 3).observed is Observed.RUNNING
    engine.stop(handle, 30)
    status = works.end(engine, handle)
    assert (status.observed, status.processes, status.cause) == (Observed.EXITED, 0, EndCause.STOP)
    assert status.exit_code != 0
    saved = [(works.folder / "run-a" / f"checkpoint{rank}").read_text() for rank in (0, 1)]
    assert saved == ["whole", "whole"]
    assert works.left(handle) == []


def _found(works: Works, handle: str) -> str:
    """What a failure needs to say: the run's state, its processes and its output."""
    engine = works.engine()
    commands = [Path(f"/proc/{each.pid}/cmdline").read_bytes() for each in works.left(handle)]
    return f"{engine.poll([handle])}\n{commands}\n{engine.logs(handle, 0, 10**5)[0].decode()}"
