"""Gateways: run one, add one at another place, renew its token."""

from pathlib import Path
from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import show_time
from bruk.cli.renewed import keep_token
from bruk.cli.settings import client, settings
from bruk.model.errors import InvalidInput

PANEL = "Run Bruk"
NameArgument = Annotated[str, typer.Argument(help="Name of the gateway.")]

gateway_app = typer.Typer(invoke_without_command=True, help="Run a gateway; add and list gateways.")


def add_to(app: typer.Typer) -> None:
    gateway_app.callback(invoke_without_command=True)(gateway)
    app.add_typer(gateway_app, name="gateway", rich_help_panel=PANEL)


def gateway(
    ctx: typer.Context,
    control: Annotated[
        str | None, typer.Option("--control", help="Address of control; needed to run.", show_default=False)
    ] = None,
    site: Annotated[
        str | None,
        typer.Option("--site", help="Site at which it stands; its home's name if left out."),
    ] = None,
    listen: Annotated[
        str, typer.Option("--listen", help="Address and port to answer at.")
    ] = "127.0.0.1:8611",
    home: Annotated[Path | None, typer.Option("--home", help="The gateway's folder: token, journal.")] = None,
    json: JsonOption = False,
) -> None:
    """Run a gateway: admit, relay and meter calls to models.

    Its folder holds its token and the public keys of control.
    """
    if ctx.invoked_subcommand is not None:
        return
    from bruk.assembly.gateway import run_gateway

    if home is None and site is None:
        raise InvalidInput(
            "Which gateway? Give its folder with --home FOLDER, or --site NAME if that is gateways/NAME in "
            "Bruk's home."
        )
    if control is None:
        raise InvalidInput("Where is control? Give its address with --control http://HOST:PORT.")
    folder = home or settings(ctx).home / "gateways" / str(site)
    run_gateway(folder, control, listen, site or folder.name)
    if json:
        output.show_json({"gateway": folder.name, "ended": True})


@gateway_app.command("add")
def gateway_add(
    ctx: typer.Context,
    name: NameArgument,
    site: Annotated[str, typer.Option("--site", help="Site at which it stands.")],
    json: JsonOption = False,
) -> None:
    """Add a gateway at a site, as for another machine; prints its token, shown only now."""
    from bruk.cli.request import built
    from bruk.wire.requests import GatewayBody

    with client(ctx) as control:
        added, token = control.gateways.add(built(GatewayBody, name=name, site=site))
        address = control.transport.url
    if json:
        output.show_json({"gateway": added, "token": token})
        return
    output.note(
        f"Gateway {added.name} at {added.site}; its token, shown only now, goes into FOLDER/token, and"
    )
    output.note(f"what {address}/api/v1/keys/public answers into FOLDER/control.pub; FOLDER is named {name}.")
    output.note(f"Then, there: bruk gateway --home FOLDER --site {added.site} --control {address}")
    output.say(token)


@gateway_app.command("ls")
def gateway_ls(ctx: typer.Context, json: JsonOption = False) -> None:
    """List the gateways."""
    with client(ctx) as control:
        found = list(control.gateways.list())
    if json:
        output.show_json(found)
        return
    output.table(
        ["Gateway", "Site", "Added", "Last heard", "Lease ends"],
        (
            [
                item.name,
                item.site,
                show_time(item.created_at_ms),
                show_time(item.last_sync_at_ms, seconds=True),
                show_time(item.lease_until_ms, seconds=True),
            ]
            for item in found
        ),
        none="No gateways yet. 'bruk up' runs one with the first site; 'bruk gateway add' adds another.",
    )


@gateway_app.command("token")
def gateway_token(ctx: typer.Context, name: NameArgument, json: JsonOption = False) -> None:
    """Renew a gateway's token; the old one ends at once. A gateway of this machine picks it up by itself."""
    with client(ctx) as control:
        token = control.gateways.renew_token(name)
    keep_token(ctx, "gateways", name, token, json=json)
