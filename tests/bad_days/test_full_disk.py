"""The disk under everything is full: what was acknowledged is there, and work goes on once there is room."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.assembly.test_up import Machine, _job, _site, until

from bruk.model.ledger import Resource
from bruk.model.run import Observed
from bruk.model.workload import Outcome
from bruk.sdk.errors import SdkError
from bruk.wire.access import InspectionBody
from bruk.wire.requests import TenantBody

from .conftest import bruk, fill, mounted

pytestmark = [pytest.mark.slow, pytest.mark.root]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 MiB of its own."""
    yield from mounted(tmp_path / "disk", "400m")


def test_the_disk_under_the_whole_home_fills_and_empties(disk: Path, tmp_path: Path) -> None:
    machine = Machine(disk / "home")
    try:
        _fills_and_empties(machine, disk, tmp_path)
    finally:
        if machine.process is not None:
            machine.process.kill()
            machine.process.wait()
        for process in machine.runs():
            process.terminate()


def _fills_and_empties(machine: Machine, disk: Path, tmp_path: Path) -> None:
    client = machine.up()
    _site(client)
    blob = tmp_path / "blob"
    blob.write_bytes(b"\1" * (8 << 20))
    kept = client.artifacts.put(blob, "acme/lab", "kept")
    job = _job(client, 25)
    until("running", lambda: [r for r in client.workloads.get(job).runs if r.observed is Observed.RUNNING])
    until("it is billed", lambda: list(client.ledger.list()))
    tenants = 0
    ballast = fill(disk)
    # Control: an upload and a change are refused in words, what is only read is answered.
    with pytest.raises(SdkError) as uploading:
        client.artifacts.put(blob, "acme/lab", "more")
    assert uploading.value.code in ("disk_full", "store_unavailable")
    refused = None
    while refused is None:  # The database may have a page or two to spare in its log.
        try:
            client.tenants.add(TenantBody(name=f"t{tenants}"))
            tenants += 1
        except SdkError as error:
            refused = error
    assert refused.code == "store_unavailable"
    assert "full" in str(refused)
    assert client.status().version
    told = bruk("--home", str(machine.home), "doctor", "--json")
    checks = {check["what"]: check for check in json.loads(told.stdout)["checks"]}
    assert checks["disk"]["finding"] == "wrong"
    assert "0 MiB free" in checks["disk"]["detail"]
    assert machine.process is not None
    assert machine.process.poll() is None, "Bruk goes on"
    assert len(machine.runs()) == 1, "so does the job"
    ballast.unlink()
    # Without a restart: the job ends, everything is billed, and what was refused works.
    view = until(
        "the job's end",
        lambda: (seen := client.workloads.get(job)).workload.outcome is not Outcome.OPEN and seen,
        90,
    )
    assert view.workload.outcome is Outcome.SUCCEEDED
    assert len(view.runs) == 1
    run = view.runs[0]
    booked = [entry for entry in client.ledger.list() if entry.resource is Resource.DEVICE_TIME]
    assert sum(entry.quantity for entry in booked) == run.ended_at_ms - run.started_at_ms
    names = {tenant.name for tenant in client.tenants.list()}
    assert names == {"acme", *(f"t{number}" for number in range(tenants))}, "what was said done is there"
    until("the upload", lambda: _put(client, blob))
    out = tmp_path / "out"
    client.access_requests.ask(InspectionBody(project="acme/lab", reason="a test"))
    client.artifacts.fetch(kept, out)
    assert out.read_bytes() == blob.read_bytes()
    done = bruk("--home", str(machine.home), "backup", str(tmp_path / "b.tar"))
    assert done.returncode == 0, done.stderr
    machine.down()


def _put(client: object, blob: Path) -> bool:
    try:
        client.artifacts.put(blob, "acme/lab", "more")  # type: ignore[attr-defined]
    except SdkError:
        return False
    return True


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB of its own."""
    yield from mounted(tmp_path / "disk", "8m")


def test_a_first_start_without_room_says_which_file_it_is_and_works_once_there_is(small_disk: Path) -> None:
    start = ("--home", str(small_disk / "home"), "up", "--once", "--port", "0", "--gateway-port", "0")
    ballast = fill(small_disk)
    told = bruk(*start)
    assert told.returncode != 0
    assert "full" in told.stderr
    assert str(small_disk) in told.stderr
    assert "Traceback" not in told.stderr
    ballast.unlink()
    again = bruk(*start)
    assert again.returncode == 0, again.stderr
