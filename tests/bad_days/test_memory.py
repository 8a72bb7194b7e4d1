"""A job that wants more memory than it may have, and one that the kernel's OOM killer takes."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.assembly.test_up import Machine, _site, until

from bruk.engines.base import Launch
from bruk.engines.local.engine import LocalEngine
from bruk.engines.local.slots import LocalConfig
from bruk.model.clock import ManualClock
from bruk.model.run import DeviceSet, Observed
from bruk.model.workload import Outcome
from bruk.wire.requests import JobBody

from .conftest import bruk

pytestmark = pytest.mark.slow
SLOT_BYTES = 160 << 20
HOLD = (
    "import time; held = bytearray({bytes}); held[::4096] = b'x' * len(held[::4096]); "
    "print('held', flush=True); time.sleep(600)"
)


def _submit(client, name: str, code: str, retries: int = 0) -> str:
    body = {
        "project": "acme/lab",
        "name": name,
        "spec": {"command": ["python", "-c", code], "time_limit_s": 600, "retry_limit": retries},
    }
    return client.workloads.submit(JobBody.model_validate(body)).id


def _alive(client, job: str) -> list[object]:
    return [run for run in client.workloads.get(job).runs if run.observed is Observed.RUNNING]


@pytest.fixture
def small_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many slots that each has little memory: what a job of one slot may hold."""
    monkeypatch.setenv("BRUK_SLOTS", str(max(4, psutil.virtual_memory().total // SLOT_BYTES)))


def test_a_job_that_holds_too_much_is_ended_with_that_cause_and_its_neighbour_is_not(
    machine: Machine, small_slots: None
) -> None:
    client = machine.up()
    _site(client)
    neighbour = _submit(client, "neighbour", "import time; time.sleep(600)")
    until("the neighbour runs", lambda: _alive(client, neighbour))
    greedy = _submit(client, "greedy", HOLD.format(bytes=4 * SLOT_BYTES), retries=1)
    view = until(
        "it is given up",
        lambda: (seen := client.workloads.get(greedy)).workload.outcome is not Outcome.OPEN and seen,
        120,
    )
    assert view.workload.outcome is Outcome.FAILED
    assert len(view.runs) == 2, "tried again as often as it may be, and not for ever"
    assert all("more memory than" in run.detail for run in view.runs)
    told = bruk("--home", str(machine.home), "why", greedy)
    assert "it held more memory than" in " ".join(told.stdout.split())
    assert _alive(client, neighbour), "its neighbour goes on"
    assert client.status().sites[0].connected
    client.workloads.cancel(neighbour)
    machine.down()


def test_one_that_a_signal_from_outside_ends_is_shown_as_that(machine: Machine) -> None:
    """What the kernel's own OOM killer does to a process where no cgroup was given: SIGKILL, and no more."""
    client = machine.up()
    _site(client)
    mark = f"time.sleep({600 + time.time_ns() % 997})"
    job = _submit(client, "killed", f"import time; {mark}")
    until("it runs", lambda: _alive(client, job))
    (victim,) = until(
        "its process",
        lambda: [
            process
            for process in psutil.process_iter(["cmdline"])
            if (words := process.info["cmdline"] or []) and words[-1].endswith(mark) and "-c" in words[1]
        ],
    )
    os.kill(victim.pid, signal.SIGKILL)
    view = until(
        "its end",
        lambda: (seen := client.workloads.get(job)).workload.outcome is not Outcome.OPEN and seen,
        60,
    )
    assert view.workload.outcome is Outcome.FAILED
    (run,) = view.runs
    assert run.exit_code == 137
    told = " ".join(bruk("--home", str(machine.home), "why", job).stdout.split())
    assert "SIGKILL" in told or "137" in told
    machine.down()


def _cgroup_with_memory() -> Iterator[str]:
    """A cgroup v2 whose children may limit memory; skips, with the reason, where there is none to be had."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    found = [Path(words[4]) for words in mounts if words[words.index("-") + 1] == "cgroup2"]
    if not found:
        pytest.skip("no cgroup v2 is mounted here")
    top = found[0]
    if "memory" not in (top / "cgroup.controllers").read_text().split():
        pytest.skip(f"the cgroup v2 at {top} has no memory controller (cgroup v1 has it)")
    own = top / f"bruk-test-{os.getpid()}"
    try:
        if "memory" not in (top / "cgroup.subtree_control").read_text().split():
            (top / "cgroup.subtree_control").write_text("+memory")
        own.mkdir()
        (own / "cgroup.subtree_control").write_text("+memory")
    except OSError as error:
        pytest.skip(f"no cgroup of one's own can be made at {top}: {error.strerror}")
    yield str(own)
    for child in own.iterdir():
        if child.is_dir():
            child.rmdir()
    own.rmdir()


@pytest.fixture
def cgroup() -> Iterator[str]:
    yield from _cgroup_with_memory()


def test_one_that_the_kernels_oom_killer_ends_has_that_cause(tmp_path: Path, cgroup: str) -> None:
    """The kernel itself ends it, in a cgroup with a limit; the neighbour in another goes on."""
    engine = LocalEngine(
        tmp_path / "engine",
        ManualClock(),
        LocalConfig(slots=2, accelerators=False, isolation="none", cgroup=cgroup),
    )

    def launch(run: str, device: int, code: str) -> str:
        folder = tmp_path / run
        folder.mkdir()
        return engine.launch(
            Launch(
                run=run,
                command=(sys.executable, "-c", code),
                env={"PATH": os.environ["PATH"]},
                folder=folder,
                workdir=folder,
                generation=1,
                placement=(DeviceSet("node-1", (device,)),),
                grace_s=1,
                writable=(folder,),
                memory_bytes=SLOT_BYTES,
            )
        )

    neighbour = launch("neighbour", 0, "import time; time.sleep(600)")
    greedy = launch("greedy", 1, HOLD.format(bytes=4 * SLOT_BYTES))
    try:
        until("it is ended", lambda: engine.poll([greedy])[0].observed is Observed.EXITED, 60)
        (ended,) = engine.poll([greedy])
        assert ended.exit_code == 137
        assert "more memory than" in ended.detail
        assert engine.poll([neighbour])[0].observed is Observed.RUNNING
    finally:
        for handle in (neighbour, greedy):
            engine.stop(handle, 0)
        until(
            "their end",
            lambda: all(one.observed is Observed.EXITED for one in engine.poll([neighbour, greedy])),
        )
