"""Bad days of the engine and of the supervisor: nothing runs on unseen, nothing runs twice."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from bruk.engines.base import LaunchFailed
from bruk.engines.local import records
from bruk.engines.local.processes import boot_id, marked, process
from bruk.model.run import Observed

from .conftest import Works, wait_for

STAYS = "echo up; exec sleep 300"


def test_an_engine_in_another_process_adopts_stops_and_learns_the_end(works: Works) -> None:
    engine = works.engine()
    handle = engine.launch(works.shell(STAYS))
    code = (
        "import sys; from pathlib import Path\n"
        "from bruk.engines.local.engine import LocalEngine\n"
        "from bruk.model.clock import ManualClock\n"
        "engine = LocalEngine(Path(sys.argv[1]), ManualClock())\n"
        "handle, = engine.handles()\n"
        "print(engine.recover(handle).observed.value); engine.stop(handle, 20)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(works.folder / "engine")], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "running"
    assert works.end(engine, handle).exit_code == 143


def test_a_run_outlives_the_process_that_launched_it(works: Works) -> None:
    (works.folder / "run-a").mkdir()
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from bruk.engines.base import Launch\n"
        "from bruk.engines.local.engine import LocalEngine\n"
        "from bruk.model.clock import ManualClock\n"
        "from bruk.model.run import DeviceSet\n"
        "root = Path(sys.argv[1]); run = root / 'run-a'\n"
        "engine = LocalEngine(root / 'engine', ManualClock())\n"
        "command = ('sh', '-c', 'echo up; sleep 0.3; exit 7')\n"
        "env = {'PATH': os.environ['PATH']}\n"
        "engine.launch(Launch('run-a', 1, (DeviceSet('node-1', (0,)),), command, env, run, run))\n"
        "os.killpg(0, signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(works.folder)], start_new_session=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    engine = works.engine()
    (handle,) = engine.handles()
    status = works.end(engine, handle)
    assert (status.exit_code, status.detail) == (7, "")
    assert status.started_at_ms is not None
    assert status.ended_at_ms is not None
    assert status.ended_at_ms - status.started_at_ms >= 300


def test_a_killed_supervisor_takes_the_run_with_it_and_the_run_is_lost(works: Works) -> None:
    engine = works.engine()
    handle = engine.launch(works.shell("setsid sleep 300 & (setsid sleep 300 &) ; echo up; exec sleep 300"))
    works.said(engine, handle, "up")
    works.until(engine, handle, lambda status: status.processes == 3)
    os.kill(works.record().pid, signal.SIGKILL)
    status = works.end(engine, handle)
    assert (status.observed, status.exit_code, status.processes) == (Observed.LOST, None, 0)
    assert "supervisor" in status.detail
    assert works.left(handle) == []
    assert works.engine().recover(handle) == status


def test_strays_without_their_mark_are_known_by_what_was_last_seen(works: Works) -> None:
    engine = works.engine()
    handle = engine.launch(works.shell("env -i setsid sleep 300 & echo up; wait"))
    works.said(engine, handle, "up")
    wait_for(lambda: len(records.read_seen(works.at())) >= 2)
    pids = [pid for pid, _ in records.read_seen(works.at())]
    os.kill(works.record().pid, signal.SIGKILL)
    assert works.end(engine, handle).observed is Observed.LOST
    assert not any(process(pid) for pid in pids)


def test_a_lost_run_gives_its_devices_back(works: Works) -> None:
    engine = works.engine()
    lost = engine.launch(works.shell(STAYS))
    os.kill(works.record().pid, signal.SIGKILL)
    works.end(engine, lost)
    assert works.end(engine, engine.launch(works.shell("exit 0", "run-b"))).exit_code == 0


def test_a_reused_number_is_not_adopted(works: Works) -> None:
    engine, handle = _ended_without_end(works)
    bystander = subprocess.Popen(["sleep", "300"])
    try:
        content = json.loads((works.at() / "record.json").read_text())
        (works.at() / "record.json").write_text(json.dumps(content | {"pid": bystander.pid}))
        engine.stop(handle, 0)
        assert engine.recover(handle).observed is Observed.LOST
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_after_a_restart_of_the_machine_a_run_is_lost_and_no_one_is_killed(works: Works) -> None:
    engine, handle = _ended_without_end(works)
    bystander = subprocess.Popen(["sleep", "300"])
    try:
        me = process(bystander.pid)
        assert me is not None
        content = json.loads((works.at() / "record.json").read_text())
        content |= {"pid": me.pid, "start": me.start, "boot_id": "0" * len(boot_id())}
        (works.at() / "record.json").write_text(json.dumps(content))
        (works.at() / "seen.json").write_text(json.dumps({"processes": [[me.pid, me.start]]}))
        engine.stop(handle, 0)
        status = engine.recover(handle)
        assert status.observed is Observed.LOST
        assert "restarted" in status.detail
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("text", ["", '{"exit_code": 0, "star', "[1]", '{"exit_code": 0}', "\x00\xff"])
def test_a_torn_end_record_is_lost_never_a_guess(works: Works, text: str) -> None:
    engine = works.engine()
    handle = engine.launch(works.shell("exit 0"))
    works.end(engine, handle)
    wait_for(lambda: process(works.record().pid) is None)
    (works.at() / "end.json").write_text(text)
    status = works.engine().recover(handle)
    assert (status.observed, status.exit_code) == (Observed.LOST, None)
    assert "damaged" in status.detail
    assert works.engine().recover(handle) == status


@pytest.mark.parametrize("torn", ["record", "index"])
def test_a_living_run_whose_record_is_torn_is_ended_not_forgotten(works: Works, torn: str) -> None:
    engine = works.engine()
    handle = engine.launch(works.shell(STAYS))
    works.said(engine, handle, "up")
    index = works.folder / "engine" / "index" / f"{handle}.json"
    ({"record": works.at() / "record.json", "index": index}[torn]).write_text("{")
    assert works.engine().recover(handle).observed is Observed.LOST
    assert works.left(handle) == []


def test_a_run_whose_records_were_deleted_is_ended_not_forgotten(works: Works) -> None:
    engine = works.engine()
    handle = engine.launch(works.shell(STAYS))
    works.said(engine, handle, "up")
    works.at().rename(works.folder / "gone")  # At once; a removal would race with the supervisor.
    assert engine.logs(handle, 0, 100) == (b"", 0)
    engine.stop(handle, 0)
    status = works.end(engine, handle)
    assert (status.observed, status.processes) == (Observed.LOST, 0)
    assert list(marked(works.mark(handle))) == []


def test_an_order_that_nobody_claimed_never_starts_afterwards(works: Works) -> None:
    engine, handle = _died_before_start(works)
    assert engine.recover(handle).observed is Observed.LOST
    late = subprocess.run(
        [sys.executable, "-m", "bruk.engines.local.supervisor", str(works.at())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert late.returncode == 1
    assert "no order" in late.stdout
    assert not (works.at() / "output.log").exists()


def test_launch_after_dying_before_the_start_starts_once(works: Works) -> None:
    engine, handle = _died_before_start(works)
    assert engine.launch(works.shell("echo once >> count; exit 0")) == handle
    assert works.end(engine, handle).exit_code == 0
    assert engine.launch(works.shell("echo once >> count; exit 0")) == handle
    assert (works.folder / "run-a" / "count").read_text() == "once\n"


def test_many_launching_at_once_start_one_run_and_one_holder_of_the_device(works: Works) -> None:
    handles: list[str] = []
    refused: list[str] = []

    def launch(run: str) -> None:
        try:
            handles.append(works.engine().launch(works.shell("echo x >> count; exec sleep 300", run)))
        except LaunchFailed as error:
            refused.append(str(error))

    for run in ("run-a", "run-b"):
        (works.folder / run).mkdir()
    threads = [threading.Thread(target=launch, args=(run,)) for run in ("run-a", "run-b") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(handles)) == 1
    assert (len(handles), len(refused)) == (3, 3)
    wait_for(lambda: any(works.folder.glob("run-*/count")))
    assert [path.read_text() for path in works.folder.glob("run-*/count")] == ["x\n"]


def test_a_supervisor_that_dies_at_its_start_fails_the_launch_and_leaves_nothing(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = works.engine()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LaunchFailed, match="supervisor"):
        engine.launch(works.shell("exit 0"))
    monkeypatch.undo()
    assert list(engine.handles()) == []
    assert not works.at().exists()


def test_two_engines_on_one_machine_do_not_touch_each_others_runs(works: Works) -> None:
    other = Works(works.folder / "other")
    other.folder.mkdir()
    ours, theirs = works.engine(), other.engine()
    mine = ours.launch(works.shell(STAYS))
    yours = theirs.launch(other.shell(STAYS))
    os.kill(works.record().pid, signal.SIGKILL)
    assert works.end(ours, mine).observed is Observed.LOST
    assert theirs.recover(yours).observed is Observed.RUNNING
    theirs.stop(yours, 5)
    assert other.end(theirs, yours).exit_code == 143


def _ended_without_end(works: Works) -> tuple[object, str]:
    engine = works.engine()
    handle = engine.launch(works.shell("exit 0"))
    works.end(engine, handle)
    wait_for(lambda: process(works.record().pid) is None)
    (works.at() / "end.json").unlink()
    return engine, handle


def _died_before_start(works: Works) -> tuple[object, str]:
    """The engine's process dies between writing the order and starting the supervisor."""
    engine = works.engine()
    handle = engine.launch(works.shell("exit 0"))
    works.end(engine, handle)
    wait_for(lambda: process(works.record().pid) is None)
    order = {"run": "run-a"}
    for path in list(works.at().iterdir()):
        path.unlink()
    (works.at() / "order.json").write_text(json.dumps(order))
    return engine, handle
