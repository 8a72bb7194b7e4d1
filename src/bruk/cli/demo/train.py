"""Train, and turn the site off and on again in the middle."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from bruk.cli.demo.act import Story, finished, log_tail, must, until
from bruk.cli.demo.cast import MAKER, MODEL
from bruk.cli.demo.scene import DemoFailed, processes_of_runs
from bruk.cli.demo.screen import euros
from bruk.model.artifact import Artifact
from bruk.model.run import Run
from bruk.model.workload import Outcome, Workload
from bruk.sdk import Client
from bruk.seal import SignedDocument, verify_document
from bruk.wire.answers import WorkloadView
from bruk.wire.requests import JobBody, SwitchBody

TRAIN: dict[str, Any] = {"preset": "stdlib", "seconds_max": 3000}
SITE = "essonne"
# The switch is turned when this share of the steps is done.
SWITCH_AT = 0.4
# Limits are for a machine that is busy with other things; on an idle one nothing comes near them.
TRAIN_S = 900.0


def train(story: Story) -> None:
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
    screen.training(lambda report: view.append(finished(story, job.id, report)))
    resumed = view[0].runs[-1].resumed_from_step
    must(bool(resumed), "the job began again from zero instead of resuming")
    curve = _losses(story.maker, view[0])
    screen.say(f"resumed from step {resumed}; loss {curve[0]:.3f} at first, {curve[-1]:.3f} at last")
    must(curve[-1] < curve[0], "the loss did not fall")
    parts = list(operator.ledger.list(project=MAKER))
    ran_ms = sum((run.ended_at_ms or 0) - (run.started_at_ms or 0) for run in view[0].runs)
    billed_ms = sum(entry.quantity for entry in parts if entry.workload == job.id) // 2
    screen.say(
        f"two runs took {ran_ms / 1000:.1f} s; the ledger has {billed_ms / 1000:.1f} s on both devices"
    )
    must(billed_ms <= ran_ms + 1000, "the ledger has more time than the runs took")
    story.summary["train"] = {
        "steps": (view[0].progress or {}).get("step"),
        "loss_first": curve[0],
        "loss_last": curve[-1],
        "resumed_from_step": resumed,
    }
    story.summary["switch"] = receipt


def _collect(story: Story) -> Artifact:
    folder = story.scene.home / "demo-corpus"
    command = [sys.executable, "-m", "bruk.recipes.corpus", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    must(done.returncode == 0, f"the corpus could not be collected: {done.stderr[-500:]}")
    for line in done.stdout.strip().splitlines():
        story.screen.say(line)
    return story.scene.operator.artifacts.put(folder, MAKER, "corpus")


def _until_step(story: Story, job: Workload, report: Callable[[dict[str, Any]], None]) -> Run:
    maker = story.maker

    def far_enough() -> Run | None:
        view = maker.workloads.get(job.id)
        if view.workload.outcome is not Outcome.OPEN or view.workload.failures:
            raise DemoFailed(f"training failed: {view.workload.outcome_detail}\n{log_tail(maker, job.id)}")
        progress = view.progress or {}
        report(progress)
        step, steps = progress.get("step"), progress.get("steps")
        return view.runs[-1] if step and steps and step >= SWITCH_AT * steps else None

    run: Run = until("training half-way", TRAIN_S, far_enough)
    return run


def _losses(maker: Client, view: WorkloadView) -> list[float]:
    found = []
    for run in view.runs:
        text = maker.workloads.progress(view.workload.id, run=run.id)
        for line in text.decode().splitlines():
            loss = json.loads(line).get("loss")
            if isinstance(loss, int | float):
                found.append(float(loss))
    return found


def _switch(story: Story, run: Run) -> dict[str, Any]:
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
    must(report.ok, "the receipt does not verify")
    must(left == 0, f"{left} processes of the run are left")
    operator.switch.on(body)
    screen.say("on again: the job goes on from its checkpoint")
    return {"receipt_verified": report.ok, "processes_left": left}
