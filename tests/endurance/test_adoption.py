"""Two rounds of the adoption script, and what a restart of the machine and a reused number leave behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bruk.model.run import Observed, Run

from .adoption import STEPS, Machine, Rounds, lives, play, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_what_runs_is_adopted_what_ended_is_settled_what_died_resumes(tmp_path: Path) -> None:
    lines = play(tmp_path, rounds=2, seed=7)
    assert len(lines) == 3


def test_a_failure_while_setting_up_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Rounds) -> None:
        raise AssertionError("no setting up")

    monkeypatch.setattr(Rounds, "_populate", fails)
    with pytest.raises(AssertionError, match="no setting up"):
        play(tmp_path, rounds=1, seed=1)
    until("the end of all", lambda: not Machine(tmp_path / "home").strays(), 30)


@pytest.fixture
def rounds(tmp_path: Path) -> Iterator[Rounds]:
    made = Rounds(tmp_path, seed=1)
    yield made
    made.abandon()


def _died(rounds: Rounds) -> tuple[str, Run, Path]:
    """A job whose run and Bruk are both dead, and the supervisor's record of it."""
    job = rounds.submit("dies", [sys.executable, "-c", STEPS])
    run = rounds.running(job)
    until("a few steps", lambda: rounds._step(job) > 3)
    tree = rounds.machine.tree(run.id)
    rounds.machine.kill()
    for each in tree:
        if lives(each):
            os.kill(each[0], signal.SIGKILL)
    until("its death", lambda: not any(lives(each) for each in tree))
    (record,) = rounds.machine.folder(run.id).glob("engine/*/record.json")
    return job, run, record


def _resumes(rounds: Rounds, job: str, first: Run) -> None:
    kept_step = rounds._step(job)
    rounds.client = rounds.machine.up()
    again = until("a second attempt", lambda: rounds._second(job))
    assert again.resumed_from_step == kept_step
    rounds.machine.go(again.id)
    rounds.ended(job)
    lost = rounds.client.workloads.run(first.id)
    assert (lost.observed, lost.exit_code) == (Observed.LOST, None)
    rounds.check([job])


@pytest.fixture
def bystander() -> Iterator[psutil.Process]:
    process = subprocess.Popen(["sleep", "600"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


def test_after_a_restart_of_the_machine_jobs_resume_and_billing_ends_where_it_was_last_known(
    rounds: Rounds, bystander: psutil.Process
) -> None:
    """What stays of a run after the machine restarted: a record of another boot, whose numbers mean
    nothing now, here even one with the start time of a living process."""
    job, run, path = _died(rounds)
    record = json.loads(path.read_text())
    ticks = int(Path(f"/proc/{bystander.pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    path.write_text(json.dumps({**record, "boot_id": "another", "pid": bystander.pid, "start": ticks}))
    seen_ms = (path.parent / "seen.json").stat().st_mtime_ns // 1_000_000
    _resumes(rounds, job, run)
    lost = rounds.client.workloads.run(run.id)
    assert lost.ended_at_ms is not None
    assert lost.started_at_ms is not None
    assert "restarted" in lost.detail
    assert lost.started_at_ms < lost.ended_at_ms
    # The file's time is the machine's, the run's times are the agent's, which began a moment apart.
    assert abs(lost.ended_at_ms - max(seen_ms, lost.metered_until_ms or 0)) <= 200
    assert bystander.is_running()
    assert bystander.status() != psutil.STATUS_ZOMBIE


def test_a_reused_number_is_neither_adopted_nor_signalled(rounds: Rounds, bystander: psutil.Process) -> None:
    job, run, path = _died(rounds)
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "pid": bystander.pid}))
    _resumes(rounds, job, run)
    assert bystander.is_running()
    assert bystander.status() != psutil.STATUS_ZOMBIE
