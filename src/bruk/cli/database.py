"""The store on a server: its owner makes it ready, and anybody may look whether it is as it should be."""

from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.exits import FAILED
from bruk.cli.output import JsonOption

PANEL = "Run Bruk"
UrlOption = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="BRUK_DATABASE_URL",
        help="Its address, postgresql://ROLE:PASSWORD@HOST/DATABASE, or @FILE that holds it.",
        show_default=False,
    ),
]


def add_to(app: typer.Typer) -> None:
    database = typer.Typer(no_args_is_help=True, help="Keep the store on a PostgreSQL server.")
    database.command()(migrate)
    database.command()(check)
    app.add_typer(database, name="database", rich_help_panel=PANEL)


def migrate(
    url: UrlOption,
    grant_to: Annotated[
        str, typer.Option(help="Let this role use the store, and nothing more.", show_default=False)
    ] = "",
    json: JsonOption = False,
) -> None:
    """Bring the schema to the newest version, as its owner. Repeating it changes nothing.

    Control then runs as another role, which reads and writes rows, adds records, and can neither change
    the schema nor empty a table.
    """
    from bruk.assembly import databases

    before, after = databases.migrate(url, grant_to)
    if json:
        output.show_json({"before": before, "after": after, "granted_to": grant_to or None})
        return
    output.say(f"The schema has version {after}{', as before' if before == after else ''}.")
    if grant_to:
        output.say(f"{grant_to} may use it, and nothing more.")


def check(url: UrlOption, json: JsonOption = False) -> None:
    """See whether the database is as it should be, and whether this role may do more than it needs.

    Exit status 1 if something is found.
    """
    from bruk.assembly import databases

    address, found = databases.findings(url)
    if json:
        output.show_json({"database": address, "findings": found})
    else:
        output.say(f"{address}: " + ("as it should be." if not found else "look at this:"))
        for item in found:
            output.say(f"  {item}")
    if found:
        raise typer.Exit(FAILED)
