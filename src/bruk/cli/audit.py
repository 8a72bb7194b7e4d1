"""The audit log: who did what to what, and the proof of it."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bruk.cli import output, verify
from bruk.cli.output import JsonOption
from bruk.cli.quantity import show_time
from bruk.cli.settings import client
from bruk.cli.verify import HandoversOption, KeyOption, PinOption
from bruk.model.errors import BrukError

if TYPE_CHECKING:
    from bruk.sdk import Client

PANEL = "Records"
audit_app = typer.Typer(no_args_is_help=True, help="Who did what to what, chained and signed.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(audit_app, name="audit", rich_help_panel=PANEL)


@audit_app.command("ls")
def audit_ls(
    ctx: typer.Context,
    after: Annotated[
        int | None, typer.Option("--after", min=0, help="Only entries behind this number.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.")] = None,
    json: JsonOption = False,
) -> None:
    """List audit entries in the order of the chain."""
    with client(ctx) as control:
        entries = list(islice(control.audit.list(after=after), limit))
        names = {} if json else _names(control)
    if json:
        output.show_json(entries)
        return
    output.table(
        [">Entry", "At", "~Who", "Did", "~To", "Outcome"],
        (
            [
                entry.seq,
                show_time(entry.at_ms, seconds=True),
                f"{entry.actor_kind} {names.get(entry.actor_id, entry.actor_id)}",
                entry.action,
                entry.target,
                entry.outcome,
            ]
            for entry in entries
        ),
    )


def _names(control: "Client") -> dict[str, str]:
    """People by their identifiers; the chain itself has none of their names."""
    try:
        return {person.id: f"{person.name} ({person.id[-6:]})" for person in control.users.list()}
    except BrukError:
        return {}


def say_exported(file: Path, size_bytes: int, json: bool) -> None:
    """Print where a sealed chain was written to [bytes]."""
    said = f"{file}: {size_bytes:,} bytes. 'bruk audit verify {file}' checks it offline."
    output.answer({"file": str(file), "size_bytes": size_bytes}, said, json)


@audit_app.command("export")
def audit_export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="File to write.")],
    json: JsonOption = False,
) -> None:
    """Write the audit log's sealed chain to a file that 'bruk audit verify' checks offline."""
    with client(ctx) as control:
        size_bytes = control.audit.export(file)
    say_exported(file, size_bytes, json)


@audit_app.command("verify")
def audit_verify(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="File that 'bruk audit export' or 'bruk ledger export' wrote.")
    ],
    key: KeyOption = None,
    pin: PinOption = None,
    handovers: HandoversOption = None,
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", help="A receipt or invoice whose checkpoint must agree; repeat."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Verify an exported log offline, and name the first entry that is wrong. Exit status 8 if one is.

    Without --key or --pin the keys are those of this home, or else the file's own, which proves the file
    whole but not who wrote it.
    """
    verify.export(ctx, file, key, pin, against or [], json, handovers)
