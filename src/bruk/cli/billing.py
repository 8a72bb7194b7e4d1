"""Prices, budgets and the ledger."""

from pathlib import Path
from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.audit import say_exported
from bruk.cli.output import JsonOption
from bruk.cli.people import budget_fields
from bruk.cli.quantity import microeur, moment_ms, show_eur, show_grams, show_kwh, show_moment, show_time
from bruk.cli.settings import client

PANEL = "Prices and bills"

price_app = typer.Typer(no_args_is_help=True, help="Prices: only followed by newer ones, never changed.")
budget_app = typer.Typer(no_args_is_help=True, help="Most that a tenant or a project may spend.")
ledger_app = typer.Typer(invoke_without_command=True, help="What was used, by whom, where, at which price.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(price_app, name="price", rich_help_panel=PANEL)
    app.add_typer(budget_app, name="budget", rich_help_panel=PANEL)
    app.add_typer(ledger_app, name="ledger", rich_help_panel=PANEL)


@price_app.command("set")
def price_set(
    ctx: typer.Context,
    resource: Annotated[str, typer.Argument(help="device_time, tokens_in or tokens_out.")],
    price: Annotated[str, typer.Argument(help="EUR for a device-hour or a million tokens, like 2.49.")],
    item: Annotated[
        str, typer.Option("--item", help="Accelerator or model; * is the price of all others.")
    ] = "*",
    since: Annotated[
        str | None, typer.Option("--from", help="Effective from this moment; now if left out.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Set a price from a moment on. What was used before keeps its price."""
    from bruk.cli.request import built
    from bruk.wire.requests import PriceBody

    body = built(
        PriceBody,
        resource=resource,
        item=item,
        price_microeur=microeur(price),
        effective_from_ms=None if since is None else moment_ms(since),
    )
    with client(ctx) as control:
        made = control.prices.set(body)
    if json:
        output.show_json(made)
        return
    output.say(
        f"{made.resource.value} of {made.item}: {show_eur(made.price_microeur)} EUR "
        f"from {show_moment(made.effective_from_ms)} (version {made.version})."
    )


@price_app.command("ls")
def price_ls(ctx: typer.Context, json: JsonOption = False) -> None:
    """List every version of every price."""
    with client(ctx) as control:
        prices = list(control.prices.list())
    if json:
        output.show_json(prices)
        return
    per = {"device_time": "device-hour", "tokens_in": "million tokens", "tokens_out": "million tokens"}
    output.table(
        ["Resource", "Item", ">Version", ">EUR", "For one", "From"],
        (
            [
                price.resource.value,
                price.item,
                price.version,
                show_eur(price.price_microeur),
                per.get(price.resource.value),
                show_time(price.effective_from_ms),
            ]
            for price in prices
        ),
        none="No prices yet. What has no price cannot be used: 'bruk price set device_time 1.00'.",
    )


@budget_app.command("set")
def budget_set(
    ctx: typer.Context,
    whose: Annotated[str, typer.Argument(help="A tenant, or a project as tenant/name.")],
    amount: Annotated[str, typer.Argument(help="EUR, like 250 or 12.50; 'none' removes the limit.")],
    json: JsonOption = False,
) -> None:
    """Set the most that a tenant or a project may spend."""
    limit = None if amount == "none" else microeur(amount)
    with client(ctx) as control:
        changed: object
        if "/" in whose:
            changed = control.projects.set_budget(whose, limit)
        else:
            changed = control.tenants.set_budget(whose, limit)
    output.answer(
        changed, f"Budget of {whose}: {'no limit' if limit is None else show_eur(limit) + ' EUR'}.", json
    )


@budget_app.command("show")
def budget_show(
    ctx: typer.Context,
    whose: Annotated[str, typer.Argument(help="A tenant, or a project as tenant/name.")],
    json: JsonOption = False,
) -> None:
    """Show a budget and what is used of it."""
    with client(ctx) as control:
        answer = control.projects.budget(whose) if "/" in whose else control.tenants.budget(whose)
    if json:
        output.show_json(answer)
    else:
        output.fields([("Whose", whose), *budget_fields(answer)])


@ledger_app.callback()
def ledger(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant.")] = None,
    project: Annotated[
        str | None, typer.Option("--project", "-p", help="Only this project, tenant/name.")
    ] = None,
    after: Annotated[
        int | None, typer.Option("--after", min=0, help="Only entries behind this number.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """What was used, by whom, where, at which price.

    'bruk ledger export FILE' takes the sealed chain; 'bruk ledger credit' gives an amount back.
    """
    if ctx.invoked_subcommand:
        return
    with client(ctx) as control:
        entries = list(control.ledger.list(tenant=tenant, project=project, after=after))
    if json:
        output.show_json(entries)
        return
    output.table(
        [
            ">Entry",
            "Until",
            "~Project",
            "Site",
            "Resource",
            "~Item",
            ">Quantity",
            ">EUR",
            ">kWh",
            ">gCO2e",
            "Energy",
        ],
        (
            [
                entry.seq,
                show_time(entry.to_ms),
                entry.project,
                entry.site,
                entry.resource.value,
                entry.item,
                f"{entry.quantity:,}",
                show_eur(entry.amount_microeur),
                show_kwh(entry.energy_j),
                show_grams(entry.carbon_mg),
                entry.quality.value if entry.quality else None,
            ]
            for entry in entries
        ),
        none="Nothing was used yet.",
    )
    total = sum(entry.amount_microeur for entry in entries)
    if entries:
        output.say(f"Entries: {len(entries):,}. Together: {show_eur(total)} EUR.")


@ledger_app.command("export")
def ledger_export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="File to write.")],
    json: JsonOption = False,
) -> None:
    """Write the ledger's sealed chain to a file that 'bruk audit verify' checks offline."""
    with client(ctx) as control:
        size_bytes = control.ledger.export(file)
    say_exported(file, size_bytes, json)


@ledger_app.command("credit")
def ledger_credit(
    ctx: typer.Context,
    project: Annotated[str, typer.Argument(help="The project, tenant/name.")],
    amount: Annotated[str, typer.Argument(help="EUR to give back, like 12.50.")],
    note: Annotated[str, typer.Option("--note", help="Why; it stands on the invoice.")],
    json: JsonOption = False,
) -> None:
    """Give an amount back to a project, with an entry of its own; nothing in the ledger ever changes."""
    from bruk.cli.request import built
    from bruk.wire.requests import CreditBody

    body = built(CreditBody, project=project, amount_microeur=microeur(amount), note=note)
    with client(ctx) as control:
        entry = control.ledger.credit(body)
    if json:
        output.show_json(entry)
    else:
        output.say(
            f"{show_eur(-entry.amount_microeur)} EUR are credited to {entry.project} (entry {entry.seq})."
        )
