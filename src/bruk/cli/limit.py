"""Limits on calls of models, of a tenant, a project or a key."""

from typing import TYPE_CHECKING, Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.settings import client
from bruk.model.errors import InvalidInput, NotFound
from bruk.model.tenant import RateLimits

if TYPE_CHECKING:
    from bruk.sdk import Client

PANEL = "Tenants and keys"
WhoseArgument = Annotated[
    str, typer.Argument(help="A tenant, a project as tenant/name, or a key by its identifier.")
]

limit_app = typer.Typer(no_args_is_help=True, help="How often and how much models may be called.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(limit_app, name="limit", rich_help_panel=PANEL)


@limit_app.command("set")
def limit_set(
    ctx: typer.Context,
    whose: WhoseArgument,
    requests: Annotated[
        int | None, typer.Option("--requests", min=0, help="Requests a minute.", show_default=False)
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option("--tokens", min=0, help="Tokens a minute, prompts and answers.", show_default=False),
    ] = None,
    at_once: Annotated[
        int | None, typer.Option("--at-once", min=0, help="Requests that run at once.", show_default=False)
    ] = None,
    none: Annotated[
        bool, typer.Option("--none", help="Lift every limit that is not given beside it.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Limit calls of models; what is left out stays. Gateways hear of it at once.

    A request passes only where its key, its project and its tenant all let it. A tenant's limits are the
    operator's to set, those of projects and keys its administrators'.
    """
    from bruk.cli.request import built
    from bruk.wire.requests import KeyChange, ProjectChange, RateLimitsBody, TenantChange

    given = {"requests_per_minute": requests, "tokens_per_minute": tokens, "concurrent": at_once}
    lifted = [name for name, value in given.items() if value is None and none]
    limits = built(RateLimitsBody, **given, null=lifted)
    if not limits.model_fields_set:
        raise InvalidInput("Nothing to limit was given. Say what, like --requests 60; --help lists all.")
    with client(ctx) as control:
        changed: object
        if whose.startswith("key_"):
            changed = control.projects.change_key(whose, KeyChange(limits=limits))
        elif "/" in whose:
            changed = control.projects.change(whose, ProjectChange(limits=limits))
        else:
            changed = control.tenants.change(whose, TenantChange(limits=limits))
        found = _limits(control, whose)
    output.answer(changed, f"Limits of {whose}: {found}.", json)


@limit_app.command("show")
def limit_show(ctx: typer.Context, whose: WhoseArgument, json: JsonOption = False) -> None:
    """Show the limits on calls of models."""
    with client(ctx) as control:
        found = _limits(control, whose)
    output.answer(found, f"Limits of {whose}: {found}.", json)


def _limits(control: "Client", whose: str) -> RateLimits:
    if whose.startswith("key_"):
        keys = (key for project in control.projects.list() for key in control.projects.keys(project.id))
        for key in keys:
            if key.id == whose:
                return key.limits
        raise NotFound(f"there is no key {whose!r}, or it is not yours: 'bruk key ls' lists yours", id=whose)
    if "/" in whose:
        return control.projects.get(whose).limits
    return control.tenants.get(whose).limits
