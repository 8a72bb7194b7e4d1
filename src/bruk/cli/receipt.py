"""Receipts: signed proof of what was switched off or on, and of who carried it out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
ReceiptArgument = Annotated[str, typer.Argument(help="Identifier of the receipt.")]

receipt_app = typer.Typer(no_args_is_help=True, help="Signed proof of what was switched off and on.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(receipt_app, name="receipt", rich_help_panel=PANEL)


@receipt_app.command("ls")
def receipt_ls(ctx: typer.Context, json: JsonOption = False) -> None:
    """List the receipts."""
    with client(ctx) as control:
        receipts = list(control.switch.receipts())
    if json:
        output.show_json(receipts)
        return
    output.table(
        ["Receipt", "Action", ">Generation", "At", "Everyone answered"],
        (
            [
                item.id,
                item.action,
                item.generation,
                show_time(item.created_at_ms),
                item.complete,
            ]
            for item in receipts
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
        complete, document = control.switch.receipt(receipt)
        names = {} if json else names_in(control, document)
    if save is not None:
        verify.save_document(document, save)
    if json:
        output.show_json(document)
        return
    show(document, names)
    if not complete:
        output.note("Not everyone has answered yet: this is how things stand now.")
    if save is not None:
        output.say(f"{save} written. 'bruk receipt verify {save} --key KEYFILE' checks it offline.")


@receipt_app.command("verify")
def receipt_verify(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="File that 'bruk receipt show --save' wrote.")],
    key: KeyOption = None,
    pin: PinOption = None,
    handovers: HandoversOption = None,
    json: JsonOption = False,
) -> None:
    """Verify a receipt offline. Exit status 8 if it fails."""
    verify.document(ctx, file, "switch-receipt", key, pin, json, handovers)


def names_in(control: "Client", document: dict[str, Any]) -> dict[str, str]:
    """The names of the people in a receipt by their ids; none where the caller may not read them."""
    body = document["body"]
    wanted = {body["by"], *body["approved_by"], *(hold["raised_by"] for hold in body["holds"])}
    names: dict[str, str] = {}
    try:
        for person in control.users.list():
            if person.id in wanted:
                names[person.id] = person.name
            if len(names) == len(wanted):
                break
    except BrukError:
        pass  # A receipt is as good without them.
    return names


def show(document: dict[str, Any], names: Mapping[str, str]) -> None:
    """Print a receipt, a sealed document, as text.

    Args:
        names: of people by their ids, to stand beside these. The document itself has the ids alone.
    """
    from bruk.reports.receipt_view import receipt_text

    def named(person: str) -> str:
        return f"{person} ({names[person]})" if person in names else person

    body = document["body"]
    shown = {
        **body,
        "by": named(body["by"]),
        "approved_by": [named(person) for person in body["approved_by"]],
        "holds": [{**hold, "raised_by": named(hold["raised_by"])} for hold in body["holds"]],
    }
    typer.echo(receipt_text(shown).rstrip("\n"))
    output.say(f"Signed by key {document['key_id']}.")
