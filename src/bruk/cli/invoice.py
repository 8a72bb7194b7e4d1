"""Invoices: issued, listed, shown, verified."""

from pathlib import Path
from typing import Annotated

import typer

from bruk.cli import output, verify
from bruk.cli.output import JsonOption
from bruk.cli.quantity import moment_ms, show_eur, show_time
from bruk.cli.settings import client
from bruk.cli.verify import HandoversOption, KeyOption, PinOption
from bruk.model.errors import InvalidInput

PANEL = "Prices and bills"

invoice_app = typer.Typer(no_args_is_help=True, help="Numbered, signed invoices that add up.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(invoice_app, name="invoice", rich_help_panel=PANEL)


@invoice_app.command("issue")
def invoice_issue(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Argument(help="Name of the tenant.")],
    since: Annotated[
        str | None, typer.Option("--from", help="From this moment; all that is open if left out.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Up to this moment; now if left out.")] = None,
    json: JsonOption = False,
) -> None:
    """Issue the next numbered invoice of a tenant."""
    from bruk.cli.request import built
    from bruk.wire.requests import InvoiceBody

    body = built(
        InvoiceBody,
        tenant=tenant,
        from_ms=None if since is None else moment_ms(since),
        to_ms=None if until is None else moment_ms(until),
    )
    with client(ctx) as control:
        answer = control.invoices.issue(body)
    if json:
        output.show_json(answer)
        return
    total = answer.document["body"]["total_microeur"]
    output.say(f"Invoice {answer.number} of {answer.tenant}: {show_eur(total)} EUR.")


@invoice_app.command("ls")
def invoice_ls(ctx: typer.Context, json: JsonOption = False) -> None:
    """List the invoices."""
    with client(ctx) as control:
        invoices = list(control.invoices.list())
    if json:
        output.show_json(invoices)
        return
    output.table(
        ["Invoice", "Tenant", "From", "To", ">EUR"],
        (
            [
                invoice.number,
                invoice.tenant,
                show_time(invoice.from_ms),
                show_time(invoice.to_ms),
                show_eur(invoice.total_microeur),
            ]
            for invoice in invoices
        ),
    )


@invoice_app.command("show")
def invoice_show(
    ctx: typer.Context,
    number: Annotated[str, typer.Argument(help="Number of the invoice.")],
    form: Annotated[str, typer.Option("--format", help="text, html, csv or json.")] = "text",
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the signed document to this file, for verification.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show an invoice, or save its signed document."""
    if form not in {"text", "html", "csv", "json"}:
        raise InvalidInput(f"--format must be text, html, csv or json, not {form!r}.")
    with client(ctx) as control:
        if save is not None or json or form == "json":
            document = control.invoices.get(number)
        else:
            typer.echo(control.invoices.document(number, form).decode("utf-8", "replace"))
            return
    if save is not None:
        verify.save_document(document, save)
    if json or form == "json":
        output.show_json(document)
    else:
        output.say(f"{save} written. 'bruk invoice verify {save} --key KEYFILE' checks it offline.")


@invoice_app.command("verify")
def invoice_verify(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="File that 'bruk invoice show --save' wrote.")],
    key: KeyOption = None,
    pin: PinOption = None,
    handovers: HandoversOption = None,
    json: JsonOption = False,
) -> None:
    """Verify an invoice offline. Exit status 8 if it fails."""
    verify.document(ctx, file, "invoice", key, pin, json, handovers)
