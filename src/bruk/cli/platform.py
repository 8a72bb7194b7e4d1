"""Bring Bruk up on a machine, log in, and see how it stands."""

import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.settings import client, settings
from bruk.model.errors import InvalidInput

PANEL = "Run Bruk"
ControlOption = Annotated[str, typer.Option("--control", help="Address of control.")]
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Bruk's home, as the global option before the command.", show_default=False),
]


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(up)
    app.command(rich_help_panel=PANEL)(demo)
    app.command(rich_help_panel=PANEL)(agent)
    app.command(rich_help_panel=PANEL)(status)
    app.command(rich_help_panel=PANEL)(login)
    app.command(rich_help_panel=PANEL)(version)


def up(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of control and the console.")] = 8610,
    gateway_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the gateway.")] = 8611,
    once: Annotated[bool, typer.Option("--once", help="Start, check that all answers, stop.")] = False,
    database: Annotated[
        str,
        typer.Option(
            envvar="BRUK_DATABASE_URL",
            help="Address of a PostgreSQL server's database, or @FILE that holds it; the home remembers it.",
            show_default=False,
        ),
    ] = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Run control, a gateway and the agents of this machine's sites in one process tree.

    Stays until it is told to stop (Ctrl-C). Running jobs go on while Bruk is down and are found again at
    the next start.
    """
    from bruk.assembly.up import up as bring_up

    # What it says of itself goes beside the answer when the answer is for a program.
    with redirect_stdout(sys.stderr if json else sys.stdout):
        answer = bring_up(_home(ctx, home), port, gateway_port, once=once, database=database)
    if json:
        output.show_json(answer)


def demo(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="End when all steps are done.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show the whole life of a model on this machine: train, switch, validate, serve, refuse, bill.

    It starts from nothing in a new temporary folder, or in --home if that is empty.
    """
    from bruk.cli import demo as story

    source = ctx.find_root().get_parameter_source("home")
    asked = home is not None or (source is not None and source.name != "DEFAULT")
    story.demo(_home(ctx, home) if asked else None, once=once, json=json)


def agent(
    ctx: typer.Context,
    site: Annotated[str, typer.Option("--site", help="Name of the site that this agent serves.")],
    control: ControlOption,
    home: Annotated[
        Path | None, typer.Option("--home", help="The agent's folder: token, journal, runs.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run a site's agent: dial control, make the site follow, obey the switch."""
    from bruk.assembly.agent import run_agent

    run_agent(site, home or settings(ctx).home / "sites" / site, control)
    if json:
        output.show_json({"site": site, "ended": True})


def status(ctx: typer.Context, json: JsonOption = False) -> None:
    """How the platform stands: sites, switch, counts."""
    with client(ctx) as control:
        found = control.status()
        address = control.transport.url
    if json:
        output.show_json(found)
        return
    off = [f"{hold.scope.value} {hold.target}" for hold in found.switch.holds]
    output.fields(
        [
            ("Control", f"{address} (version {found.version})"),
            ("Gateway", found.gateway_url),
            ("Switched off", off or "nothing"),
            *[(name.replace("_", " ").capitalize(), count) for name, count in found.counts.items()],
        ]
    )
    output.say("")
    output.table(
        ["Site", "Country", "Engine", "Connected", "Local key", ">Devices used", ">Runs", "Isolation"],
        (
            [
                item.site.name,
                item.site.country,
                item.site.engine.value,
                item.connected,
                "off" if item.local_hold else "on",
                f"{item.devices_used} of {item.devices}",
                item.runs,
                item.site.isolation.value,
            ]
            for item in found.sites
        ),
        none="No sites yet. 'bruk site add' adds one.",
    )
    apart = {f"The agent of {item.site.name}": item.clock_ahead_ms for item in found.sites}
    apart |= {f"The gateway {item['name']}": item.get("clock_ahead_ms", 0) for item in found.gateways}
    for who, ahead_ms in apart.items():
        if ahead_ms:
            output.note(f"Attention: {clock_difference(who, ahead_ms)}")


def clock_difference(who: str, ahead_ms: int) -> str:
    """What it means that a clock is not control's."""
    where = "ahead of" if ahead_ms > 0 else "behind"
    return (
        f"{who} has a clock {abs(ahead_ms) / 1000:,.0f} s {where} control's. Its use is booked in control's "
        "time; set the clock there, and start it again."
    )


def login(
    ctx: typer.Context,
    link: Annotated[str, typer.Argument(help="The one-time login link, or the token in it.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Trade a one-time login link for a token, and keep that in HOME/cli.json."""
    from bruk.sdk import Client

    chosen = replace(settings(ctx), home=_home(ctx, home))
    url, token = _link_parts(link, chosen.url or chosen.address())
    with Client(url) as control:
        user, kept = control.login(token)
    chosen.remember(url=url, token=kept)
    if json:
        output.show_json({"url": url, "user": user})
        return
    output.say(f"Logged in at {url} as {user.name} ({user.role.value}); kept in {chosen.cli_file}.")


def version(json: JsonOption = False) -> None:
    """The version of this program."""
    from bruk import __version__

    output.answer({"version": __version__}, f"bruk {__version__}", json)


def _home(ctx: typer.Context, home: Path | None) -> Path:
    """Bruk's home: as said behind the command, else as said before it."""
    return settings(ctx).home if home is None else home.expanduser()


def _link_parts(link: str, url: str) -> tuple[str, str]:
    """The control's address and the token of a login link, or of a bare token."""
    if "://" not in link:
        return url, link.strip()
    parts = urlsplit(link.strip())
    given = parse_qs(parts.query).get("token") or parse_qs(parts.fragment).get("token")
    if not given:
        raise InvalidInput(f"{link!r} holds no login token; copy the whole link, up to its end.")
    return f"{parts.scheme}://{parts.netloc}", given[0]
