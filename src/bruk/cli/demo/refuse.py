"""What should fail does, with clear words."""

from typing import Any

from bruk.cli.demo import chat
from bruk.cli.demo.act import Story, must, note, refused, until, watch
from bruk.cli.demo.cast import CALLER, GERMAN, MAKER, MODEL
from bruk.cli.demo.train import TRAIN
from bruk.wire.requests import EndpointBody, JobBody

# A model that has hardly begun to learn, judged on a part of the held-out files, to be quick.
SKETCH = "sketch-lm"
SKETCH_STEPS = 5
SKETCH_EVALUATION: dict[str, Any] = {"heldout_bytes_max": 40_000}


def refuse(story: Story) -> None:
    """What should fail does, with clear words."""
    screen, operator = story.screen, story.scene.operator
    screen.step("Refuse: what should fail does")
    gateway = story.scene.gateway_url
    note(story, "a wrong key", *chat.refusal(gateway, "bk_" + "x" * 43, MODEL))
    note(
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
    note(story, "a job that only Germany may run", str(reason.code), words)
    must(reason.code == "residency", f"the job waits for {reason.code}, not for residency")
    operator.workloads.cancel(job.id)
    _sketch(story)
    _spend_up(story)


def _sketch(story: Story) -> None:
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
        watch(story, job)
    endpoint = EndpointBody(project=MAKER, name=SKETCH, model=SKETCH)
    refused(story, "a model that did not pass its gate", lambda: operator.endpoints.add(endpoint))


def _spend_up(story: Story) -> None:
    """The operator lowers a tenant's budget to what it has spent; its next call and job are refused."""
    operator = story.scene.operator

    spent = operator.projects.budget(CALLER).spent_microeur
    operator.tenants.set_budget("nordlys", max(spent, 1))

    def turned_away() -> tuple[str, str] | None:
        try:
            return chat.refusal(story.scene.gateway_url, story.cast.caller, MODEL)
        except chat.Answered as answered:
            # What the gateway was granted before may be spent until it hears of the lower budget.
            served = story.summary["serve"]
            served["requests"] += 1
            served["tokens_in"] += answered.tokens_in
            served["tokens_out"] += answered.tokens_out
            return None

    code, words = until("the refusal of a spent budget", 20, turned_away)
    note(story, "a tenant over its budget", code, words)
    body = JobBody.model_validate(
        {"project": CALLER, "name": "broke", "spec": {"command": ["true"], "time_limit_s": 600}}
    )
    refused(story, "a job of a tenant over its budget", lambda: operator.workloads.submit(body))
