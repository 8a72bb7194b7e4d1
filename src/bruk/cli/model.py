"""Models and their gates, and the endpoints that serve them."""

from decimal import Decimal
from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import show_moment, show_time, size_bytes
from bruk.cli.settings import ProjectOption, client, needed_project
from bruk.model.artifact import Gate, GateRule
from bruk.model.workload import EndpointSpec

PANEL = "Models"
ModelArgument = Annotated[str, typer.Argument(help="Name of the model.")]
EndpointArgument = Annotated[str, typer.Argument(help="Name of the endpoint.")]

model_app = typer.Typer(no_args_is_help=True, help="Models: lineage, evaluations, stage.")
endpoint_app = typer.Typer(no_args_is_help=True, help="Replicas that serve a model under a name.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(model_app, name="model", rich_help_panel=PANEL)
    app.add_typer(endpoint_app, name="endpoint", rich_help_panel=PANEL)


@model_app.command("ls")
def model_ls(ctx: typer.Context, json: JsonOption = False) -> None:
    """List the models."""
    with client(ctx) as control:
        models = list(control.models.list())
    if json:
        output.show_json(models)
        return
    output.table(
        ["Model", "~Project", "Stage", "Artifact", "Evaluations", "Created"],
        (
            [
                item.id,
                item.project,
                item.stage.value,
                item.artifact,
                f"{sum(1 for one in item.evaluations if one.passed)} of {len(item.evaluations)} passed",
                show_time(item.created_at_ms),
            ]
            for item in models
        ),
        none="No models yet. A job with 'model' registers one.",
    )


@model_app.command("show")
def model_show(ctx: typer.Context, model: ModelArgument, json: JsonOption = False) -> None:
    """Show a model: where it comes from and what its evaluations found."""
    with client(ctx) as control:
        found = control.models.get(model)
    if json:
        output.show_json(found)
        return
    output.fields(
        [
            ("Model", found.id),
            ("Project", found.project),
            ("Stage", found.stage.value),
            ("Artifact", found.artifact),
            ("Made by job", found.job),
            ("Made from", found.parents),
            ("Created", show_moment(found.created_at_ms)),
        ]
    )
    for evaluation in found.evaluations:
        verdict = "passed" if evaluation.passed else "did not pass"
        rule = f" the gate {show_gate(evaluation.gate)}" if evaluation.gate else " (no gate was set)"
        output.say(f"\nEvaluation {evaluation.job} at {show_moment(evaluation.at_ms)} {verdict}{rule}:")
        output.table(
            ["Figure", ">Value"],
            ([name, show_figure(value)] for name, value in sorted(evaluation.figures_micro.items())),
        )


@model_app.command("gate")
def model_gate(
    ctx: typer.Context,
    model: Annotated[str | None, typer.Argument(help="The model; the platform's gate if left out.")] = None,
    metric: Annotated[str | None, typer.Option(help="Figure of the evaluation, like bits_per_byte.")] = None,
    baseline: Annotated[str | None, typer.Option(help="Figure it is compared with.")] = None,
    rule: Annotated[GateRule, typer.Option(help="Whether the figure is to be at most or at least that.")] = (
        GateRule.AT_MOST
    ),
    limit: Annotated[
        int | None, typer.Option("--limit-permille", min=0, help="Factor on the baseline; 900: 10 % fewer.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show the platform's gate, or set the rule that a model (or every model) must pass to be served."""
    from bruk.cli.request import built
    from bruk.wire.requests import GateBody

    with client(ctx) as control:
        if model is None and metric is None and baseline is None and limit is None:
            gate = control.models.gate()
        else:
            body = built(GateBody, metric=metric, baseline=baseline, rule=rule, limit_permille=limit)
            if model is None:
                gate = control.models.set_default_gate(body)
            else:
                gate = control.models.set_gate(model, body)
    if json:
        output.show_json(gate)
    else:
        whose = f"Model {model}" if model else "Every model"
        output.say(f"{whose} may be served when {show_gate(gate)}.")


@model_app.command("retire")
def model_retire(ctx: typer.Context, model: ModelArgument, json: JsonOption = False) -> None:
    """Take a model out of use for good."""
    with client(ctx) as control:
        found = control.models.retire(model)
    output.answer(found, f"Model {model} is {found.stage.value}.", json)


@endpoint_app.command("create")
def endpoint_create(
    ctx: typer.Context,
    name: EndpointArgument,
    model: Annotated[str, typer.Option("--model", help="Name of the model to serve.")],
    project: ProjectOption = None,
    replicas: Annotated[int, typer.Option(min=0, help="How many to keep.")] = 1,
    engine: Annotated[str, typer.Option(help="auto, transformers or vllm.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Devices of each replica.")] = 1,
    accelerator: Annotated[list[str] | None, typer.Option(help="Accelerator that will do; repeat.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory of each replica, like 16GiB.")] = None,
    tenant: Annotated[
        list[str] | None, typer.Option(help="Tenant that may call it besides yours; * is all; repeat.")
    ] = None,
    site: Annotated[list[str] | None, typer.Option(help="Site that will do; repeat.")] = None,
    context_tokens: Annotated[int, typer.Option(min=1, help="Longest prompt plus answer [tokens].")] = 1024,
    priority: Annotated[int, typer.Option(min=0, max=100, help="0 (lowest) to 100.")] = 60,
    json: JsonOption = False,
) -> None:
    """Serve a model under a name that clients call. It must have passed its gate."""
    from bruk.cli.request import built
    from bruk.wire.requests import EndpointBody

    body = built(
        EndpointBody,
        project=project,
        name=name,
        model=model,
        serving_engine=engine,
        resources={
            "devices": devices,
            "accelerators": accelerator or [],
            "memory_bytes": 0 if memory is None else size_bytes(memory),
        },
        replicas=replicas,
        tenants=tenant or [],
        sites=site or [],
        context_tokens=context_tokens,
        priority=priority,
    )
    with client(ctx) as control:
        made = control.endpoints.add(body)
    if json:
        output.show_json(made)
    else:
        output.say(
            f"Endpoint {made.name} wants {replicas} replicas of {model}. 'bruk why {made.id}' follows it."
        )


@endpoint_app.command("attach")
def endpoint_attach(
    ctx: typer.Context,
    name: EndpointArgument,
    url: Annotated[str, typer.Option("--url", help="Where the server listens, like http://10.0.0.5:8000.")],
    site: Annotated[str, typer.Option("--site", help="The site where it is, as you declare.")],
    model: Annotated[str, typer.Option("--model", help="Name of its model in prices and bills.")],
    project: ProjectOption = None,
    served_name: Annotated[
        str, typer.Option(help="The server's own name of the model, where it is another.", show_default=False)
    ] = "",
    key_secret: Annotated[
        str, typer.Option(help="Secret of the project that holds the server's key.", show_default=False)
    ] = "",
    tenant: Annotated[
        list[str] | None, typer.Option(help="Tenant that may call it; * is all; repeat.")
    ] = None,
    context_tokens: Annotated[int, typer.Option(min=1, help="Longest prompt plus answer [tokens].")] = 1024,
    json: JsonOption = False,
) -> None:
    """Offer an OpenAI-compatible server that already runs. For the operator.

    BRUK_ATTACH, where control runs, lists the servers that may be attached, as HOST:PORT. Bruk neither
    starts, judges nor stops such a server; keys, laws, limits, budgets, holds and bills are as everywhere.
    """
    from bruk.cli.request import built
    from bruk.wire.requests import AttachBody

    body = built(
        AttachBody,
        project=needed_project(project),
        name=name,
        model=model,
        url=url,
        site=site,
        served_name=served_name,
        key_secret=key_secret,
        tenants=tenant or [],
        context_tokens=context_tokens,
    )
    with client(ctx) as control:
        made = control.endpoints.attach(body)
    output.answer(
        made,
        f"Endpoint {made.name} is the server at {url}, declared to be at {site}. "
        f"Prices: 'bruk price set tokens_in EUR --item {model}', and tokens_out.",
        json,
    )


@endpoint_app.command("ls")
def endpoint_ls(ctx: typer.Context, json: JsonOption = False) -> None:
    """List the endpoints."""
    with client(ctx) as control:
        found = list(control.endpoints.list())
    if json:
        output.show_json(found)
        return
    output.table(
        [
            "Endpoint",
            "~Project",
            "Model",
            "Engine",
            ">Wanted",
            ">Ready",
            "~Waiting for",
            "~Tenants",
            ">Context",
        ],
        (
            [
                item.workload.name,
                item.workload.project,
                item.workload.endpoint.model,
                _engine(item.workload.endpoint),
                "-" if item.workload.endpoint.attached else item.workload.endpoint.replicas,
                "-"
                if item.workload.endpoint.attached
                else sum(1 for run in item.runs if run.ready and not run.ended),
                item.waiting_for.summary if item.waiting_for else None,
                item.workload.endpoint.tenants,
                item.workload.endpoint.context_tokens,
            ]
            for item in found
        ),
        none="No endpoints yet. 'bruk endpoint create NAME --model MODEL' makes one.",
    )


def _engine(spec: EndpointSpec) -> str:
    return f"attached, declared at {spec.sites[0]}" if spec.attached else spec.serving_engine


@endpoint_app.command("scale")
def endpoint_scale(
    ctx: typer.Context,
    name: EndpointArgument,
    replicas: Annotated[int, typer.Argument(min=0, max=1000, help="How many to keep.")],
    json: JsonOption = False,
) -> None:
    """Keep so many replicas."""
    with client(ctx) as control:
        answer = control.endpoints.scale(name, replicas)
    output.answer(answer, f"Endpoint {answer.name} wants {answer.endpoint.replicas} replicas.", json)


@endpoint_app.command("rm")
def endpoint_rm(ctx: typer.Context, name: EndpointArgument, json: JsonOption = False) -> None:
    """Stop serving; requests under way are let finish."""
    with client(ctx) as control:
        removed = control.endpoints.remove(name)
    output.answer(removed, f"Endpoint {name} is removed.", json)


def show_gate(gate: Gate) -> str:
    """A gate as words."""
    rule = "at most" if gate.rule is GateRule.AT_MOST else "at least"
    whole, rest = divmod(gate.limit_permille, 10)
    percent = f"{whole}.{rest}" if rest else f"{whole}"
    return f"{gate.metric} is {rule} {percent} % of {gate.baseline}"


def show_figure(value_micro: int) -> str:
    """A figure for reading: a whole number whole, a ratio with four digits. JSON has all of them."""
    figure = Decimal(value_micro) / 1_000_000
    if figure == int(figure):
        return f"{figure:,.0f}"
    # What is below one thousandth would else be shown as nothing.
    places = 6 if abs(figure) < Decimal("0.001") else max(1, 4 - len(str(int(abs(figure)))))
    return f"{figure:,.{places}f}"
