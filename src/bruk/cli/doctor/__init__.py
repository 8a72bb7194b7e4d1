"""What this machine has and lacks, and what is wrong with its home, each with what to do about it.

One module a subject, one function a check; none changes anything, and each works whether control runs
or not.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from bruk.cli import output
from bruk.cli.doctor.check import Check, Finding
from bruk.cli.doctor.clocks import check_clock, check_others
from bruk.cli.doctor.database import check_accounts, check_database, check_records, check_server
from bruk.cli.doctor.home import (
    check_disk,
    check_home,
    check_keys,
    check_modes,
    check_remembered,
    check_user,
)
from bruk.cli.doctor.machine import check_package, check_program
from bruk.cli.doctor.ports import check_control, check_gateway, listens
from bruk.cli.doctor.sites import check_journals, check_strays
from bruk.cli.exits import FAILED
from bruk.cli.output import JsonOption
from bruk.cli.settings import Settings, settings
from bruk.model.errors import BrukError

if TYPE_CHECKING:
    from bruk.wire.answers import Status

PANEL = "Run Bruk"


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(doctor)


def doctor(
    ctx: typer.Context,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of control; the last one, or 8610.")
    ] = None,
    gateway_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the gateway; the last one, or 8611.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check this machine: home, keys, disk, database, records, journals, runs, clocks, ports, packages.

    Whether Bruk runs or not; it changes nothing. Exit status 1 if something is wrong; what is merely lacking
    is optional.
    """
    from bruk.assembly.clock import SystemClock

    chosen = settings(ctx)
    here = port or _port_of(chosen, "url") or 8610
    gateway = gateway_port or _port_of(chosen, "gateway_url") or 8611
    control_url = f"http://127.0.0.1:{here}/api/v1/status"
    control_port = check_control(control_url, chosen.home)
    control_answers = control_port.finding is Finding.OK and listens(control_url)
    home = chosen.home
    checks = [
        check_home(home),
        check_user(),
        check_keys(home / "keys"),
        check_modes(home),
        check_remembered(chosen),
        check_disk(home),
        *_records(home),
        control_port,
        check_gateway(f"http://127.0.0.1:{gateway}/v1/models", home, control_answers=control_answers),
        *check_others(_status(chosen) if control_answers else None, SystemClock().now_ms()),
        *(check_package(name) for name in ("torch", "transformers", "tokenizers", "safetensors")),
        check_program("bwrap", "runs of different projects cannot be isolated here", "bubblewrap"),
        check_program("chromium", "the console's browser test is skipped", "chromium"),
    ]
    wrong = [check for check in checks if check.finding is Finding.WRONG]
    if json:
        output.show_json({"checks": checks, "wrong": len(wrong)})
    else:
        output.table(
            ["Check", "Finding", "~Detail", "~What to do"],
            ([check.what, check.finding.value, check.detail, check.advice] for check in checks),
        )
    if wrong:
        raise typer.Exit(FAILED)


def _records(home: Path) -> list[Check]:
    """What is written in the home; each check only where what it needs is whole."""
    if (home / "database_url").exists():
        return [check_server(home), *check_journals(home)]
    database = check_database(home / "bruk.sqlite3")
    checks = [database]
    if database.finding is Finding.OK:
        checks += [check_records(home), check_accounts(home), check_clock(home), check_strays(home)]
    return [*checks, *check_journals(home)]


def _status(chosen: Settings) -> "Status | None":
    """What control says of its clocks, if this login may ask."""
    try:
        with chosen.client() as control:
            return control.status()
    except BrukError:
        return None


def _port_of(chosen: Settings, what: str) -> int | None:
    """The port of an address that ``cli.json`` remembers; None if it has none that can be used."""
    try:
        return urlsplit(str(chosen.remembered().get(what, ""))).port
    except (BrukError, ValueError):
        return None
