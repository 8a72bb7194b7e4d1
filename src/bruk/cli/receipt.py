"""Receipts: signed proof of what was switched off or on, and of who carried it out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bruk.cli import output, verify
from bruk.cli.output import JsonOption
from bruk.cli.quantity import show_time
from bruk.cli.settings import client
from bruk.cli.verify import KeyOption, PinOption

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
    if save is not None:
        verify.save_document(document, save)
    if json:
        output.show_json(document)
        return
    show(document)
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
    json: JsonOption = False,
) -> None:
    """Verify a receipt offline. Exit status 8 if it fails."""
    verify.document(ctx, file, "switch-receipt", key, pin, json)


def show(document: dict[str, Any]) -> None:
    """Print a receipt, a sealed document, as text."""
    from bruk.reports.receipt_view import receipt_text

    typer.echo(receipt_text(document["body"]).rstrip("\n"))
    output.say(f"Signed by key {document['key_id']}.")
