"""Whether an invoice adds up to the ledger, to the micro-euro.

It reads the document and the entries and nothing else, and never mends what it finds. The lines are built
anew from the entries, so a line that was changed, dropped, invented or counted twice is found and named.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from bruk.model.ledger import LedgerEntry, Resource
from bruk.reports.display import cents
from bruk.reports.invoice import (
    InvoiceMalformed,
    InvoiceMismatch,
    billed_entries,
    energy_figures,
    invoice_lines,
    line_title,
)

_COMPARED = ("quantity", "price_microeur", "price_per", "amount_microeur", "entries", "unit", "note")
_ORDER = tuple(str(resource) for resource in Resource)


def check_invoice(document: Mapping[str, Any], entries: Iterable[LedgerEntry]) -> None:
    """Check every figure of an invoice against the ledger.

    Args:
        document: the body of an invoice, as `issue_invoice` made it or as it was read from JSON.
        entries: ledger entries that hold at least all of this tenant and period.

    Raises:
        InvoiceMismatch: at the first line, energy figure or total that differs; the message names it.
        InvoiceMalformed: when the document is no invoice.
    """
    try:
        _check(document, entries)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvoiceMalformed(
            f"This is no readable invoice ({type(error).__name__}: {error}). "
            "Ask its issuer for the document again."
        ) from error


def _check(document: Mapping[str, Any], entries: Iterable[LedgerEntry]) -> None:
    if document["document"] != "invoice" or document["format"] != 1:
        raise InvoiceMalformed(
            f"Expected an invoice of format 1, found {document['document']!r} "
            f"of format {document['format']!r}."
        )
    checkpoint = document["checkpoint"]
    billed = billed_entries(
        entries,
        document["tenant"],
        document["period_from_ms"],
        document["period_to_ms"],
        checkpoint["seq"] if checkpoint is not None else None,
    )
    _check_lines(document, billed)
    _check_energy(document, billed)
    _check_totals(document)


def _check_lines(document: Mapping[str, Any], billed: tuple[LedgerEntry, ...]) -> None:
    stated = document["lines"]
    expected = [
        {"line": number, **asdict(line)} for number, line in enumerate(invoice_lines(billed), start=1)
    ]
    for position, line in enumerate(stated):
        if line["line"] != position + 1:
            raise InvoiceMismatch(f"Line {position + 1} bears the number {line['line']}.", line=position + 1)
        if position >= len(expected) or _identity(line) != _identity(expected[position]):
            _raise_unmatched(line, expected, position)
        for field in _COMPARED:
            if line[field] != expected[position][field]:
                raise InvoiceMismatch(
                    f"{line_title(line).capitalize()}: the invoice says {field} {line[field]!r}, "
                    f"the ledger {expected[position][field]!r}.",
                    line=line["line"],
                    field=field,
                )
        _check_price(line)
    if len(stated) < len(expected):
        missing = expected[len(stated)]
        raise InvoiceMismatch(
            f"The ledger has {line_title(missing)}, which the invoice leaves out.", line=missing["line"]
        )


def _raise_unmatched(line: Mapping[str, Any], expected: list[dict[str, Any]], position: int) -> None:
    identities = [_identity(each) for each in expected]
    if _identity(line) in identities[position:]:
        missing = expected[position]
        raise InvoiceMismatch(
            f"{line_title(line).capitalize()} stands where the ledger has {line_title(missing)}, "
            "which the invoice leaves out.",
            line=line["line"],
        )
    raise InvoiceMismatch(
        f"{line_title(line).capitalize()} has no entry in the ledger that no other line counts.",
        line=line["line"],
    )


def _check_price(line: Mapping[str, Any]) -> None:
    if line["resource"] == Resource.CREDIT:
        return
    # Each entry was rounded to the micro-euro by itself, so that a line may be off by one for each entry.
    exact = line["quantity"] * line["price_microeur"]
    if abs(line["amount_microeur"] * line["price_per"] - exact) > line["entries"] * line["price_per"]:
        raise InvoiceMismatch(
            f"{line_title(line).capitalize()}: {line['amount_microeur']} micro-EUR is not "
            f"{line['quantity']} {line['unit']} at {line['price_microeur']} for {line['price_per']}.",
            line=line["line"],
            field="amount_microeur",
        )


def _check_energy(document: Mapping[str, Any], billed: tuple[LedgerEntry, ...]) -> None:
    expected = [asdict(figure) for figure in energy_figures(billed)]
    for stated, figure in zip(document["energy"], expected, strict=False):
        if stated != figure:
            raise InvoiceMismatch(
                f"Energy at {stated['site']} ({stated['quality']}): "
                f"the invoice says {stated}, the ledger {figure}.",
                site=stated["site"],
            )
    if len(document["energy"]) != len(expected):
        raise InvoiceMismatch(
            f"The invoice has {len(document['energy'])} energy figures, the ledger {len(expected)}."
        )
    for name, total in document["energy_total"].items():
        if total != sum(figure[name] for figure in expected):
            raise InvoiceMismatch(f"The energy total {name} is {total}, which its figures do not add up to.")


def _check_totals(document: Mapping[str, Any]) -> None:
    total = sum(line["amount_microeur"] for line in document["lines"])
    if document["total_microeur"] != total:
        raise InvoiceMismatch(
            f"The total says {document['total_microeur']} micro-EUR, its lines add up to {total}.",
            field="total",
        )
    if document["total_cents"] != cents(total):
        raise InvoiceMismatch(
            f"The total to pay says {document['total_cents']} cents; {total} micro-EUR rounded "
            f"half to even is {cents(total)}.",
            field="total_cents",
        )


def _identity(line: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        _ORDER.index(line["resource"]),
        line["project"],
        line["site"],
        line["item"],
        line["price_version"],
    )
