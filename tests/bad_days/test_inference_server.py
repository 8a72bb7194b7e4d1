"""A replica's server is killed under calls: callers hear so, what came is billed, another takes its place."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from bruk.model.ledger import Resource
from bruk.model.run import Observed, Run
from bruk.model.workload import Outcome
from bruk.sdk import Client
from bruk.wire.requests import (
    EndpointBody,
    GateBody,
    JobBody,
    KeyBody,
    PriceBody,
    ProjectBody,
    SiteBody,
    TenantBody,
)

from ..assembly.test_up import Machine, until  # noqa: TID252 (tests are no installed package)

pytestmark = pytest.mark.slow
PROJECT, MODEL = "acme/lab", "tiny"
TINY: dict[str, Any] = {
    "steps": 4,
    "batch": 2,
    "checkpoint_steps": 4,
    "log_steps": 1,
    "threads": 1,
    "decoder": {
        "vocabulary": 300,
        "layers": 1,
        "width": 16,
        "heads": 2,
        "key_value_heads": 1,
        "mlp_width": 32,
        "context": 512,
    },
}
LONG = 300  # tokens: an answer that is under way for a while


class Served:
    """A machine that serves a tiny model, and a tenant who calls it."""

    def __init__(self, folder: Path) -> None:
        self.machine = Machine(folder / "home")
        self.operator = self.machine.up()
        operator = self.operator
        operator.sites.add(SiteBody(name="here", country="FR", grid_zone="FR"))
        operator.tenants.add(TenantBody(name="acme"))
        operator.projects.add(ProjectBody(tenant="acme", name="lab"))
        for resource in ("device_time", "tokens_in", "tokens_out"):
            operator.prices.set(PriceBody(resource=resource, price_microeur=1_000_000))  # type: ignore[arg-type]
        until("the agent", lambda: all(item.connected and item.devices for item in operator.status().sites))
        _, secret = operator.projects.add_key(PROJECT, KeyBody(name="caller"))
        addresses = json.loads((self.machine.home / "cli.json").read_text())
        self.tenant = Client(addresses["url"], secret)
        self.caller = openai.OpenAI(
            base_url=f"{addresses['gateway_url']}/v1", api_key=secret, max_retries=0, timeout=60
        )
        self._make(folder)
        endpoint = EndpointBody(project=PROJECT, name=MODEL, model=MODEL, context_tokens=512)
        self.endpoint = self.tenant.endpoints.add(endpoint).id
        self.ready()

    def _make(self, folder: Path) -> None:
        corpus = folder / "corpus"
        for side, count in (("train", 4), ("heldout", 1)):
            (corpus / side).mkdir(parents=True)
            for number in range(count):
                lines = [f"def {side}_{number}_{i}(x):\n    return x + {i}\n" for i in range(40)]
                (corpus / side / f"module_{number}.py").write_text("\n".join(lines))
        inputs = {"corpus": self.tenant.artifacts.put(corpus, PROJECT, "corpus").id}
        self._run("pretrain", {"recipe": "pretrain", "config": TINY, "inputs": inputs, "model": MODEL})
        # It has learned next to nothing, and need not have.
        self.operator.models.set_gate(MODEL, GateBody(limit_permille=100_000))
        self._run("evaluate", {"recipe": "evaluate", "evaluates": MODEL, "inputs": inputs})

    def _run(self, name: str, spec: dict[str, Any]) -> None:
        body = {"project": PROJECT, "name": name, "spec": {"time_limit_s": 300, "retry_limit": 0, **spec}}
        job = self.tenant.workloads.submit(JobBody.model_validate(body)).id
        view: Any = until(
            f"the end of {name}",
            lambda: (seen := self.tenant.workloads.get(job)).workload.outcome is not Outcome.OPEN and seen,
            timeout_s=180,
        )
        said = b"".join(self.tenant.workloads.logs(job)).decode("utf-8", "replace")[-2000:]
        assert view.workload.outcome is Outcome.SUCCEEDED, (view.workload.outcome_detail, said)

    def runs(self) -> list[Run]:
        return list(self.tenant.workloads.get(self.endpoint).runs)

    def ready(self) -> Run:
        """Wait until a replica is ready and the gateway routes to it."""
        found: Any = until(
            "a ready replica",
            lambda: next((run for run in self.runs() if run.ready and not run.ended), None),
            timeout_s=120,
        )
        until("an answer", self._answers, timeout_s=60)
        return found

    def _answers(self) -> bool:
        try:
            return self.ask(1) is not None
        except openai.APIError:
            return False

    def ask(self, tokens: int) -> Any:
        return self.caller.completions.create(model=MODEL, prompt="def f", max_tokens=tokens)

    def kill_server(self, run: Run) -> int:
        """SIGKILL the process of this replica that serves; returns how many it had."""
        own = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("BRUK_RUN_ID") == run.id:
                    own.append(process)
            except (psutil.Error, OSError):
                continue
        assert own, "the replica has processes"
        for process in own:
            process.send_signal(signal.SIGKILL)
        return len(own)

    def billed(self) -> tuple[int, int]:
        """Tokens in and out that the ledger has."""
        entries = list(self.tenant.ledger.list())
        return (
            sum(entry.quantity for entry in entries if entry.resource is Resource.TOKENS_IN),
            sum(entry.quantity for entry in entries if entry.resource is Resource.TOKENS_OUT),
        )

    def close(self) -> None:
        self.tenant.endpoints.remove(MODEL)
        until("the replica's end", lambda: not self.machine.runs(), timeout_s=60)
        self.machine.down()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(tmp_path_factory.mktemp("served"))
    yield found
    found.close()


def _replaced(served: Served, killed: Run) -> Run:
    # Its agent may not have told yet that the killed one is gone.
    fresh: Any = until("another", lambda: (now := served.ready()).id != killed.id and now, timeout_s=120)
    before = next(run for run in served.runs() if run.id == killed.id)
    assert before.observed is Observed.EXITED
    assert before.exit_code not in (0, None)
    assert served.tenant.workloads.get(served.endpoint).workload.outcome is Outcome.OPEN
    return fresh


def test_killed_between_calls_the_next_ones_are_refused_in_words_until_another_serves(served: Served) -> None:
    killed = served.ready()
    assert served.kill_server(killed) >= 1
    refusals = []
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            served.ask(2)
            break
        except openai.APIStatusError as error:
            refusals.append(error)
            time.sleep(0.3)
    else:
        raise AssertionError("nothing serves again")
    assert {error.status_code for error in refusals} <= {502, 503}
    assert all(error.body and error.body["message"] and error.body["code"] for error in refusals)  # type: ignore[index,call-overload]
    _replaced(served, killed)


def test_killed_in_the_middle_of_an_answer_what_came_is_billed_once(served: Served) -> None:
    killed = served.ready()
    before = None
    end = time.monotonic() + 30
    while before != (before := served.billed()) and time.monotonic() < end:
        time.sleep(1)
    stream = served.caller.completions.create(model=MODEL, prompt="def f", max_tokens=LONG, stream=True)
    pieces, failure = 0, None
    try:
        for event in stream:
            pieces += bool(event.choices and event.choices[0].text)
            if pieces == 3:
                served.kill_server(killed)
    except openai.APIError as error:
        failure = error
    assert failure is not None, f"{pieces} pieces came and nobody said that it broke off"
    assert pieces < LONG
    after: Any = until("the bill", lambda: (now := served.billed()) != before and now, timeout_s=30)
    # Each piece is a token; what the engine had sent and the client did not read yet may be more.
    assert before is not None
    assert pieces <= after[1] - before[1] <= LONG
    assert after[0] - before[0] >= 1
    entries = [
        entry.request for entry in served.tenant.ledger.list() if entry.resource is Resource.TOKENS_OUT
    ]
    assert len(entries) == len(set(entries)), "each request stands there once"
    _replaced(served, killed)
