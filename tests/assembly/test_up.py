"""``bruk up`` for real: it comes up, refuses a second of its kind, and leaves nothing but running jobs."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bruk.model.run import Observed
from bruk.model.workload import Outcome
from bruk.sdk import Client, SdkError
from bruk.wire.access import InspectionBody
from bruk.wire.requests import JobBody, PriceBody, ProjectBody, SiteBody, TenantBody

pytestmark = pytest.mark.slow
START = [sys.executable, "-m", "bruk"]


def until(what: str, look: Callable[[], object], timeout_s: float = 40) -> object:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen")


class Machine:
    """One machine with Bruk on it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    def up(self) -> Client:
        kept = self.home / "cli.json"
        before = kept.read_text() if kept.exists() else ""
        output = (self.home.parent / "up.log").open("ab")
        command = [*START, "--home", str(self.home), "up", "--port", "0", "--gateway-port", "0"]
        self.process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        until("coming up", lambda: kept.exists() and kept.read_text() != before)
        said = json.loads(kept.read_text())
        client = Client(said["url"], said["token"])
        until("an answer", lambda: _answers(client))
        return client

    def down(self) -> list[psutil.Process]:
        """End ``bruk up`` and return which of its children still live."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        self.process = None
        return [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]

    def runs(self) -> list[psutil.Process]:
        """Supervisors of this home that live, whoever is their parent now."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if any(word.startswith(str(self.home)) for word in words) and "supervisor" in " ".join(words):
                found.append(process)
        return found


def _answers(client: Client) -> bool:
    try:
        return bool(client.status().version)
    except Exception:
        return False


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "home")
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()
    for process in made.runs():
        process.terminate()


def _site(client: Client) -> None:
    client.sites.add(SiteBody(name="here", country="FR", grid_zone="FR"))
    client.tenants.add(TenantBody(name="acme"))
    client.projects.add(ProjectBody(tenant="acme", name="lab"))
    client.prices.set(PriceBody(resource="device_time", price_microeur=60_000))
    until("the agent", lambda: all(item.connected and item.devices for item in client.status().sites))


def _job(client: Client, seconds: int) -> str:
    command = ["sh", "-c", f"echo begun; sleep {seconds}; echo done"]
    body = JobBody.model_validate(
        {"project": "acme/lab", "name": "wait", "spec": {"command": command, "time_limit_s": 600}}
    )
    return client.workloads.submit(body).id


def test_a_job_goes_on_while_bruk_is_down_and_is_settled_when_it_is_up_again(machine: Machine) -> None:
    client = machine.up()
    _site(client)
    job = _job(client, 12)
    until("running", lambda: [r for r in client.workloads.get(job).runs if r.observed is Observed.RUNNING])
    assert len(machine.runs()) == 1
    machine.down()
    assert len(machine.runs()) == 1, "the job goes on without Bruk"
    client = machine.up()
    view = until(
        "the job's end",
        lambda: (seen := client.workloads.get(job)).workload.outcome is not Outcome.OPEN and seen,
    )
    assert view.workload.outcome is Outcome.SUCCEEDED
    assert len(view.runs) == 1, "it was adopted, not started again"
    run = view.runs[0]
    billed = [entry for entry in client.ledger.list() if entry.run == run.id]
    assert billed[0].from_ms >= run.created_at_ms
    assert [entry.from_ms for entry in billed[1:]] == [entry.to_ms for entry in billed[:-1]]
    assert billed[-1].to_ms == run.ended_at_ms
    client.access_requests.ask(InspectionBody(project="acme/lab", reason="a test"))
    assert b"".join(client.workloads.logs(job)).split() == [b"begun", b"done"]
    machine.down()


def test_two_never_share_a_home_and_nothing_is_left_of_an_idle_one(machine: Machine) -> None:
    client = machine.up()
    _site(client)
    second = subprocess.run(
        [*START, "--home", str(machine.home), "up", "--port", "0", "--gateway-port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 5
    assert "runs already" in second.stderr
    assert "Traceback" not in second.stderr
    assert machine.down() == []
    assert "Traceback" not in (machine.home.parent / "up.log").read_text()
    modes = {path.name: path.stat().st_mode & 0o077 for path in machine.home.rglob("*") if path.is_file()}
    assert {name for name, mode in modes.items() if mode} == set(), "every file is its owner's alone"


def test_once_comes_up_and_goes(tmp_path: Path) -> None:
    command = [*START, "--home", str(tmp_path / "home"), "up", "--once", "--port", "0", "--gateway-port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert "Bruk is up." in done.stdout
    assert "site add here" in done.stdout, "an empty home says what comes next"


def _bruk(machine: Machine, *words: str) -> str:
    done = subprocess.run(
        [*START, "--home", str(machine.home), *words], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_tokens_of_this_machine_are_renewed_and_a_start_leaves_one_of_its_own(machine: Machine) -> None:
    first = machine.up()
    _site(first)
    (gateway,) = until("the gateway", lambda: list(first.gateways.list()))
    for folder, command in (("sites/here", ("site", "token", "here")), (f"gateways/{gateway.name}", ())):
        file = machine.home / folder / "token"
        before = file.read_text()
        _bruk(machine, *(command or ("gateway", "token", gateway.name)))
        assert file.read_text() != before
        assert file.stat().st_mode & 0o777 == 0o600
    seen = max(row.last_sync_at_ms or 0 for row in first.gateways.list())
    until("the gateway goes on", lambda: (next(first.gateways.list()).last_sync_at_ms or 0) > seen)
    job = _job(first, 0)
    until(
        "work at the site goes on",
        lambda: first.workloads.get(job).workload.outcome is Outcome.SUCCEEDED,
    )
    machine.down()
    # A crash between control and the folder leaves a token there that control does not know.
    (machine.home / "sites/here/token").write_text("nobody-knows-this")
    earlier = json.loads((machine.home / "cli.json").read_text())["token"]
    second = machine.up()
    with Client(second.transport.url, earlier) as old, pytest.raises(SdkError, match="unknown, disabled"):
        old.me()
    held = second.users.credentials(second.me().id).held
    assert {(item.kind, item.source) for item in held} == {("login", "bruk up"), ("token", "bruk up")}
    assert len(held) == 2
    until("the agent is heard again", lambda: all(item.connected for item in second.status().sites))
    _bruk(machine, "token", "rotate")
    with pytest.raises(SdkError):
        second.me()
    assert any(item["used_here"] for item in json.loads(_bruk(machine, "token", "ls", "--json"))["held"])
