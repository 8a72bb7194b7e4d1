"""Operators' requests to look at tenants' content: asked, approved, ended, and what was looked at."""

from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import duration_ms, show_duration, show_moment, show_time
from bruk.cli.settings import client
from bruk.model.inspection import InspectionState, OperatorAccess

PANEL = "Tenants and keys"
RequestArgument = Annotated[str, typer.Argument(help="Identifier; 'bruk access ls' lists them.")]

access_app = typer.Typer(no_args_is_help=True, help="Operators before tenants' logs and data.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(access_app, name="access", rich_help_panel=PANEL)


@access_app.command("request")
def access_request(
    ctx: typer.Context,
    project: Annotated[
        str,
        typer.Option("--project", "-p", envvar="BRUK_PROJECT", help="Whose logs and data, as TENANT/NAME."),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why; the tenant reads it.")],
    life: Annotated[str, typer.Option("--for", help="For how long, at most 24h.")] = "1h",
    json: JsonOption = False,
) -> None:
    """Ask, as an operator, to see a project's logs and data. The tenant sees that, and what you read."""
    from bruk.cli.request import built
    from bruk.wire.access import InspectionBody

    body = built(InspectionBody, project=project, reason=reason, life_ms=duration_ms(life))
    with client(ctx) as control:
        asked = control.access_requests.ask(body)
    found = asked.inspection
    if json:
        output.show_json(asked)
    elif asked.state is InspectionState.GRANTED:
        output.say(f"{found.id}: you may look at {project} until {show_moment(found.expires_at_ms)}.")
    else:
        tenant = project.split("/")[0]
        output.say(
            f"{found.id}: an administrator of {tenant} has to approve ('bruk access approve {found.id}')."
        )


@access_app.command("ls")
def access_ls(ctx: typer.Context, json: JsonOption = False) -> None:
    """List operators' access requests: for a tenant's administrators those about it."""
    with client(ctx) as control:
        found = list(control.access_requests.list())
    if json:
        output.show_json(found)
        return
    output.table(
        ["Id", "Project", "~By", "~Reason", "State", "Asked", "For", "Until", ">Looked at"],
        (
            [
                item.inspection.id,
                item.inspection.project,
                item.by,
                item.inspection.reason,
                item.state.value,
                show_time(item.inspection.asked_at_ms),
                show_duration(item.inspection.life_ms),
                show_time(item.inspection.ended_at_ms or item.inspection.expires_at_ms),
                len(item.inspection.uses),
            ]
            for item in found
        ),
        none="No operator has asked for access.",
    )


@access_app.command("show")
def access_show(ctx: typer.Context, request: RequestArgument, json: JsonOption = False) -> None:
    """Show what was looked at under an access request, and when first."""
    from bruk.model.errors import NotFound

    with client(ctx) as control:
        found = next((item for item in control.access_requests.list() if item.inspection.id == request), None)
    if found is None:
        raise NotFound(f"there is no access request {request!r}", what="access request", id=request)
    if json:
        output.show_json(found)
        return
    output.say(f"{found.by} for {found.inspection.project}: {found.inspection.reason} ({found.state.value})")
    output.table(
        ["Looked at", "First"],
        ([use.what, show_time(use.at_ms)] for use in found.inspection.uses),
        none="Nothing was looked at.",
    )


@access_app.command("approve")
def access_approve(ctx: typer.Context, request: RequestArgument, json: JsonOption = False) -> None:
    """Let the operator look, as an administrator of the tenant; its time begins now."""
    with client(ctx) as control:
        found = control.access_requests.approve(request)
    if json:
        output.show_json(found)
    else:
        until = show_moment(found.inspection.expires_at_ms)
        output.say(f"{found.by} may look at {found.inspection.project} until {until}.")


@access_app.command("end")
def access_end(ctx: typer.Context, request: RequestArgument, json: JsonOption = False) -> None:
    """End an access request before its time, or say no to it."""
    with client(ctx) as control:
        found = control.access_requests.end(request)
    output.answer(found, f"{found.inspection.id} has ended; nothing more is seen under it.", json)


@access_app.command("demand")
def access_demand(
    ctx: typer.Context,
    wanted: Annotated[
        OperatorAccess,
        typer.Argument(help="approved: an administrator says yes first; audited: a request is enough."),
    ],
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Your tenant, if left out.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say, as an administrator of a tenant, what operators need before they look at its content."""
    with client(ctx) as control:
        changed = control.access_requests.demand(tenant or control.me().tenant or "", wanted)
    if json:
        output.show_json(changed)
    elif wanted is OperatorAccess.APPROVED:
        output.say(f"Operators need the approval of an administrator of {changed.name} from now on.")
    else:
        output.say(f"A request with a reason lets operators look at what is {changed.name}'s from now on.")
