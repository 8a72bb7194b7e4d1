"""The key that signs records: which it is, which were before, and its rotation."""

from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import moment_ms, show_time
from bruk.cli.settings import client
from bruk.model.errors import InvalidInput

PANEL = "Records"

signing_key_app = typer.Typer(no_args_is_help=True, help="The key that signs records.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(signing_key_app, name="signing-key", rich_help_panel=PANEL)


@signing_key_app.command("ls")
def signing_key_ls(ctx: typer.Context, json: JsonOption = False) -> None:
    """List the keys that sign records or signed them, the oldest first."""
    with client(ctx) as control:
        found = control.signing_keys.list()
    if json:
        output.show_json(found)
        return
    output.table(
        [">Number", "Key", "Signed from", "Until", "Not believed from", "~Public key"],
        (
            [
                item.number,
                item.key_id,
                show_time(item.from_ms, seconds=True),
                "now" if item.until_ms is None else show_time(item.until_ms, seconds=True),
                show_time(item.revoked_from_ms, seconds=True),
                item.public_key,
            ]
            for item in found
        ),
    )


@signing_key_app.command("rotate")
def signing_key_rotate(
    ctx: typer.Context,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="The old key was stolen: do not believe it from a moment on.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            help="That moment, like 2027-01-31 or 2027-01-31T12:00; now if left out.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Let a new key sign from now on; the old one signs that it hands over, and its private half goes.

    Whoever pinned the old key can follow to the new one, and back. With --revoke, what the old key signed
    since then is not believed any more: give auditors the new key over a way that they trust.
    """
    if since is not None and not revoke:
        raise InvalidInput("--since says from when on a key is revoked: give --revoke too.")
    with client(ctx) as control:
        from_ms = None
        if revoke:
            from_ms = moment_ms(since) if since is not None else control.now_ms()
        before = control.signing_keys.list()[-1]
        found = control.signing_keys.rotate(from_ms)
    if json:
        output.show_json(found)
        return
    output.say(f"Key {found.key_id} signs from now on; {before.key_id} has handed over.")
    if revoke:
        output.say(f"What {before.key_id} signed since {show_time(from_ms, seconds=True)} is not believed.")
    output.say(f"Its public half, for auditors: {found.public_key}")
