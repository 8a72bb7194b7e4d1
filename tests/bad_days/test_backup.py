"""Backups of a home that is in use, and a restore of one that is older than its agents."""

import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from tests.assembly.test_up import Machine, _job, _site, until

from bruk.model.ledger import Resource
from bruk.model.run import Observed
from bruk.model.workload import Outcome
from bruk.wire.requests import TenantBody

from .conftest import BRUK, bruk, fill

pytestmark = pytest.mark.slow


def test_a_home_is_backed_up_while_others_write_and_every_copy_is_whole(
    machine: Machine, tmp_path: Path
) -> None:
    client = machine.up()
    _site(client)
    stop, made = threading.Event(), [0, 0]

    def write(number: int) -> None:
        while not stop.is_set():
            client.tenants.add(TenantBody(name=f"t{number}-{made[number]}"))
            made[number] += 1

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    try:
        counts = []
        for number in range(3):
            before = sum(made)
            done = bruk("--home", str(machine.home), "backup", str(tmp_path / f"{number}.tar"), "--with-keys")
            assert done.returncode == 0, done.stderr
            counts.append((before, sum(made)))
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert counts[-1][1] > counts[0][0], "others wrote meanwhile"
    for number in range(3):
        checked = bruk("restore", "--check", str(tmp_path / f"{number}.tar"))
        assert checked.returncode == 0, checked.stderr
    machine.down()
    new = tmp_path / "new"
    assert bruk("restore", str(tmp_path / "2.tar"), "--home", str(new)).returncode == 0
    came_up = bruk("--home", str(new), "up", "--once", "--port", "0", "--gateway-port", "0")
    assert came_up.returncode == 0, came_up.stderr
    again = Machine(new)
    try:
        names = {tenant.name for tenant in again.up().tenants.list()}
    finally:
        again.down()
    assert counts[2][0] <= len(names) - 1 <= counts[2][1], "as many as there were while it was made"


def test_a_target_that_is_full_says_so_and_nothing_is_left(machine: Machine, small_disk: Path) -> None:
    client = machine.up()
    ballast = fill(small_disk, 100_000)
    done = bruk("--home", str(machine.home), "backup", str(small_disk / "b.tar"))
    assert done.returncode == 1
    assert "full" in done.stderr or "No space" in done.stderr
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]
    assert client.status().version, "Bruk goes on"
    ballast.unlink()
    assert bruk("--home", str(machine.home), "backup", str(small_disk / "b.tar")).returncode == 0


def test_a_backup_that_is_killed_leaves_no_file_of_its_name(machine: Machine, tmp_path: Path) -> None:
    client = machine.up()
    _site(client)
    blob = tmp_path / "blob"
    blob.write_bytes(b"\1" * (64 << 20))
    client.artifacts.put(blob, "acme/lab", "big")
    target = tmp_path / "b.tar"
    process = subprocess.Popen([*BRUK, "--home", str(machine.home), "backup", str(target)])
    draft = tmp_path / ".b.tar.unfinished"
    until("the backup has begun", lambda: (draft / "archive").exists() or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    if process.wait() == 0:
        pytest.skip("the backup was faster than the signal")
    assert not target.exists()
    done = bruk("--home", str(machine.home), "backup", str(target))
    assert done.returncode == 0, done.stderr
    assert not draft.exists(), "what a killed one left is gone"
    assert bruk("restore", "--check", str(target)).returncode == 0


def test_an_older_control_over_newer_agents_bills_everything_once(machine: Machine, tmp_path: Path) -> None:
    client = machine.up()
    _site(client)
    job = _job(client, 20)
    until("running", lambda: [r for r in client.workloads.get(job).runs if r.observed is Observed.RUNNING])
    until("it is billed", lambda: list(client.ledger.list()))
    done = bruk("--home", str(machine.home), "backup", str(tmp_path / "b.tar"), "--with-keys")
    assert done.returncode == 0, done.stderr
    known = sum(entry.quantity for entry in client.ledger.list())
    view = until(
        "its end",
        lambda: (seen := client.workloads.get(job)).workload.outcome is not Outcome.OPEN and seen,
    )
    run = view.runs[0]
    whole = [entry for entry in client.ledger.list() if entry.resource is Resource.DEVICE_TIME]
    used = sum(entry.quantity for entry in whole)
    assert used == run.ended_at_ms - run.started_at_ms > known
    machine.down()
    # Control is lost and restored; the agent's and the gateway's folders are as they were.
    lost = machine.home.rename(tmp_path / "lost")
    assert bruk("restore", str(tmp_path / "b.tar"), "--home", str(machine.home)).returncode == 0
    for room in ("sites", "gateways"):
        shutil.rmtree(machine.home / room)
        shutil.move(lost / room, machine.home / room)
    client = machine.up()
    view = until(
        "its end again",
        lambda: (seen := client.workloads.get(job)).workload.outcome is not Outcome.OPEN and seen,
    )
    assert view.workload.outcome is Outcome.SUCCEEDED
    assert len(view.runs) == 1, "it was not run again"
    until(
        "all use is in the ledger",
        lambda: sum(e.quantity for e in client.ledger.list() if e.run == run.id) >= used,
    )
    again = [entry for entry in client.ledger.list() if entry.run == run.id]
    assert sum(entry.quantity for entry in again) == used
    assert [entry.from_ms for entry in again[1:]] == [entry.to_ms for entry in again[:-1]]
    machine.down()
