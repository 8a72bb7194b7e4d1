"""Submit a job, after saying what it would cost."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bruk.cli import jobfile, output
from bruk.cli.estimate import show_estimate
from bruk.cli.exits import FAILED
from bruk.cli.output import JsonOption
from bruk.cli.quantity import duration_s, moment_ms, size_bytes
from bruk.cli.settings import client
from bruk.model.errors import InvalidInput
from bruk.model.jsontext import parse_json

if TYPE_CHECKING:
    from bruk.sdk import Client
    from bruk.wire.answers import Estimate
    from bruk.wire.requests import JobBody

PANEL = "Work"

HELP = """Submit a job: a file that describes it, or a command after --.

\b
  bruk submit job.toml
  bruk submit --name x --devices 2 --input corpus=art_1 -- python train.py

Options given beside a file come before what it says. What the job costs at most is shown first, and on \
a terminal asked about; --yes does not ask, --estimate submits nothing.

A job file; all of it is optional but a command or a recipe:

\b
  name = "pretrain"           # 1 to 63 of a-z 0-9 - .
  project = "acme/models"     # or --project, or BRUK_PROJECT
  priority = 50               # 0 to 100
  command = \\["python", "train.py"]
  recipe = "pretrain"         # or finetune, evaluate; instead of a command
  purpose = "train"           # or fine_tune, evaluate, batch, other
  outputs = \\["model"]         # kept from BRUK_OUTPUT_DIR on success
  network = \\["pypi.org:443"]  # reached beyond its own loopback
  secrets = \\["HF_TOKEN"]      # of the project, found in the environment
  model = "acme-1"            # register the output 'model' so named
  evaluates = "acme-1"        # the model that an evaluation is about
  sites = \\["essonne"]         # any that your law allows if left out
  time_limit = "2h"           # or time_limit_s = 7200
  grace = "30s"               # to write a checkpoint; or grace_s
  disk = "20GiB"              # or disk_bytes
  deadline = 2026-12-01T06:00:00+01:00  # may wait for greener hours
  retry_limit = 1             # attempts beyond the first
  preemptible = true          # may be stopped for higher priority
  \\[config]                    # of the recipe
  steps = 2000
  \\[env]
  WANDB_MODE = "offline"
  \\[resources]
  nodes = 1
  devices = 2
  accelerators = \\["h100-sxm"]
  cpu_milli = 4000
  memory = "16GiB"            # or memory_bytes
  \\[inputs]
  corpus = "art_1"            # identifier or name of an artifact
  \\[software]
  kind = "venv"               # or site, container, apptainer
  reference = "/srv/venvs/train"
"""


WordsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[JOB.TOML | -- COMMAND...]", help="A job file, or a command."),
]
NameOption = Annotated[str | None, typer.Option(help="Name of the job; that of what it runs if left out.")]
ProjectOption = Annotated[
    str | None,
    typer.Option("--project", "-p", help="The project, written tenant/name, or BRUK_PROJECT."),
]
PriorityOption = Annotated[int | None, typer.Option(min=0, max=100, help="0 (lowest) to 100.")]
PurposeOption = Annotated[str | None, typer.Option(help="train, fine_tune, evaluate, batch or other.")]
RecipeOption = Annotated[str | None, typer.Option(help="A bundled recipe instead of a command.")]
ConfigOption = Annotated[Path | None, typer.Option(help="JSON file with the recipe's configuration.")]
NodesOption = Annotated[int | None, typer.Option(min=1, help="Nodes, all started together.")]
DevicesOption = Annotated[int | None, typer.Option(min=1, help="Devices on each node.")]
AcceleratorOption = Annotated[list[str] | None, typer.Option(help="Accelerator that will do; repeat.")]
MemoryOption = Annotated[str | None, typer.Option(help="Memory on each node, like 16GiB.")]
InputOption = Annotated[list[str] | None, typer.Option(help="NAME=ARTIFACT, by id or name; repeat.")]
OutputOption = Annotated[list[str] | None, typer.Option("--output", help="Output to keep; repeat.")]
NetworkOption = Annotated[
    list[str] | None, typer.Option("--network", help="HOST:PORT that it may reach; repeat.")
]
EnvOption = Annotated[list[str] | None, typer.Option(help="NAME=VALUE; repeat.")]
SecretOption = Annotated[
    list[str] | None, typer.Option(help="Secret of the project that it finds in its environment; repeat.")
]
ModelOption = Annotated[str | None, typer.Option(help="Register the output 'model' under this name.")]
EvaluatesOption = Annotated[str | None, typer.Option(help="The model that an evaluation is about.")]
SiteOption = Annotated[list[str] | None, typer.Option(help="Site that will do; repeat.")]
TimeLimitOption = Annotated[str | None, typer.Option(help="Longest run, like 2h.")]
GraceOption = Annotated[str | None, typer.Option(help="Time to write a checkpoint, like 30s.")]
DiskOption = Annotated[str | None, typer.Option(help="Most that may be written, like 20GiB.")]
DeadlineOption = Annotated[
    str | None,
    typer.Option(
        help="When it must have ended, like 2026-12-01T06:00: until then it may wait for greener hours."
    ),
]
RetriesOption = Annotated[int | None, typer.Option(min=0, max=100, help="Attempts after a failure.")]
EstimateOption = Annotated[bool, typer.Option("--estimate", help="Only say what it would cost.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
IdempotencyKeyOption = Annotated[
    str | None, typer.Option(help="Submitting again with the same key submits nothing new.")
]


def add_to(app: typer.Typer) -> None:
    app.command(
        "submit",
        help=HELP,
        short_help="Submit a job: a file that describes it, or a command after --.",
        rich_help_panel=PANEL,
    )(submit)


def submit(
    ctx: typer.Context,
    words: WordsArgument = None,
    name: NameOption = None,
    project: ProjectOption = None,
    priority: PriorityOption = None,
    purpose: PurposeOption = None,
    recipe: RecipeOption = None,
    config: ConfigOption = None,
    nodes: NodesOption = None,
    devices: DevicesOption = None,
    accelerator: AcceleratorOption = None,
    memory: MemoryOption = None,
    input: InputOption = None,
    keep: OutputOption = None,
    env: EnvOption = None,
    secret: SecretOption = None,
    network: NetworkOption = None,
    model: ModelOption = None,
    evaluates: EvaluatesOption = None,
    site: SiteOption = None,
    time_limit: TimeLimitOption = None,
    grace: GraceOption = None,
    disk: DiskOption = None,
    deadline: DeadlineOption = None,
    retries: RetriesOption = None,
    estimate: EstimateOption = False,
    yes: YesOption = False,
    idempotency_key: IdempotencyKeyOption = None,
    json: JsonOption = False,
) -> None:
    request = _request(words or [])
    jobfile.overlay(
        request,
        {
            "name": name,
            # The environment only fills in what neither the options nor the file say.
            "project": project or request.get("project") or os.environ.get("BRUK_PROJECT") or None,
            "priority": priority,
            "spec": {
                "purpose": purpose,
                "recipe": recipe,
                "config": None if config is None else _json_table(config),
                "outputs": keep or None,
                "network": network or None,
                "secrets": secret or None,
                "model": model,
                "evaluates": evaluates,
                "sites": site or None,
                "time_limit_s": None if time_limit is None else duration_s(time_limit),
                "grace_s": None if grace is None else duration_s(grace),
                "disk_bytes": None if disk is None else size_bytes(disk),
                "deadline_at_ms": None if deadline is None else moment_ms(deadline),
                "retry_limit": retries,
                "env": jobfile.pairs(env or [], "--env"),
                "inputs": jobfile.pairs(input or [], "--input"),
                "resources": {
                    "nodes": nodes,
                    "devices": devices,
                    "accelerators": accelerator or None,
                    "memory_bytes": None if memory is None else size_bytes(memory),
                },
            },
        },
    )
    body = jobfile.job_body(request)
    with client(ctx) as control:
        body = _with_inputs_found(control, body)
        costs = control.workloads.estimate(body)
        if estimate or not json:
            _show(costs, json)
        if estimate:
            return
        if not yes and not json:
            _agree()
        workload = control.workloads.submit(body, idempotency_key=idempotency_key)
    if json:
        output.show_json({"workload": workload, "estimate": costs})
        return
    output.say(f"Submitted {workload.id} ({workload.name}) for {workload.project}.")
    output.say(
        f"'bruk why {workload.id}' says where it waits or runs; 'bruk logs -f {workload.id}' follows it."
    )


def _request(words: list[str]) -> dict[str, Any]:
    """The request that a job file means, or one of a command, or an empty one for a recipe."""
    if len(words) == 1 and words[0].endswith(".toml"):
        return jobfile.read(Path(words[0]))
    return {"spec": {"command": words} if words else {}}


def _with_inputs_found(control: "Client", body: "JobBody") -> "JobBody":
    """The request with names of artifacts replaced by their identifiers."""
    if not body.spec.inputs:
        return body
    found = {
        name: control.artifacts.find(reference, body.project).id
        for name, reference in body.spec.inputs.items()
    }
    return body.model_copy(update={"spec": body.spec.model_copy(update={"inputs": found})})


def _show(costs: "Estimate", json: bool) -> None:
    if json:
        output.show_json(costs)
    else:
        show_estimate(costs)


def _agree() -> None:
    """Ask on a terminal; elsewhere, whoever wrote the script has agreed."""
    if on_terminal() and not typer.confirm("Submit it?", default=True):
        output.note("Nothing was submitted.")
        raise typer.Exit(FAILED)


def on_terminal() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _json_table(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidInput(f'{path} holds no JSON object; write the recipe\'s settings like {{"steps": 100}}')
    return found
