"""Pages of shapes: the exchanges between processes, the job file, the recipes' configurations."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

import bruk
from bruk.cli.jobfile import BODY_FIELDS, RESOURCE_QUANTITIES, SPEC_QUANTITIES
from bruk.model.workload import JobSpec, Resources, Software
from bruk.wire import agent, gateway
from bruk.wire.requests import JobBody, JobSpecBody, ResourcesBody, SoftwareBody
from generator.api import type_of
from generator.source import attributes, body, constants, dataclass_fields, prose, table

PACKAGE = Path(bruk.__file__).parent
RECIPES = PACKAGE / "recipes"


def wire_page() -> str:
    """What agents, gateways and control say to each other."""
    parts = [
        "# Exchanges between processes\n",
        "Agents and gateways dial control; control never dials them. Each message says everything that holds"
        " now, so that a lost, late or repeated one does no harm; usage alone is a stream with sequence"
        " numbers. Unknown fields are refused.\n",
        "## Agent\n",
        "`POST /api/v1/agent/sync` with `SyncRequest`, answered by `SyncResponse` when something changed or"
        " after the time that the agent is willing to wait. Blobs, logs and progress have routes of their"
        " own; see the [REST API](api.md#agents-and-gateways).\n",
        *_shapes(agent),
        "## Gateway\n",
        "`POST /api/v1/gateway/sync` with `GatewaySync`, answered by `GatewayAnswer`, whose `lease` is a"
        " signed document of kind `gateway_lease` with a `Lease` as its body.\n",
        *_shapes(gateway),
    ]
    return "\n".join(parts)


def _shapes(module: Any) -> list[str]:
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__
    ]
    return [_shape(one) for one in found if one.model_fields]


def _shape(shape: type[BaseModel]) -> str:
    return f"### {shape.__name__}\n\n{body(shape)}\n\n{_fields(shape, attributes(shape))}"


def _fields(shape: type[BaseModel], meanings: dict[str, str]) -> str:
    schema = shape.model_json_schema(ref_template="#/{model}")
    required = schema.get("required", [])
    rows = []
    for name, field in schema["properties"].items():
        default = (
            "required" if name in required else f"`{field['default']!r}`" if "default" in field else "empty"
        )
        rows.append([f"`{name}`", type_of(field), default, meanings.get(name, "")])
    return table(["Field", "Type", "Default", "Meaning"], rows)


def job_page() -> str:
    """The job file."""
    written = {exact: name for name, (exact, _) in {**SPEC_QUANTITIES, **RESOURCE_QUANTITIES}.items()}
    quantities = [[f"`{name}`", f"`{exact}`"] for exact, name in written.items()]
    return "\n".join(
        [
            "# Job file\n",
            "`bruk submit job.toml` reads TOML. The fields are those of a job; all are optional but a name"
            " and either a command or a recipe. Options given beside the file come before what it says. A"
            " field that no job has is refused. The same fields, with the exact quantities, are the body of"
            " `POST /api/v1/jobs`.\n",
            "```toml\n"
            'name = "pretrain"\nproject = "acme/research"\nrecipe = "pretrain"\npurpose = "train"\n'
            'outputs = ["model"]\nmodel = "acme-1"\ntime_limit = "2h"\n\n'
            '[config]\nsteps = 2000\n\n[resources]\ndevices = 2\n\n[inputs]\ncorpus = "corpus"\n```\n',
            "Inputs are artifacts by identifier or by name; the job finds them under `BRUK_DATA_DIR/NAME`.\n",
            "## Quantities as people write them\n",
            table(["Written as text with a unit", "Instead of the exact field"], quantities),
            "## At the top\n",
            _fields_of(JobBody, {}, only=BODY_FIELDS),
            "## The job\n",
            body(JobSpec) + "\n",
            _fields_of(JobSpecBody, attributes(JobSpec)),
            "## [resources]\n",
            body(Resources) + "\n",
            _fields_of(ResourcesBody, attributes(Resources)),
            "## [software]\n",
            body(Software) + "\n",
            _fields_of(SoftwareBody, attributes(Software)),
        ]
    )


def _fields_of(shape: type[BaseModel], meanings: dict[str, str], only: tuple[str, ...] = ()) -> str:
    schema = shape.model_json_schema(ref_template="#/{model}")
    rows = []
    for name, field in schema["properties"].items():
        if only and name not in only:
            continue
        required = name in schema.get("required", [])
        default = "required" if required else f"`{field['default']!r}`" if "default" in field else "empty"
        rows.append([f"`{name}`", type_of(field), default, meanings.get(name, "")])
    return table(["Field", "Type", "Default", "Meaning"], rows)


def recipe_page() -> str:
    """The recipes' configurations."""
    parts = [
        "# Recipes\n",
        'A recipe is a program that comes with Bruk and runs inside a job: `recipe = "pretrain"` in the job'
        " file, with its configuration under `[config]`. It imports nothing of Bruk and is usable alone:"
        " `python -m bruk.recipes.pretrain config.json`. Without the variables of a run it takes"
        " `checkpoints`, `data`, `output` and `progress.jsonl` beside the configuration file.\n",
        "Exit statuses: 0 done, 1 failed, 2 input or configuration that cannot be used, 143 interrupted by"
        " SIGTERM after writing a checkpoint.\n",
    ]
    for title, file, shapes in (
        ("pretrain", "settings.py", ("PretrainConfig", "DecoderConfig")),
        ("evaluate", "evaluate.py", ("EvaluateConfig",)),
        ("serve", "serve.py", ("ServeConfig",)),
    ):
        source = RECIPES / f"{title}.py"
        parts += [f"## {title}\n", _about(source)]
        for shape in shapes:
            if shape == "DecoderConfig":
                parts.append("### decoder, of pretrain\n")
            rows = [
                [f"`{item.name}`", f"`{item.type}`", f"`{item.default}`", prose(item.comment)]
                for item in dataclass_fields(RECIPES / file, shape)
            ]
            parts.append(table(["Field", "Type", "Default", "Meaning"], rows))
    parts.append("`serve` is started by an endpoint; a job cannot name it.\n")
    known = constants(RECIPES / "corpus.py")
    parts += [
        "## The standard library as a corpus\n",
        _about(RECIPES / "corpus.py"),
        f"`python -m bruk.recipes.corpus FOLDER` writes it. Held out: {known['HELDOUT_PERCENT']} % of the"
        " top-level modules and packages, chosen by the SHA-256 of their names.\n",
    ]
    return "\n".join(parts)


def _about(file: Path) -> str:
    import ast

    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    kept = [block for block in text.split("\n\n") if not block.startswith("Look next")]
    return "\n\n".join(prose(" ".join(block.split())) for block in kept) + "\n"
