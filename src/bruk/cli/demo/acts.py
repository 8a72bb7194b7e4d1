"""The acts of the demo, each with what must be true at its end."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bruk.cli.demo import chat
from bruk.cli.demo.cast import CALLER, GERMAN, MAKER, MODEL
from bruk.cli.demo.scene import DemoFailed, processes_of_runs
from bruk.cli.demo.screen import euros
from bruk.model.artifact import Artifact
from bruk.model.run import Run
from bruk.model.workload import Outcome, Workload
from bruk.sdk import Client
from bruk.sdk.answers import WorkloadView
from bruk.sdk.errors import SdkError
from bruk.seal import SignedDocument, verify_document, verify_export
from bruk.wire.requests import EndpointBody, InvoiceBody, JobBody, SwitchBody

if TYPE_CHECKING:
    from bruk.cli.demo.story import Story

POLL_S = 0.3
# The switch is turned when this share of the steps is done.
SWITCH_AT = 0.4
SITE = "essonne"
TRAIN: dict[str, Any] = {"preset": "stdlib", "seconds_max": 3000}
# A model that has hardly begun to learn, judged on a part of the held-out files, to be quick.
SKETCH = "sketch-lm"
SKETCH_STEPS = 5
SKETCH_EVALUATION: dict[str, Any] = {"heldout_bytes_max": 40_000}
# Limits are for a machine that is busy with other things; on an idle one nothing comes near them.
TRAIN_S = 900.0


def until(what: str, limit_s: float, look: Callable[[], Any]) -> Any:
    """Look until something true comes back.

    Raises:
        DemoFailed: it did not within ``limit_s`` [s].
    """
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(POLL_S)
    raise DemoFailed(f"{what} did not happen within {limit_s:.0f} s")


def _must(condition: bool, what: str) -> None:
    if not condition:
        raise DemoFailed(what)


def _log_tail(operator: Client, workload: str) -> str:
    pieces = b"".join(operator.workloads.logs(workload))
    return pieces[-2000:].decode("utf-8", "replace")


def _finished(
    story: "Story", workload: str, report: Callable[[dict[str, Any]], None] | None = None
) -> WorkloadView:
    operator = story.scene.operator
    while True:
        view = operator.workloads.get(workload)
        if report is not None and view.progress:
            report(view.progress)
        if view.workload.outcome is Outcome.SUCCEEDED:
            return view
        if view.workload.outcome is not Outcome.OPEN:
            raise DemoFailed(
                f"{view.workload.name} {view.workload.outcome}: {view.workload.outcome_detail}\n"
                + _log_tail(operator, workload)
            )
        if view.workload.failures:
            raise DemoFailed(
                f"{view.workload.name}: {view.workload.outcome_detail}\n" + _log_tail(operator, workload)
            )
        time.sleep(POLL_S)


def _watch(story: "Story", job: Workload) -> None:
    story.screen.training(lambda report: _finished(story, job.id, report))


def _collect(story: "Story") -> Artifact:
    folder = story.scene.home / "demo-corpus"
    command = [sys.executable, "-m", "bruk.recipes.corpus", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    _must(done.returncode == 0, f"the corpus could not be collected: {done.stderr[-500:]}")
    for line in done.stdout.strip().splitlines():
        story.screen.say(line)
    return story.scene.operator.artifacts.put(folder, MAKER, "corpus")


def train(story: "Story") -> None:
    """Train, and turn the site off and on again in the middle."""
    screen, operator = story.screen, story.scene.operator
    screen.step("Train: Lutèce pre-trains a small language model on this Python's standard library")
    corpus = _collect(story)
    with Client(story.scene.url, story.cast.maker) as maker:
        body = JobBody.model_validate(
            {
                "name": "pretrain",
                "spec": {
                    "purpose": "train",
                    "recipe": "pretrain",
                    "config": TRAIN,
                    "inputs": {"corpus": corpus.id},
                    "resources": {"devices": 2},
                    "model": MODEL,
                    "time_limit_s": 3600,
                },
            }
        )
        cost = maker.workloads.estimate(body)
        screen.say(f"at most {euros(cost.amount_microeur_max)} EUR; its law allows {SITE} alone")
        job = maker.workloads.submit(body)
    first: list[Run] = []
    screen.training(lambda report: first.append(_until_step(story, job, report)))
    receipt = _switch(story, first[0])
    view: list[WorkloadView] = []
    screen.training(lambda report: view.append(_finished(story, job.id, report)))
    resumed = view[0].runs[-1].resumed_from_step
    _must(bool(resumed), "the job began again from zero instead of resuming")
    curve = _losses(operator, view[0])
    screen.say(f"resumed from step {resumed}; loss {curve[0]:.3f} at first, {curve[-1]:.3f} at last")
    _must(curve[-1] < curve[0], "the loss did not fall")
    parts = list(operator.ledger.list(project=MAKER))
    ran_ms = sum((run.ended_at_ms or 0) - (run.started_at_ms or 0) for run in view[0].runs)
    billed_ms = sum(entry.quantity for entry in parts if entry.workload == job.id) // 2
    screen.say(
        f"two runs took {ran_ms / 1000:.1f} s; the ledger has {billed_ms / 1000:.1f} s on both devices"
    )
    _must(billed_ms <= ran_ms + 1000, "the ledger has more time than the runs took")
    story.summary["train"] = {
        "steps": (view[0].progress or {}).get("step"),
        "loss_first": curve[0],
        "loss_last": curve[-1],
        "resumed_from_step": resumed,
    }
    story.summary["switch"] = receipt


def _until_step(story: "Story", job: Workload, report: Callable[[dict[str, Any]], None]) -> Run:
    operator = story.scene.operator

    def far_enough() -> Run | None:
        view = operator.workloads.get(job.id)
        if view.workload.outcome is not Outcome.OPEN or view.workload.failures:
            raise DemoFailed(
                f"training failed: {view.workload.outcome_detail}\n{_log_tail(operator, job.id)}"
            )
        progress = view.progress or {}
        report(progress)
        step, steps = progress.get("step"), progress.get("steps")
        return view.runs[-1] if step and steps and step >= SWITCH_AT * steps else None

    run: Run = until("training half-way", TRAIN_S, far_enough)
    return run


def _losses(operator: Client, view: WorkloadView) -> list[float]:
    found = []
    for run in view.runs:
        text = operator.workloads.progress(view.workload.id, run=run.id)
        for line in text.decode().splitlines():
            loss = json.loads(line).get("loss")
            if isinstance(loss, int | float):
                found.append(float(loss))
    return found


def _switch(story: "Story", run: Run) -> dict[str, Any]:
    screen, operator = story.screen, story.scene.operator
    screen.step(f"Switch: the operator turns {SITE} off while it trains, and on again")
    before = len(processes_of_runs(story.scene.home, run.id))
    body = SwitchBody.model_validate({"scope": "site", "target": SITE, "reason": "demonstration"})
    _, receipt_id = operator.switch.off(body)

    def complete() -> dict[str, Any] | None:
        done, document = operator.switch.receipt(receipt_id)
        return document if done else None

    document: dict[str, Any] = until("the switch receipt", 60, complete)
    left = len(processes_of_runs(story.scene.home, run.id))
    report = verify_document(SignedDocument.from_document(document), story.scene.keyring)
    who = ", ".join(f"{row['kind']} {row['id']}" for row in document["body"]["enforcers"])
    screen.say(f"it wrote a checkpoint and stopped; {before} processes before, {left} left")
    screen.say(f"acknowledged by {who}")
    screen.say(f"receipt {receipt_id}: signature {'verifies' if report.ok else 'DOES NOT VERIFY'}")
    _must(report.ok, "the receipt does not verify")
    _must(left == 0, f"{left} processes of the run are left")
    operator.switch.on(body)
    screen.say("on again: the job goes on from its checkpoint")
    return {"receipt_verified": report.ok, "processes_left": left}


def validate(story: "Story") -> None:
    """A model that was not evaluated is not served; then it is measured, and passes its gate."""
    screen, operator = story.screen, story.scene.operator
    screen.step("Validate: held-out bits per byte beside real baselines")
    story.summary["refusals"] = []
    endpoint = EndpointBody(project=MAKER, name=MODEL, model=MODEL, tenants=["*"], context_tokens=256)
    _refused(story, "serving before its gate", lambda: operator.endpoints.add(endpoint))
    corpus = operator.artifacts.find("corpus", MAKER)
    body = JobBody.model_validate(
        {
            "project": MAKER,
            "name": "evaluate",
            "spec": {
                "recipe": "evaluate",
                "evaluates": MODEL,
                "inputs": {"corpus": corpus.id},
                "resources": {"devices": 2},
                "time_limit_s": 300,
            },
        }
    )
    job = operator.workloads.submit(body)
    _watch(story, job)
    evaluation = operator.models.get(MODEL).evaluations[-1]
    figures = {name: value / 1_000_000 for name, value in evaluation.figures_micro.items()}
    rows = [
        (MODEL, figures["bits_per_byte"]),
        ("xz -9, one stream", figures["xz_stream_bits_per_byte"]),
        ("gzip -9, one stream", figures["gzip_stream_bits_per_byte"]),
        ("xz -9, per file", figures["xz_bits_per_byte"]),
        ("gzip -9, per file", figures["gzip_bits_per_byte"]),
        ("order-2 byte model", figures["order2_bits_per_byte"]),
        ("uniform bytes", figures["uniform_bits_per_byte"]),
    ]
    shown = [[name, f"{value:.3f}"] for name, value in sorted(rows, key=lambda row: row[1])]
    screen.table(["on modules it never saw", "bits per byte"], shown)
    _must(evaluation.passed, "the model did not pass its gate")
    screen.say("gate: at least 10 % fewer bits than gzip -9 per file: passed")
    story.summary["evaluate"] = {
        "bits_per_byte": figures["bits_per_byte"],
        "gzip_bits_per_byte": figures["gzip_bits_per_byte"],
        "xz_bits_per_byte": figures["xz_bits_per_byte"],
        "passed": evaluation.passed,
    }


def serve(story: "Story") -> None:
    """One replica behind the gateway; another tenant calls it with the official client."""
    screen, operator = story.screen, story.scene.operator
    screen.step("Serve: Nordlys calls Lutèce's model with the official openai client")
    operator.endpoints.add(
        EndpointBody(project=MAKER, name=MODEL, model=MODEL, tenants=["*"], context_tokens=256)
    )

    def ready() -> Run | None:
        view = operator.endpoints.get(MODEL)
        if view.workload.failures:
            raise DemoFailed(
                f"the replica failed: {view.workload.outcome_detail}\n{_log_tail(operator, view.workload.id)}"
            )
        return next((run for run in view.runs if run.ready), None)

    replica: Run = until("a ready replica", 90, ready)
    screen.say(f"replica ready at {replica.site}; clients reach it only through {story.scene.gateway_url}/v1")
    until("the gateway's route", 15, lambda: _route_there(story))
    served = chat.talk(story.scene.gateway_url, story.cast.caller, MODEL)
    screen.say(f"models: {', '.join(served.models)}")
    screen.say(f"completed: {served.first_answer!r}")
    screen.say(f"streamed:  {served.streamed!r}")
    _must(served.requests > 0 and served.tokens_out > 0, "nothing was served")
    screen.say(f"{served.requests} requests, {served.tokens_in} tokens in, {served.tokens_out} out")
    story.summary["serve"] = {
        "requests": served.requests,
        "tokens_in": served.tokens_in,
        "tokens_out": served.tokens_out,
    }


def _route_there(story: "Story") -> bool:
    import openai

    client = openai.OpenAI(base_url=f"{story.scene.gateway_url}/v1", api_key=story.cast.caller, max_retries=0)
    try:
        return any(model.id == MODEL for model in client.models.list())
    except openai.APIError:
        return False


def _refused(story: "Story", what: str, attempt: Callable[[], Any]) -> None:
    try:
        attempt()
    except SdkError as error:
        _note(story, what, error.code, error.message)
    else:
        raise DemoFailed(f"{what} should have been refused")


def _note(story: "Story", what: str, code: str, words: str) -> None:
    story.screen.refused(what, words)
    story.summary["refusals"].append({"what": what, "code": code, "message": words})


def refuse(story: "Story") -> None:
    """What should fail does, with clear words."""
    screen, operator = story.screen, story.scene.operator
    screen.step("Refuse: what should fail does")
    gateway = story.scene.gateway_url
    _note(story, "a wrong key", *chat.refusal(gateway, "bk_" + "x" * 43, MODEL))
    _note(
        story,
        "a key of a tenant whose law excludes this place",
        *chat.refusal(gateway, story.cast.german, MODEL),
    )
    body = JobBody.model_validate(
        {"project": GERMAN, "name": "german", "spec": {"command": ["true"], "time_limit_s": 60}}
    )
    job = operator.workloads.submit(body)
    reason = until("a reason", 15, lambda: operator.workloads.get(job.id).waiting_for)
    words = "; ".join(f"{site.site}: {site.detail}" for site in reason.sites) or reason.summary
    _note(story, "a job that only Germany may run", str(reason.code), words)
    _must(reason.code == "residency", f"the job waits for {reason.code}, not for residency")
    operator.workloads.cancel(job.id)
    _sketch(story)
    _spend_up(story)


def _sketch(story: "Story") -> None:
    """A model after a few steps of training is evaluated, fails its gate, and is not served."""
    operator = story.scene.operator
    corpus = operator.artifacts.find("corpus", MAKER)
    common = {"inputs": {"corpus": corpus.id}, "resources": {"devices": 1}, "time_limit_s": 600}
    for name, spec in (
        ("sketch", {"recipe": "pretrain", "config": {**TRAIN, "steps": SKETCH_STEPS}, "model": SKETCH}),
        ("evaluate-sketch", {"recipe": "evaluate", "config": SKETCH_EVALUATION, "evaluates": SKETCH}),
    ):
        body = JobBody.model_validate({"project": MAKER, "name": name, "spec": {**common, **spec}})
        job = operator.workloads.submit(body)
        _watch(story, job)
    endpoint = EndpointBody(project=MAKER, name=SKETCH, model=SKETCH)
    _refused(story, "a model that did not pass its gate", lambda: operator.endpoints.add(endpoint))


def _spend_up(story: "Story") -> None:
    """The operator lowers a tenant's budget to what it has spent; its next call and job are refused."""
    operator = story.scene.operator

    def spent() -> int:
        return operator.projects.budget(CALLER).spent_microeur

    until("the bill of the calls", 15, lambda: spent() > 0)
    operator.tenants.set_budget("nordlys", max(spent(), 1))

    def refused() -> tuple[str, str] | None:
        try:
            return chat.refusal(story.scene.gateway_url, story.cast.caller, MODEL)
        except AssertionError:
            return None  # A slice of budget granted before may be spent to its end.

    code, words = until("the refusal of a spent budget", 20, refused)
    _note(story, "a tenant over its budget", code, words)
    body = JobBody.model_validate(
        {"project": CALLER, "name": "broke", "spec": {"command": ["true"], "time_limit_s": 600}}
    )
    _refused(story, "a job of a tenant over its budget", lambda: operator.workloads.submit(body))


def bill(story: "Story") -> None:
    """Invoices that add up, and records that verify offline."""
    screen, operator = story.screen, story.scene.operator
    screen.step("Bill: the ledger, an invoice for each tenant, the audit log")
    rows, invoices = [], []
    for tenant in ("lutece", "nordlys", "rhein"):
        number = operator.invoices.issue(InvoiceBody(tenant=tenant)).number
        document = operator.invoices.get(number)
        report = verify_document(SignedDocument.from_document(document), story.scene.keyring)
        _must(report.ok, f"invoice {number} does not verify")
        body = document["body"]
        last = body["checkpoint"]["seq"]
        owed = sum(
            entry.amount_microeur
            for entry in operator.ledger.list(tenant=tenant)
            if entry.seq <= last and body["period_from_ms"] <= entry.at_ms < body["period_to_ms"]
        )
        _must(
            owed == body["total_microeur"],
            f"invoice {number} says {body['total_microeur']}, the ledger {owed}",
        )
        invoices.append(_invoice_line(number, tenant, body))
        line = invoices[-1]
        rows.append(
            [
                number,
                tenant,
                f"{line['tokens_in']:,}",
                f"{line['tokens_out']:,}",
                f"{line['device_seconds']:.1f}",
                f"{line['kwh']:.6f}",
                f"{line['gco2e']:.3f}",
                euros(line["microeur"]),
            ]
        )
    headings = ["invoice", "tenant", "tokens in", "out", "device-s", "kWh", "gCO2e", "EUR"]
    screen.table(headings, rows, texts=2)
    qualities = sorted({item["quality"] for item in invoices if item["quality"]})
    screen.say(f"energy is {', '.join(qualities)}; each invoice adds up to the ledger to the micro-euro")
    path = story.scene.home / "audit.jsonl"
    operator.audit.export(path)
    report = verify_export(path, story.scene.keyring)
    _must(report.ok, f"the audit log does not verify: {' '.join(report.sentences())}")
    screen.say(f"audit log: {report.entries} entries, verified offline against the pinned key ({path})")
    story.summary["invoice"] = invoices
    story.summary["audit"] = {"entries": report.entries, "verified": report.ok}


def _invoice_line(number: str, tenant: str, body: dict[str, Any]) -> dict[str, Any]:
    def quantity(resource: str) -> int:
        return sum(int(line["quantity"]) for line in body["lines"] if line["resource"] == resource)

    energy_j = sum(int(item["energy_j"]) for item in body["energy"])
    carbon_mg = sum(int(item["carbon_mg"]) for item in body["energy"])
    return {
        "number": number,
        "tenant": tenant,
        "eur": body["total_microeur"] / 1_000_000,
        "microeur": body["total_microeur"],
        "kwh": energy_j / 3_600_000,
        "gco2e": carbon_mg / 1000,
        "tokens_in": quantity("tokens_in"),
        "tokens_out": quantity("tokens_out"),
        "device_seconds": quantity("device_time") / 1000,
        "quality": "/".join(sorted({str(item["quality"]) for item in body["energy"]})),
    }


def leave(story: "Story") -> None:
    """Stop the endpoint, so that nothing is left behind."""
    operator = story.scene.operator
    operator.endpoints.remove(MODEL)

    def gone() -> bool:
        return not processes_of_runs(story.scene.home)

    until("the end of the replica", 30, gone)
