"""Everything of Bruk is killed again and again while work runs: ``python tests/endurance/adoption.py``.

In each round five jobs of two tenants run when ``bruk up``, its agents and its gateways are killed with
SIGKILL at a moment drawn from the seed; one is being launched just then and another is just ending. While
nothing of Bruk lives, one job ends, another and its supervisor are killed. Then ``bruk up`` again: what
lives must be adopted, what ended must be settled with its own times, what died must go on from its last
checkpoint, and the ledger must hold each millisecond once. It kills only what it has started.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from bruk.assembly.agent import SLOTS_VARIABLE
from bruk.model.run import Observed, Run
from bruk.model.workload import Outcome
from bruk.sdk import Client
from bruk.seal import Keyring, verify_export
from bruk.wire.access import InspectionBody
from bruk.wire.requests import JobBody, PriceBody, ProjectBody, SiteBody, TenantBody

Found = TypeVar("Found")
PRICE_MICROEUR = 3_600_000  # A device-millisecond costs one micro-euro.
PATIENCE_S = 150
PAUSE = ["sleep", "0.05"]  # Between two looks for ``go``: a new process each time.

# Every job says which run it is once it lives, and goes when the file ``go`` appears in its folder.
SAYS = "echo start $BRUK_RUN_ID; "
GOES = "until [ -e go ]; do sleep 0.05; done; echo end; exit {status}"
DAEMON = "(setsid sh -c 'trap \"\" HUP; exec sleep 4321' >/dev/null 2>&1 &) ; "
RANKS = """
import os, time
import torch, torch.distributed as dist
dist.init_process_group("gloo")
step = 0
while True:
    said = torch.tensor([1.0, float(os.path.exists("go"))])
    dist.all_reduce(said)
    assert said[0] == 2
    step += 1
    if dist.get_rank() == 0:
        if step == 1:
            print("start", os.environ["BRUK_RUN_ID"], flush=True)
        open("steps", "w").write(str(step))
    if said[1] > 0:
        break
    time.sleep(0.05)
if dist.get_rank() == 0:
    print("end", flush=True)
dist.destroy_process_group()
"""
STEPS = """
import json, os, time
kept = os.path.join(os.environ["BRUK_CHECKPOINT_DIR"], "step")
step = int(open(kept).read()) if os.path.exists(kept) else 0
progress = open(os.environ["BRUK_PROGRESS_FILE"], "a")
progress.write(json.dumps({"event": "resume", "step": step, "resumed_from_step": step}) + "\\n")
progress.flush()
print("start", os.environ["BRUK_RUN_ID"], flush=True)
while not os.path.exists("go"):
    step += 1
    with open(kept + ".new", "w") as file:
        file.write(str(step))
    os.replace(kept + ".new", kept)
    time.sleep(0.05)
print("end", flush=True)
"""


def until(what: str, look: Callable[[], Found | None], patience_s: float = PATIENCE_S) -> Found:
    """What ``look`` finds, as soon as it finds something."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {patience_s} s")


def lives(identity: tuple[int, float]) -> bool:
    """Whether that very process lives; never a later one with the same number."""
    try:
        found = psutil.Process(identity[0])
        return found.create_time() == identity[1] and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class Machine:
    """One home with Bruk on it."""

    home: Path
    process: subprocess.Popen[bytes] | None = None
    site: str = "here"
    supervisors: set[tuple[int, float]] = field(default_factory=set)

    def up(self) -> Client:
        kept = self.home / "cli.json"
        before = kept.read_text() if kept.exists() else ""
        command = [sys.executable, "-m", "bruk", "--home", str(self.home), "up"]
        with (self.home.parent / "up.log").open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "--port", "0", "--gateway-port", "0"],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env={**os.environ, SLOTS_VARIABLE: "8"},
                start_new_session=True,
            )
        until("coming up", lambda: kept.exists() and kept.read_text() != before)
        said = json.loads(kept.read_text())
        client = Client(said["url"], said["token"])
        until("an answer", lambda: _answers(client))
        return client

    def kill(self) -> int:
        """SIGKILL everything of Bruk but the supervisors and what runs under them; how many died."""
        assert self.process is not None
        root = psutil.Process(self.process.pid)
        root.suspend()  # So that it starts none of its children again.
        victims = [root]
        for each in root.children():
            words = each.cmdline()
            assert "bruk.engines.local.supervisor" not in words, "supervisors have left the tree"
            victims.append(each)
        for each in victims:
            each.kill()
        self.process.wait()
        psutil.wait_procs(victims[1:], 20)
        self.process = None
        return len(victims)

    def down(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    def folder(self, run: str) -> Path:
        return self.home / "sites" / self.site / "runs" / run

    def record(self, run: str, name: str) -> dict[str, Any] | None:
        for path in self.folder(run).glob(f"engine/*/{name}.json"):
            return dict(json.loads(path.read_text()))
        return None

    def said(self, run: str) -> str:
        return "".join(path.read_text() for path in self.folder(run).glob("engine/*/output.log"))

    def tree(self, run: str) -> set[tuple[int, float]]:
        """The run's supervisor and every process below it that stays, by number and time of birth.

        A shell's child is the shell's image until it executes ``sleep``: only what is there at several
        looks is one of the run's own.
        """
        record = self.record(run, "record")
        assert record is not None, f"{run} has a supervisor"
        root = psutil.Process(record["pid"])
        self.supervisors.add((root.pid, root.create_time()))
        found = self._below(root)
        for _ in range(2):
            time.sleep(0.1)  # Longer than the pause between two looks for ``go``.
            found &= self._below(root)
        return found

    @staticmethod
    def _below(root: psutil.Process) -> set[tuple[int, float]]:
        found = set()
        for each in [root, *root.children(recursive=True)]:
            try:
                if each.cmdline() != PAUSE and each.status() != psutil.STATUS_ZOMBIE:
                    found.add((each.pid, each.create_time()))
            except psutil.NoSuchProcess:
                continue
        return found

    def go(self, run: str) -> None:
        (self.folder(run) / "work" / "go").touch()

    def strays(self) -> list[psutil.Process]:
        """Processes that name this home, whoever is their parent."""
        found = []
        for each in psutil.process_iter(["cmdline"]):
            if each.pid != os.getpid() and any(str(self.home) in word for word in each.info["cmdline"] or []):
                found.append(each)
        return found


def _answers(client: Client) -> bool:
    try:
        return bool(client.status().version)
    except Exception:
        return False


class Rounds:
    """The rounds, over one home."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.machine = Machine(folder / "home")
        self.chance = random.Random(seed)
        self.jobs: list[str] = []
        try:
            self.client = self.machine.up()
            self._populate()
        except BaseException:
            self.abandon()
            raise

    def _populate(self) -> None:
        client = self.client
        client.sites.add(SiteBody(name="here", country="FR", grid_zone="FR"))
        for tenant in ("acme", "lumen"):
            client.tenants.add(TenantBody(name=tenant))
            client.projects.add(ProjectBody(tenant=tenant, name="lab"))
            asked = InspectionBody(project=f"{tenant}/lab", reason="a test", life_ms=86_400_000)
            client.access_requests.ask(asked)
        client.prices.set(PriceBody(resource="device_time", price_microeur=PRICE_MICROEUR))
        until("the agent", self._connected)

    def _connected(self) -> bool:
        return all(item.connected and item.devices for item in self.client.status().sites)

    def submit(self, name: str, command: list[str], tenant: str = "acme", **spec: Any) -> str:
        content = {"command": command, "time_limit_s": 3600, "grace_s": 2, "retry_limit": 2, **spec}
        body = JobBody.model_validate({"project": f"{tenant}/lab", "name": name, "spec": content})
        self.jobs.append(self.client.workloads.submit(body).id)
        return self.jobs[-1]

    def newest(self, job: str) -> Run | None:
        runs = self.client.workloads.get(job).runs
        return runs[-1] if runs else None

    def running(self, job: str) -> Run:
        def look() -> Run | None:
            run = self.newest(job)
            said = run is not None and f"start {run.id}" in self.machine.said(run.id)
            return run if said and run is not None and run.observed is Observed.RUNNING else None

        return until(f"{job} running", look)

    def ended(self, job: str) -> Run:
        until(
            f"the end of {job}", lambda: self.client.workloads.get(job).workload.outcome is not Outcome.OPEN
        )
        run = self.newest(job)
        assert run is not None
        return run

    def round(self, number: int) -> str:
        """One round; what it did, in a line."""
        machine, chance = self.machine, self.chance
        status = 40 + number
        stays = self.submit("stays", ["sh", "-c", SAYS + GOES.format(status=0)])
        leaves = self.submit(
            "leaves", ["sh", "-c", SAYS + GOES.format(status=status)], "lumen", retry_limit=0
        )
        forks = self.submit("forks", ["sh", "-c", SAYS + DAEMON + GOES.format(status=0)], "lumen")
        ranks = self.submit("ranks", ["sh", "-c", f"cat > r.py <<'E'\n{RANKS}E\nexec {_torchrun()}"])
        dies = self.submit("dies", [sys.executable, "-c", STEPS])
        edge = self.submit("edge", ["sh", "-c", SAYS + GOES.format(status=0)])
        runs = {job: self.running(job) for job in (stays, leaves, forks, ranks, dies, edge)}
        until("a few steps", lambda: self._step(dies) > 3)
        before = {job: machine.tree(runs[job].id) for job in (stays, forks, ranks)}
        assert len(before[forks]) > len(before[stays]), "the daemon counts as the run's"
        doomed = machine.tree(runs[dies].id)

        late = self.submit("late", ["sh", "-c", SAYS + "sleep 0.5; echo end"], "lumen")
        time.sleep(chance.uniform(0, 2.5))
        machine.go(runs[edge].id)
        time.sleep(chance.uniform(0, 0.6))
        victims = machine.kill()
        killed_ms = time.time_ns() // 1_000_000
        time.sleep(chance.uniform(0, 1.5))
        machine.go(runs[leaves].id)
        self._kill_run(runs[dies].id, doomed)
        kept_step = self._step(dies)
        wrote = until("its end record", lambda: machine.record(runs[leaves].id, "end"))
        until("the edge's end record", lambda: machine.record(runs[edge].id, "end"))
        up_ms = time.time_ns() // 1_000_000

        self.client = machine.up()
        left = self.ended(leaves)
        assert (left.exit_code, left.observed) == (status, Observed.EXITED), left
        assert killed_ms <= wrote["ended_at_ms"] == left.ended_at_ms <= up_ms, (wrote, left)
        again = until("a second attempt", lambda: self._second(dies))
        assert again.resumed_from_step == kept_step, f"{again.resumed_from_step} is not {kept_step}"
        for job, identities in before.items():
            found = self.running(job)
            assert found.id == runs[job].id, f"{job} was started again"
            gone = identities - machine.tree(found.id)
            assert not gone, f"of {job} ({found.id}) these were not adopted: {gone}"
        assert self.ended(edge).exit_code == 0
        self.ended(late)
        steps = int((machine.folder(runs[ranks].id) / "work" / "steps").read_text())
        for job in (stays, forks, ranks):
            machine.go(runs[job].id)
        machine.go(again.id)
        for job in (stays, forks, ranks, dies, late, edge):
            self.ended(job)
            outcome = self.client.workloads.get(job).workload
            assert outcome.outcome is Outcome.SUCCEEDED, (outcome.name, outcome.outcome_detail)
        alive = [each for group in (*before.values(), doomed) for each in group if lives(each)]
        assert alive == [], "the daemon and all others ended with their runs"
        self.check([stays, leaves, forks, ranks, dies, edge, late])
        return (
            f"round {number}: {victims} processes killed, {(up_ms - killed_ms) / 1000:.1f} s without Bruk; "
            f"adopted {len(before)} runs with {sum(map(len, before.values()))} processes, "
            f"ranks at step {steps}, exit {status} settled, resumed at step {kept_step}"
        )

    def _step(self, job: str) -> int:
        kept = self.machine.home / "sites" / "here" / "work" / job / "checkpoints" / "step"
        try:
            return int(kept.read_text())
        except (OSError, ValueError):
            return 0

    def _second(self, job: str) -> Run | None:
        run = self.newest(job)
        return run if run is not None and run.attempt == 2 and run.resumed_from_step is not None else None

    def _kill_run(self, run: str, tree: set[tuple[int, float]]) -> None:
        """Kill a run with its supervisor, as the kernel does when memory is short."""
        for each in tree:
            if lives(each):
                os.kill(each[0], signal.SIGKILL)
        until(f"the death of {run}", lambda: not any(lives(each) for each in tree))

    def check(self, jobs: list[str]) -> None:
        """Each run started once, and its time stands in the ledger once, whole."""
        entries = list(self.client.ledger.list())
        for job in jobs:
            view = self.client.workloads.get(job)
            begun = 0
            for run in view.runs:
                log = b"".join(self.client.workloads.logs(job, run=run.id)).decode()
                assert log.count("start ") == log.count(f"start {run.id}") <= 1, log
                begun += log.count("start ")
                if run.started_at_ms is None:
                    continue
                spans = [each for each in entries if each.run == run.id]
                said = (view.workload.name, run, [(each.from_ms, each.to_ms) for each in spans])
                assert spans, said
                assert [each.from_ms for each in spans[1:]] == [each.to_ms for each in spans[:-1]], said
                assert (spans[0].from_ms, spans[-1].to_ms) == (run.started_at_ms, run.ended_at_ms), said
                total_ms = (run.ended_at_ms or 0) - run.started_at_ms
                assert sum(each.quantity for each in spans) == total_ms * run.devices_total, said
                assert sum(each.amount_microeur for each in spans) == total_ms * run.devices_total, said
            wanted = 2 if view.workload.name == "dies" else 1
            assert begun == wanted, f"{view.workload.name} began {begun} times"

    def finish(self) -> str:
        """The chains verify and nothing is left running."""
        ring = Keyring.from_document(json.loads((self.machine.home / "keys" / "public.json").read_text()))
        folder = self.machine.home.parent
        for name, chain in (("audit", self.client.audit), ("ledger", self.client.ledger)):
            path = folder / f"{name}.export"
            path.unlink(missing_ok=True)
            chain.export(path)
            report = verify_export(path, ring)
            assert report.ok, (name, report)
        entries = list(self.client.ledger.list())
        audit = list(self.client.audit.list())
        self.machine.down()
        until("the end of the supervisors", lambda: not self.machine.strays(), 30)
        assert "Traceback" not in (folder / "up.log").read_text(), "control met a defect"
        return (
            f"{len(self.jobs)} jobs, {len(entries)} ledger and {len(audit)} audit entries verify, no strays"
        )

    def abandon(self) -> None:
        """After a failure: end what this has started, and nothing else."""
        process = self.machine.process
        if process is not None and process.poll() is None:
            self.machine.kill()
        for each in self.machine.strays():
            each.terminate()


def _torchrun() -> str:
    return f"{sys.executable} -m torch.distributed.run --nproc-per-node=2 --master-port=$MASTER_PORT r.py"


def play(folder: Path, rounds: int, seed: int) -> list[str]:
    """All rounds; what was done, line by line."""
    made = Rounds(folder, seed)
    lines = []
    try:
        for number in range(1, rounds + 1):
            lines.append(made.round(number))
            print(lines[-1], flush=True)
        lines.append(made.finish())
        print(lines[-1], flush=True)
    except BaseException:
        made.abandon()
        raise
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which Bruk is killed")
    parser.add_argument("--keep", type=Path, help="an empty folder to keep everything in")
    chosen = parser.parse_args()
    if chosen.keep is not None:
        chosen.keep.mkdir(parents=True, exist_ok=True)
        play(chosen.keep.resolve(), chosen.rounds, chosen.seed)
        return
    with tempfile.TemporaryDirectory(prefix="bruk-adoption-") as folder:
        play(Path(folder), chosen.rounds, chosen.seed)


if __name__ == "__main__":
    main()
