"""The machine's clock is set by an hour while everything runs: real processes under libfaketime."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.assembly.test_up import Machine, _job, _site, until

from bruk.model.ledger import Resource
from bruk.model.run import Observed
from bruk.model.workload import Outcome

from .conftest import BRUK

pytestmark = [pytest.mark.slow, pytest.mark.faketime]
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class Set:
    """The wall clock that every process of this machine is shown; time since boot is left alone."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "faketimerc"
        self.to("+0")

    def to(self, offset: str) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(offset + "\n")
        draft.replace(self._file)

    @property
    def env(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Set:
    if not LIBRARIES:
        pytest.skip("libfaketime is not installed")
    made = Set(tmp_path)
    said = subprocess.run(
        [sys.executable, "-c", "import time; print(time.clock_gettime(time.CLOCK_BOOTTIME) > 1e9)"],
        env={**os.environ, **made.env},
        capture_output=True,
        text=True,
        check=False,
    )
    if said.stdout.strip() != "False":
        pytest.skip("this libfaketime also fakes the time since boot")
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.mark.parametrize("offset", ["-1h", "+1h"])
def test_a_clock_that_is_set_bills_no_hour_and_ends_no_lease(
    machine: Machine, clock: Set, offset: str
) -> None:
    client = machine.up()
    _site(client)
    job = _job(client, 15)
    until("running", lambda: [r for r in client.workloads.get(job).runs if r.observed is Observed.RUNNING])
    clock.to(offset)
    assert all(item.connected for item in client.status().sites)
    # What starts under the wrong clock goes by the same time as what runs already.
    machine.down()
    client = machine.up()
    view = until(
        "its end",
        lambda: (seen := client.workloads.get(job)).workload.outcome is not Outcome.OPEN and seen,
    )
    assert view.workload.outcome is Outcome.SUCCEEDED
    run = view.runs[0]
    assert len(view.runs) == 1
    assert 14_000 <= run.ended_at_ms - run.started_at_ms <= 60_000
    entries = list(client.ledger.list())
    booked = [entry for entry in entries if entry.resource is Resource.DEVICE_TIME]
    assert sum(entry.quantity for entry in booked) == run.ended_at_ms - run.started_at_ms
    assert [entry.from_ms for entry in booked[1:]] == [entry.to_ms for entry in booked[:-1]]
    times = [entry.at_ms for entry in entries]
    assert times == sorted(times)
    audited = [entry.at_ms for entry in client.audit.list()]
    assert audited == sorted(audited), "nor does the audit log's time run back"
    told = subprocess.run(
        [*BRUK, "--home", str(machine.home), "doctor"], capture_output=True, text=True, check=False
    )
    if offset == "-1h":
        assert "behind Bruk's records" in told.stdout
        assert told.returncode == 1
    machine.down()
