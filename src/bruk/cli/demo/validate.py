"""Measure a model beside real baselines, and let its gate decide."""

from bruk.cli.demo.act import Story, must, refused, watch
from bruk.cli.demo.cast import MAKER, MODEL
from bruk.wire.requests import EndpointBody, JobBody


def validate(story: Story) -> None:
    """A model that was not evaluated is not served; then it is measured, and passes its gate."""
    screen, operator = story.screen, story.scene.operator
    screen.step("Validate: held-out bits per byte beside real baselines")
    story.summary["refusals"] = []
    endpoint = EndpointBody(project=MAKER, name=MODEL, model=MODEL, tenants=["*"], context_tokens=256)
    refused(story, "serving before its gate", lambda: operator.endpoints.add(endpoint))
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
    watch(story, job)
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
    must(evaluation.passed, "the model did not pass its gate")
    screen.say("gate: at least 10 % fewer bits than gzip -9 per file: passed")
    story.summary["evaluate"] = {
        "bits_per_byte": figures["bits_per_byte"],
        "gzip_bits_per_byte": figures["gzip_bits_per_byte"],
        "xz_bits_per_byte": figures["xz_bits_per_byte"],
        "passed": evaluation.passed,
    }
