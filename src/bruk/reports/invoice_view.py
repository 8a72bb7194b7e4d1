"""An invoice for people: plain text, a printable page, a table for spreadsheets.

Views of the document that `invoice` issues; they add up nothing and change nothing.
"""

import csv
import io
from collections.abc import Mapping
from typing import Any

from bruk.reports import display
from bruk.reports.page import render_page

_RESOURCES = {
    "device_time": "Device time",
    "tokens_in": "Tokens in",
    "tokens_out": "Tokens out",
    "credit": "Credit",
}
_CSV_COLUMNS = (
    "invoice",
    "line",
    "project",
    "site",
    "resource",
    "item",
    "quantity",
    "unit",
    "price_microeur",
    "price_per",
    "price_version",
    "amount_microeur",
    "entries",
    "note",
)


def invoice_text(document: Mapping[str, Any]) -> str:
    """The invoice as plain text of at most 100 columns a line, names apart.

    Args:
        document: the body of an invoice.
    """
    show = display.plain
    out = [
        f"INVOICE {show(document['number'])}",
        f"  from      {display.names(document['seller'])}",
        f"  to        {display.names(document['buyer'])} (tenant {show(document['tenant'])})",
        f"  issued    {display.moment(document['issued_at_ms'])}",
        f"  period    {display.moment(document['period_from_ms'])}",
        f"            to {display.moment(document['period_to_ms'])}, by time of booking",
        "",
    ]
    for line in document["lines"]:
        out += _line_text(line)
    if not document["lines"]:
        out.append("  Nothing was used in this period.")
    out += [
        "",
        f"  {'exact sum':<50}{'EUR ' + display.euros_exact(document['total_microeur']):>30}",
        f"  {'TO PAY':<50}{'EUR ' + display.decimal(document['total_cents'], 2):>30}",
        f"  Rounded {document['rounding']}. {show(document['tax_note'])}",
        "",
        *_energy_text(document),
        *_checkpoint_text(document["checkpoint"]),
    ]
    return "\n".join(out) + "\n"


def invoice_html(document: Mapping[str, Any]) -> str:
    """The invoice as one printable page that asks for nothing outside itself.

    Args:
        document: the body of an invoice.
    """
    return render_page("invoice.html", doc=document, resources=_RESOURCES)


def invoice_csv(document: Mapping[str, Any]) -> str:
    """The lines as comma-separated values in exact integers, one row a line (RFC 4180).

    Args:
        document: the body of an invoice.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_CSV_COLUMNS)
    for line in document["lines"]:
        cells = {"invoice": document["number"], **line}
        writer.writerow(
            cells[name] if isinstance(cells[name], int) else display.spreadsheet_text(cells[name])
            for name in _CSV_COLUMNS
        )
    return out.getvalue()


def _line_text(line: Mapping[str, Any]) -> list[str]:
    show = display.plain
    name = _RESOURCES.get(line["resource"], line["resource"])
    what = f"{name} {show(line['item'])}".strip()
    title = f"{line['line']:>3}. {what} · {show(line['project'])} · {show(line['site'])}"
    amount = f"EUR {display.euros_exact(line['amount_microeur'])}"
    if line["resource"] == "credit":
        return [title, f"     {show(line['note']):<47}{amount:>30}"]
    detail = (
        f"{display.quantity(line['quantity'], line['unit'])} {display.unit_name(line['unit'])} at EUR "
        f"{display.price(line['price_microeur'])} a {display.priced_unit(line['unit'], line['price_per'])}"
        f" (v{line['price_version']})"
    )
    if len(detail) > 56:
        return [title, f"     {detail}", f"{amount:>82}"]
    return [title, f"     {detail:<56}{amount:>21}"]


def _energy_text(document: Mapping[str, Any]) -> list[str]:
    if not document["energy"]:
        return []
    out = ["ENERGY AND CARBON"]
    for figure in document["energy"]:
        name = f"{display.plain(figure['site']):<20} {figure['quality']:<10}"
        out.append(f"  {name} {_energy_amounts(figure)}")
    total = document["energy_total"]
    out.append(f"  {'together':<31} {_energy_amounts(total)}")
    for factor in document["factors"]:
        out.append(
            f"  {display.plain(factor['site'])}: PUE {display.ratio(factor['pue_milli'])}, zone "
            f"{display.plain(factor['zone'])} at {display.grams(factor['intensity_mg_per_kwh'])} gCO2e/kWh "
            f"({display.plain(factor['source'])})"
        )
    return [*out, ""]


def _energy_amounts(figure: Mapping[str, int]) -> str:
    energy = display.kilowatt_hours(figure["energy_j"])
    return f"{energy:>16} kWh {display.grams(figure['carbon_mg']):>16} gCO2e"


def _checkpoint_text(checkpoint: Mapping[str, Any] | None) -> list[str]:
    if checkpoint is None:
        return ["No checkpoint of the ledger stands in this document."]
    return [
        f"Ledger up to entry {checkpoint['seq']}, head {display.plain(checkpoint['hash'])}",
        f"signed with key {display.plain(checkpoint['key_id'])} at {display.moment(checkpoint['at_ms'])}",
    ]
