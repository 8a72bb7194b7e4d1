"""``bruk up`` with its store on a real PostgreSQL server, as a role that may not change the schema."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bruk.model.workload import Outcome
from bruk.seal import Keyring, verify_export

from ..postgresql import Server  # noqa: TID252 (tests are no installed package)
from .test_up import START, Machine, _job, _site, until

pytestmark = [pytest.mark.slow, pytest.mark.postgresql]
ROLE = "bruk_e2e"


def _bruk(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*START, *arguments], capture_output=True, text=True, timeout=90, check=False)


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.stop()


@pytest.fixture
def machine(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    server.run(f"CREATE ROLE {ROLE} LOGIN", "CREATE DATABASE bruk TEMPLATE template0 LOCALE 'C.UTF-8'")
    made = _bruk("database", "migrate", "--url", server.url("bruk"), "--grant-to", ROLE, "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["granted_to"] == ROLE
    address = tmp_path / "address"
    address.write_text(server.url("bruk", ROLE))
    monkeypatch.setenv("BRUK_DATABASE_URL", f"@{address}")
    found = Machine(tmp_path / "home")
    yield found
    if found.process is not None:
        found.process.kill()
        found.process.wait()
    for process in found.runs():
        process.terminate()


def test_a_job_lives_on_a_server_that_goes_and_comes_back(
    machine: Machine, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = machine.up()
    _site(client)
    assert not (machine.home / "bruk.sqlite3").exists()
    assert machine.process is not None
    children = psutil.Process(machine.process.pid).children(recursive=True)
    assert children
    assert all("BRUK_DATABASE_URL" not in child.environ() for child in children)
    job = _job(client, 6)
    until("running", lambda: client.workloads.get(job).runs)
    server.pause()
    server.resume()
    view = until(
        "the job's end",
        lambda: (seen := client.workloads.get(job)).workload.outcome is not Outcome.OPEN and seen,
        timeout_s=90,
    )
    assert view.workload.outcome is Outcome.SUCCEEDED
    assert len(view.runs) == 1
    billed = [entry for entry in client.ledger.list() if entry.run == view.runs[0].id]
    assert sum(entry.quantity for entry in billed) == view.runs[0].ended_at_ms - view.runs[0].started_at_ms

    second = _bruk("--home", str(tmp_path / "other"), "up", "--port", "0", "--gateway-port", "0")
    assert second.returncode == 5
    assert "database_in_use" in second.stderr
    assert "Traceback" not in second.stderr

    export = tmp_path / "audit.jsonl"
    client.audit.export(export)
    keys = Keyring.from_document(json.loads((machine.home / "keys" / "public.json").read_text()))
    assert verify_export(export, keys, []).ok
    machine.down()

    # Where no server answered is not remembered.
    wrong = tmp_path / "wrong"
    away = _bruk("--home", str(wrong), "up", "--database", "postgresql://bruk:s3cret@127.0.0.1:1/bruk")
    assert away.returncode == 7
    assert "s3cret" not in away.stderr
    assert "is it up" in away.stderr
    assert not (wrong / "database_url").exists()

    # The home remembers where its store is.
    monkeypatch.delenv("BRUK_DATABASE_URL")
    client = machine.up()
    assert client.workloads.get(job).workload.outcome is Outcome.SUCCEEDED
    machine.down()
    assert "Traceback" not in (machine.home.parent / "up.log").read_text()
    checked = _bruk("database", "check", "--url", f"@{machine.home / 'database_url'}")
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    assert (machine.home / "database_url").stat().st_mode & 0o077 == 0
