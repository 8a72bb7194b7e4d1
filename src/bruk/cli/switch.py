"""The keys of the platform: off and on, from control or by hand at a site."""

import getpass
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bruk.cli import output, receipt
from bruk.cli.exits import FAILED
from bruk.cli.output import JsonOption
from bruk.cli.quantity import duration_s
from bruk.cli.settings import client, settings
from bruk.model.errors import InvalidInput, NotFound
from bruk.model.name import check_name

if TYPE_CHECKING:
    from bruk.sdk import Client

PANEL = "Operate"
POLL_S = 0.3


class Scope(StrEnum):
    """What can be switched from control."""

    PLATFORM = "platform"
    SITE = "site"
    TENANT = "tenant"
    MODEL = "model"


ScopeArgument = Annotated[Scope | None, typer.Argument(help="What to switch.", show_default=False)]
TargetArgument = Annotated[
    str | None, typer.Argument(help="Which site, tenant or model.", show_default=False)
]
LocalOption = Annotated[
    bool, typer.Option("--local", help="At the site itself, by hand, without control; needs --site.")
]
SiteOption = Annotated[str | None, typer.Option("--site", help="With --local: the site on this machine.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the audit log.")]


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(off)
    app.command(rich_help_panel=PANEL)(on)


def off(
    ctx: typer.Context,
    scope: ScopeArgument = None,
    target: TargetArgument = None,
    reason: ReasonOption = "",
    local: LocalOption = False,
    site: SiteOption = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until all have answered; print the receipt.")
    ] = False,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait, like 2m.")] = "2m",
    json: JsonOption = False,
) -> None:
    """Turn the platform, a site, a tenant or a model off. Runs write a checkpoint and stop.

    With --wait, ends with status 1 if someone has not answered in time. 'bruk off --local --site NAME'
    works at the site itself when control is away.
    """
    if local:
        _local(ctx, site, reason, raised=True, json=json)
        return
    from bruk.cli.request import built
    from bruk.wire.requests import SwitchBody

    wait_s = duration_s(timeout)
    with client(ctx) as control:
        hold, number = control.switch.off(built(SwitchBody, **_what(scope, target), reason=reason))
        complete, document = _awaited(control, number, wait_s) if wait else (True, None)
    if json:
        output.show_json(
            {"hold": hold, "receipt": number, "complete": wait and complete, "document": document}
        )
    else:
        output.say(f"{hold.scope.value} {hold.target} is off (hold {hold.id}, generation {hold.generation}).")
        if document is None:
            output.say(f"'bruk receipt show {number}' says who has carried it out.")
        else:
            receipt.show(document)
    if not complete:
        output.note(f"Not everyone has answered within {wait_s} s; the hold stands and they are still asked.")
        raise typer.Exit(FAILED)


def on(
    ctx: typer.Context,
    scope: ScopeArgument = None,
    target: TargetArgument = None,
    reason: ReasonOption = "",
    local: LocalOption = False,
    site: SiteOption = None,
    json: JsonOption = False,
) -> None:
    """Turn it on again: everything resumes from where it stood."""
    if local:
        _local(ctx, site, reason, raised=False, json=json)
        return
    from bruk.cli.request import built
    from bruk.wire.requests import SwitchBody

    what = _what(scope, target)
    with client(ctx) as control:
        hold, number = control.switch.on(built(SwitchBody, **what, reason=reason))
    if json:
        output.show_json({"hold": hold, "receipt": number})
    else:
        output.say(f"{hold.scope.value} {hold.target} is on again (receipt {number}).")


def _what(scope: Scope | None, target: str | None) -> dict[str, str]:
    if scope is None:
        raise InvalidInput("What is to be switched? Say platform, or site, tenant or model with its name.")
    if scope is Scope.PLATFORM:
        if target not in (None, "*"):
            raise InvalidInput(f"The platform is one; leave {target!r} out, or say site, tenant or model.")
        return {"scope": scope.value, "target": "*"}
    if not target:
        raise InvalidInput(f"Which {scope.value}? Name it: 'bruk off {scope.value} NAME'.")
    return {"scope": scope.value, "target": target}


def _local(ctx: typer.Context, site: str | None, reason: str, *, raised: bool, json: bool) -> None:
    """Write the site's own key into its agent's home; the agent there obeys it."""
    if not site:
        raise InvalidInput("--local needs --site NAME, the site that this machine serves.")
    home = settings(ctx).home / "sites" / check_name(site, "site")
    if not home.is_dir():
        raise NotFound(f"This machine serves no site {site!r}: there is no folder {home}. Give --home.")
    from bruk.agent import local_hold
    from bruk.assembly import SystemClock

    change = local_hold.raise_local_hold if raised else local_hold.release_local_hold
    hold = change(home, getpass.getuser(), reason, SystemClock())
    if json:
        output.show_json(hold)
    elif raised:
        output.say(
            f"Site {site} is off by hand. Its agent stops what runs; only 'bruk on --local' releases it."
        )
    else:
        output.say(f"Site {site} is on again by hand.")


def _awaited(control: "Client", number: str, wait_s: int) -> tuple[bool, dict[str, Any]]:
    """The receipt once everyone has answered, else as it stands when the time is over."""
    end = time.monotonic() + wait_s
    while True:
        complete, document = control.switch.receipt(number)
        if complete or time.monotonic() >= end:
            return complete, document
        time.sleep(POLL_S)
