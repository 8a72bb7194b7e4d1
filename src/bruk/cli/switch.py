"""The keys of the platform: off and on, from control or by hand at a site."""

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bruk.cli import local_key, output, receipt
from bruk.cli.exits import FAILED
from bruk.cli.output import JsonOption
from bruk.cli.quantity import duration_s
from bruk.cli.settings import client
from bruk.model.errors import InvalidInput

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
        bool | None,
        typer.Option(
            "--wait/--no-wait",
            help="Wait until all have answered, and print the receipt; --local waits unless told not to.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait, like 2m.")] = "2m",
    json: JsonOption = False,
) -> None:
    """Turn the platform, a site, a tenant or a model off. Runs write a checkpoint and stop.

    Where it waits, it ends with status 1 if someone has not answered in time. 'bruk off --local --site
    NAME' works at the site itself when control is away; it waits until nothing is left running there.
    """
    wait_s = duration_s(timeout)
    if local:
        site = _local_site(scope, target, site)
        local_key.turn_off(ctx, site, reason, 0 if wait is False else wait_s, json=json)
        return
    from bruk.cli.request import built
    from bruk.sdk import SdkError
    from bruk.wire.requests import SwitchBody

    with client(ctx) as control:
        try:
            hold, number = control.switch.off(built(SwitchBody, **_what(scope, target), reason=reason))
        except SdkError as error:
            if error.code in ("store_unavailable", "control_unreachable"):
                output.note("A site's own key needs no control: 'bruk off --local --site SITE', at the site.")
            raise
        complete, document = _awaited(control, number, wait_s) if wait else (True, None)
        names = receipt.names_in(control, document) if document and not json else {}
    if json:
        output.show_json(
            {"hold": hold, "receipt": number, "complete": bool(wait) and complete, "document": document}
        )
    else:
        output.say(f"{hold.scope.value} {hold.target} is off (hold {hold.id}, generation {hold.generation}).")
        if document is None:
            output.say(f"'bruk receipt show {number}' says who has carried it out.")
        else:
            receipt.show(document, names)
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
        local_key.turn_on(ctx, _local_site(scope, target, site), reason, json=json)
        return
    from bruk.cli.request import built
    from bruk.wire.requests import SwitchBody

    what = _what(scope, target)
    with client(ctx) as control:
        hold, number = control.switch.on(built(SwitchBody, **what, reason=reason))
    output.answer(
        {"hold": hold, "receipt": number},
        f"{hold.scope.value} {hold.target} is on again (receipt {number}).",
        json,
    )


def _local_site(scope: Scope | None, target: str | None, site: str | None) -> str | None:
    """The site whose own key is meant: '--site NAME', or 'site NAME' as without --local."""
    if scope is None:
        return site
    if scope is Scope.SITE and target and site in (None, target):
        return target
    raise InvalidInput("--local turns the key of one site by hand and nothing else: --local --site NAME.")


def _what(scope: Scope | None, target: str | None) -> dict[str, str]:
    if scope is None:
        raise InvalidInput("What is to be switched? Say platform, or a kind and a name, like 'site essonne'.")
    if scope is Scope.PLATFORM:
        if target not in (None, "*"):
            raise InvalidInput(f"The platform is one; leave {target!r} out, or say site, tenant or model.")
        return {"scope": scope.value, "target": "*"}
    if not target:
        raise InvalidInput(f"Which {scope.value}? Name it: 'bruk off {scope.value} NAME'.")
    return {"scope": scope.value, "target": target}


def _awaited(control: "Client", number: str, wait_s: int) -> tuple[bool, dict[str, Any]]:
    """The receipt once everyone has answered, else as it stands when the time is over."""
    end = time.monotonic() + wait_s
    while True:
        complete, document = control.switch.receipt(number)
        if complete or time.monotonic() >= end:
            return complete, document
        time.sleep(POLL_S)
