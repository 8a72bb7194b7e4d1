"""A hostile tenant on a real `bruk up`, beside a victim's job: what it tries through its jobs fails, and the
machine, the platform and the victim are unharmed.

The same attempts are made where nothing keeps runs apart, to show that they are attempts at all; there
Bruk lets no second tenant in, so that victim and attacker are one tenant's, who accepted that. What a run
tries from within its sandbox stands in ``tests/engines/test_sandbox.py`` at length; here it goes the whole
way, through control, agent and engine.
"""

import hashlib
import json
import socket
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from bruk.engines.local import isolation
from bruk.model.run import Observed, Run
from bruk.model.workload import Outcome
from bruk.sdk import Client, SdkError
from bruk.wire.access import InspectionBody
from bruk.wire.requests import JobBody, PriceBody, ProjectBody, SiteBody, TenantBody

from ..assembly.test_up import Machine, until  # noqa: TID252 (tests are no installed package)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not isolation.settled("auto"), reason="sandboxes do not work on this machine"),
]

SECRET = "the-victims-own-words"
GOT_IT, REFUSED = 0, 42
VICTIM = f"""
import os, socket, time
open(os.path.join(os.environ["BRUK_OUTPUT_DIR"], "secret"), "w").write("{SECRET}")
listener = socket.create_server(("127.0.0.1", 0))
hidden = socket.socket(socket.AF_UNIX)
hidden.bind("\\0hostile-test-victim")
hidden.listen()
open(os.path.join(os.environ["BRUK_CHECKPOINT_DIR"], "port"), "w").write(str(listener.getsockname()[1]))
print("up", listener.getsockname()[1], flush=True)
time.sleep(600)
"""
BEGINNING = """
import json, os, signal, socket, subprocess, sys, threading, time
def refuse(kind, error, trace): print(kind.__name__, error, flush=True); os._exit(42)
sys.excepthook = refuse
about = json.loads(os.environ["ABOUT"])
home, control, gateway, victim = about["home"], about["control"], about["gateway"], about["victim"]
own = os.path.dirname(os.environ["BRUK_OUTPUT_DIR"])
def reach(port, host="127.0.0.1"): socket.create_connection((host, port), 3).close()
"""
# Each ends with 0 if it got what it wanted; an exception or another end means that it was refused.
ATTEMPTS = {
    "the_signing_key": "print(open(home + '/keys/signing.key').read())",
    "the_database": "print(open(home + '/bruk.sqlite3', 'rb').read(100))",
    "the_operators_token": "print(open(home + '/cli.json').read())",
    "the_agents_token": "print(open(home + '/sites/here/token').read())",
    "the_gateways_journal": "print(os.listdir(home + '/gateways/gw-here/journal'))",
    "the_victims_output": "print(open(about['folder'] + '/outputs/secret').read())",
    "the_victims_checkpoints": "print(os.listdir(about['checkpoints']))",
    "the_victims_log": "print(open(about['folder'] + '/engine/1/output.log').read())",
    "plant_in_the_victims_folder": "open(about['folder'] + '/outputs/planted', 'w').write('x')",
    "the_victims_environment": "print(open(f'/proc/{victim}/environ').read().index('BRUK'))",
    "signal_the_victim": "os.kill(victim, signal.SIGCONT)",
    "the_victims_port": "reach(about['port'])",
    "the_victims_abstract_socket": """
s = socket.socket(socket.AF_UNIX)
s.connect('\\0hostile-test-victim')""",
    "controls_api": "reach(control)",
    "the_gateways_door": "reach(gateway)",
    "forge_its_own_end": "open(own + '/engine/1/end.json', 'w').write('{}')",
    "forge_its_agents_record": "file = open(own + '/agent.json', 'r+'); file.write(file.read())",
    "read_its_agents_record": "print(open(own + '/agent.json').read())",
}
# What no machine in a test may be shown to allow, or is bounded by other means than the sandbox alone.
ALWAYS_REFUSED = {
    "the_clouds_metadata": "reach(80, '169.254.169.254')",
    "an_address_outside": "reach(9, '192.0.2.1')",
}
BOUNDED = {
    # name: script, what the run's detail says
    "processes_without_end": ("[os.fork() for _ in iter(int, 1)]", "processes"),
    "files_without_end": (
        """
for number in range(10**7):
    open(os.path.join(own, 'outputs', f'f{number}'), 'w').close()""",
        "bytes where",
    ),
    "bytes_without_end": (
        """
with open(os.path.join(own, 'outputs', 'big'), 'wb') as file:
    while True: file.write(b'x' * 2**20)""",
        "bytes where",
    ),
}
DISK_BYTES = 64 * 2**20


@dataclass
class Stage:
    """A platform with a victim's job, and where an attacker's is sent."""

    machine: Machine
    client: Client
    attacker: str
    about: dict[str, object]
    victim: Run
    kept: dict[str, str]

    def submit(self, name: str, script: str, **more: object) -> str:
        command = [sys.executable, "-c", BEGINNING + textwrap.dedent(script)]
        spec = {
            "command": command,
            "env": {"ABOUT": json.dumps(self.about)},
            "time_limit_s": 120,
            "retry_limit": 0,
            "disk_bytes": DISK_BYTES,
            "resources": {"memory_bytes": 2**29},
            **more,
        }
        body = {"project": self.attacker, "name": name.replace("_", "-"), "spec": spec}
        return self.client.workloads.submit(JobBody.model_validate(body)).id

    def ended(self, job: str) -> Run:
        view = until(
            "its end",
            lambda: (seen := self.client.workloads.get(job)).workload.outcome is not Outcome.OPEN and seen,
            timeout_s=150,
        )
        return view.runs[-1]  # type: ignore[attr-defined]

    def unharmed(self) -> None:
        """The victim works, its files and the platform's keys are as they were, and the platform answers."""
        runs = self.client.workloads.get(self.victim.workload).runs
        assert [run.observed for run in runs] == [Observed.RUNNING]
        assert _digests(self.machine.home, self.victim) == self.kept
        assert self.client.status().version


def _digests(home: Path, victim: Run) -> dict[str, str]:
    folder = home / "sites" / "here" / "runs" / victim.id
    files = [*(home / "keys").iterdir(), *(folder / "outputs").iterdir(), home / "sites" / "here" / "token"]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files) if path.is_file()
    }


def _stage(folder: Path, kind: str) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRUK_ISOLATION", kind)
        patch.setenv("BRUK_SLOTS", "8")
        machine = Machine(folder / "home")
        client = machine.up()
        try:
            yield _set(machine, client, kind)
        finally:
            for item in client.workloads.list():
                if item.workload.outcome is Outcome.OPEN:
                    client.workloads.cancel(item.workload.id)
            until("all runs to end", lambda: not machine.runs(), timeout_s=60)
            machine.down()


def _set(machine: Machine, client: Client, kind: str) -> Stage:
    client.sites.add(SiteBody(name="here", country="FR", grid_zone="FR"))
    for tenant in ("victim", "attacker"):
        client.tenants.add(TenantBody(name=tenant))
        client.projects.add(ProjectBody(tenant=tenant, name="lab"))
        asked = InspectionBody(project=f"{tenant}/lab", reason="a test", life_ms=86_400_000)
        client.access_requests.ask(asked)
    client.prices.set(PriceBody(resource="device_time", price_microeur=60_000))
    until("the agent", lambda: all(item.connected and item.devices for item in client.status().sites))
    spec = {"command": [sys.executable, "-c", VICTIM], "time_limit_s": 3600, "outputs": ["secret"]}
    body = {"project": "victim/lab", "name": "work", "spec": {**spec, "env": {"MINE": SECRET}}}
    job = client.workloads.submit(JobBody.model_validate(body)).id
    port = machine.home / "sites" / "here" / "work" / job / "checkpoints" / "port"
    until("the victim", lambda: port.exists() and port.read_text())
    victim = client.workloads.get(job).runs[-1]
    until("it to be seen", lambda: client.workloads.get(job).runs[-1].observed is Observed.RUNNING)
    addresses = json.loads((machine.home / "cli.json").read_text())
    about = {
        "home": str(machine.home),
        "control": int(addresses["url"].rsplit(":", 1)[1]),
        "gateway": int(addresses["gateway_url"].rsplit(":", 1)[1]),
        "victim": _pid(SECRET),
        "port": int(port.read_text()),
        "folder": str(machine.home / "sites" / "here" / "runs" / victim.id),
        "checkpoints": str(port.parent),
    }
    # Where nothing keeps runs apart, another tenant would not be let in.
    attacker = "attacker/lab" if kind == "sandbox" else "victim/lab"
    return Stage(machine, client, attacker, about, victim, _digests(machine.home, victim))


def _pid(mark: str) -> int:
    """The victim's process, by the mark in its environment; the innermost there is."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MINE") == mark and not process.children():
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    assert found, "the victim has a process"
    return max(found)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    yield from _stage(tmp_path_factory.mktemp("hostile"), "sandbox")


def test_every_attempt_is_refused_and_nobody_is_harmed(stage: Stage) -> None:
    jobs = {name: stage.submit(name, script) for name, script in (ATTEMPTS | ALWAYS_REFUSED).items()}
    said = {}
    for name, job in jobs.items():
        run = stage.ended(job)
        output = b"".join(stage.client.workloads.logs(job)).decode("utf-8", "replace")
        said[name] = (run.exit_code, output)
    assert {name: end for name, end in said.items() if end[0] != REFUSED} == {}
    assert not any(SECRET in output for _, output in said.values())
    stage.unharmed()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    yield from _stage(tmp_path_factory.mktemp("bare"), "none")


def test_the_same_attempts_succeed_where_nothing_keeps_runs_apart(bare: Stage) -> None:
    """Else the test above could not fail."""
    jobs = {name: bare.submit(name, script) for name, script in ATTEMPTS.items()}
    codes = {name: bare.ended(job).exit_code for name, job in jobs.items()}
    assert {name for name, code in codes.items() if code != GOT_IT} == set()


def test_where_nothing_keeps_runs_apart_a_second_tenant_is_not_let_in(bare: Stage) -> None:
    intruder = replace(bare, attacker="attacker/lab")
    job = intruder.submit("intrude", "print('in')")
    until("a reason", lambda: bare.client.workloads.get(job).waiting_for)
    view = bare.client.workloads.get(job)
    assert view.waiting_for.code == "isolation"
    assert view.runs == ()


@pytest.mark.parametrize("name", BOUNDED)
def test_what_takes_without_end_is_ended(stage: Stage, name: str) -> None:
    script, says = BOUNDED[name]
    job = stage.submit(name, script)
    run = stage.ended(job)
    assert run.exit_code not in (0, None)
    assert says in run.detail, run.detail
    stage.unharmed()


def test_a_flood_of_output_is_cut_and_the_run_goes_on(stage: Stage) -> None:
    job = stage.submit("flood", "for _ in range(90): os.write(1, b'x' * 2**20)\nos._exit(7)")
    assert stage.ended(job).exit_code == 7
    assert sum(map(len, stage.client.workloads.logs(job))) <= 2 * 64 * 2**20
    stage.unharmed()


def test_a_run_that_ends_leaves_no_process(stage: Stage) -> None:
    """A daemon of its own session that ignores SIGTERM and holds the output open."""
    script = """
    for number in signal.SIGTERM, signal.SIGHUP, signal.SIGINT: signal.signal(number, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.environ["LEFT"] = "behind"
            os.execvp("sleep", ["sleep", "4242"])
        os._exit(0)
    time.sleep(1)
    os._exit(3)
    """
    run = stage.ended(stage.submit("leave", script))
    assert run.exit_code == 3

    def left() -> list[int]:
        words = ["sleep", "4242"]
        return [each.pid for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == words]

    until("it to be gone", lambda: not left(), timeout_s=45)
    stage.unharmed()


@pytest.mark.parametrize("how", ["symlink", "hard link", "a link in a tree", "device", "pipe"])
def test_an_output_is_no_way_to_others_files(stage: Stage, how: str) -> None:
    key = stage.machine.home / "keys" / "signing.key"
    outputs = "os.path.join(own, 'outputs')"
    script = {
        "symlink": f"os.symlink({str(key)!r}, {outputs} + '/loot')",
        "hard link": f"os.link({str(key)!r}, {outputs} + '/loot')",
        "a link in a tree": f"os.mkdir({outputs} + '/loot'); os.symlink({str(key)!r}, {outputs} + '/loot/k')",
        "device": f"import stat; os.mknod({outputs} + '/loot', stat.S_IFCHR | 0o600, os.makedev(1, 8))",
        "pipe": f"os.mkfifo({outputs} + '/loot')",
    }[how]
    job = stage.submit(f"loot-{how.replace(' ', '-')}", script, outputs=["loot"])
    stage.ended(job)
    view = stage.client.workloads.get(job)
    assert view.workload.outcome is Outcome.FAILED, view.workload.outcome_detail
    secret = key.read_bytes()
    for path in (stage.machine.home / "artifacts").rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes()
    stage.unharmed()


@pytest.mark.parametrize("name", ["a;reboot", "$(id)", "<b>", "../up", "a b", "Å", "a\n", "", "-rf"])
def test_a_name_is_no_way_to_anything(stage: Stage, name: str) -> None:
    body = {"project": "attacker/lab", "name": name, "spec": {"command": ["true"]}}
    with pytest.raises((SdkError, ValueError)):
        stage.client.workloads.submit(JobBody.model_validate(body))


def test_no_shell_reads_a_command(stage: Stage) -> None:
    words = ["$(touch /tmp/hostile-test-shell)", "`id`", ";", "&&", "|", ">", "/tmp/hostile-test-shell"]
    spec = {"command": [sys.executable, "-c", "import sys; print(sys.argv[1:])", *words]}
    body = {"project": "attacker/lab", "name": "words", "spec": {**spec, "time_limit_s": 60}}
    job = stage.client.workloads.submit(JobBody.model_validate(body)).id
    assert stage.ended(job).exit_code == 0
    assert b"".join(stage.client.workloads.logs(job)).decode().strip() == str(words)
    assert not Path("/tmp/hostile-test-shell").exists()


def test_what_a_run_listens_on_is_not_on_the_machine(stage: Stage) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(str(stage.about["port"]))), 2)
