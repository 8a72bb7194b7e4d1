"""The keys of the platform: off, on, and the receipts that prove it."""

import getpass
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bruk.cli import output, verify
from bruk.cli.exits import FAILED
from bruk.cli.output import JsonOption
from bruk.cli.quantity import duration_s, show_moment
from bruk.cli.settings import client, settings
from bruk.cli.verify import KeyOption, PinOption
from bruk.model.errors import InvalidInput, NotFound

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
ReceiptArgument = Annotated[str, typer.Argument(help="Identifier of the receipt.")]

receipt_app = typer.Typer(no_args_is_help=True, help="Signed proof of what was switched off.")


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(off)
    app.command(rich_help_panel=PANEL)(on)
    app.add_typer(receipt_app, name="receipt", rich_help_panel="Records")


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
        body = built(SwitchBody, **_what(scope, target), reason=reason)
        hold = control.switch.off(body)
        receipt = _awaited(control, hold.id, wait_s) if wait else None
    if json:
        output.show_json({"hold": hold, "receipt": receipt})
    else:
        output.say(f"{hold.scope.value} {hold.target} is off (hold {hold.id}, generation {hold.generation}).")
        if receipt is not None:
            _show_receipt(receipt)
        elif not wait:
            output.say("'bruk receipt ls' lists the receipts as everyone answers.")
    if wait and (receipt is None or not _complete(_body(receipt))):
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
        answer = control.switch.on(built(SwitchBody, **what, reason=reason))
    if json:
        output.show_json(answer)
    else:
        output.say(f"{what['scope']} {what['target']} is on again.")


@receipt_app.command("ls")
def receipt_ls(ctx: typer.Context, json: JsonOption = False) -> None:
    """List the receipts."""
    with client(ctx) as control:
        receipts = list(control.switch.receipts())
    if json:
        output.show_json(receipts)
        return
    output.table(
        ["Receipt", "What", "At", "Complete", "Summary"],
        (
            [
                receipt.get("id") or body.get("id") or body.get("receipt"),
                f"{body.get('scope', '')} {body.get('target', '')}",
                show_moment(body.get("raised_at_ms") or body.get("at_ms")),
                _complete(body),
                body.get("summary"),
            ]
            for receipt in receipts
            for body in [_body(receipt)]
        ),
        none="No receipts yet.",
    )


@receipt_app.command("show")
def receipt_show(
    ctx: typer.Context,
    receipt: ReceiptArgument,
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the signed document to this file, for verification.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show a receipt, or save its signed document."""
    with client(ctx) as control:
        document = control.switch.receipt(receipt)
    if save is not None:
        verify.save_document(document, save)
    if json:
        output.show_json(document)
        return
    _show_receipt(document)
    if save is not None:
        output.say(f"{save} written. 'bruk receipt verify {save} --key KEYFILE' checks it offline.")


@receipt_app.command("verify")
def receipt_verify(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="File that 'bruk receipt show --save' wrote.")],
    key: KeyOption = None,
    pin: PinOption = None,
    json: JsonOption = False,
) -> None:
    """Verify a receipt offline. Exit status 8 if it fails."""
    verify.document(ctx, file, key, pin, json)


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
    home = settings(ctx).home / "sites" / site
    if not home.is_dir():
        raise NotFound(f"This machine serves no site {site!r}: there is no folder {home}. Give --home.")
    from bruk import assembly  # type: ignore[attr-defined,unused-ignore]
    from bruk.agent import local_hold

    clock: Any = assembly.SystemClock()
    change = local_hold.raise_local_hold if raised else local_hold.release_local_hold
    hold = change(home, getpass.getuser(), reason, clock)
    if json:
        output.show_json(hold)
    elif raised:
        output.say(
            f"Site {site} is off by hand. Its agent stops what runs; only 'bruk on --local' releases it."
        )
    else:
        output.say(f"Site {site} is on again by hand.")


def _awaited(control: "Client", hold: str, wait_s: int) -> dict[str, Any] | None:
    """The receipt of a hold once it is complete, else the newest there is when the time is over."""
    end = time.monotonic() + wait_s
    while True:
        newest = next((item for item in control.switch.receipts() if _about(item) == hold), None)
        if newest is not None and _complete(_body(newest)):
            return newest
        if time.monotonic() >= end:
            return newest
        time.sleep(POLL_S)


def _about(receipt: dict[str, Any]) -> object:
    """The hold that a receipt is about."""
    body = _body(receipt)
    hold = body.get("hold")
    return hold.get("id") if isinstance(hold, dict) else hold or body.get("hold_id")


def _body(receipt: dict[str, Any]) -> dict[str, Any]:
    """What a receipt says, whether it came as a sealed document or bare."""
    for name in ("body", "document", "receipt"):
        inner = receipt.get(name)
        if isinstance(inner, dict):
            return {**receipt, **_body(inner)}
    return receipt


def _complete(body: dict[str, Any]) -> bool:
    return bool(body.get("complete") or body.get("nothing_left"))


def _show_receipt(receipt: dict[str, Any]) -> None:
    body = _body(receipt)
    shown: list[tuple[str, object]] = []
    for name, value in body.items():
        if name in {"body", "document", "checkpoint", "signature", "kind"} or isinstance(value, dict | list):
            continue
        label = name.removesuffix("_at_ms").removesuffix("_ms").replace("_", " ").capitalize()
        shown.append(
            (label, show_moment(value) if name.endswith("at_ms") and isinstance(value, int) else value)
        )
    output.fields(shown)
    enforcers = body.get("enforcers") or body.get("acknowledgements") or []
    if isinstance(enforcers, list) and enforcers:
        keys = ("enforcer", "id", "generation", "refused", "drained", "stopped", "processes_left")
        output.table(
            [key.replace("_", " ") for key in keys], ([item.get(key) for key in keys] for item in enforcers)
        )
