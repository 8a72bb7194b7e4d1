"""The invoice: what a tenant used in a period, at which price, exact to the micro-euro.

Lines are sums of ledger entries and nothing else; `check_invoice` shows that they are, from the entries
alone. The total is rounded to cents once, half to even, and the exact sum stands beside it. An invoice
never changes: a correction is a credit entry and stands on a later one. `invoice_view` renders it;
`bruk.seal` signs it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bruk.model.errors import BrukError, InvalidInput
from bruk.model.ledger import PRICED_QUANTITY, UNITS, LedgerEntry, Quality, Resource
from bruk.reports.display import cents

ROUNDING = "half to even, once, on the total"
"""How the total to pay is rounded."""


class InvoiceMismatch(BrukError):
    """An invoice and the ledger differ; the message names the first wrong line."""

    code = "invoice_mismatch"


class InvoiceMalformed(InvalidInput):
    """A document is no invoice, or a field of it is missing or of the wrong type."""

    code = "invoice_malformed"


@dataclass(frozen=True, slots=True)
class InvoiceHeader:
    """Who bills whom for which time.

    Attributes:
        number: unique among this seller's invoices, without gaps; the caller counts.
        seller: the operator's name and address, one line each.
        tenant: identifier in the ledger.
        buyer: the tenant's name and address, one line each.
        issued_at_ms: since the epoch, UTC [ms].
        period_from_ms: first moment billed, by the time of booking [ms].
        period_to_ms: first moment no longer billed [ms].
        tax_note: what is said about value-added tax.
    """

    number: str
    seller: tuple[str, ...]
    tenant: str
    buyer: tuple[str, ...]
    issued_at_ms: int
    period_from_ms: int
    period_to_ms: int
    tax_note: str = "Amounts are net of value-added tax."


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One thing at one price.

    Attributes:
        quantity: how much, in `unit`.
        unit: `device_ms`, `token`, or empty for a credit.
        price_microeur: price of `price_per` units [micro-EUR].
        price_per: how many units that price buys.
        price_version: which version of the price it is.
        amount_microeur: sum of the entries' amounts [micro-EUR].
        entries: how many ledger entries it sums.
        note: why, for a credit.
    """

    project: str
    site: str
    resource: str
    item: str
    quantity: int
    unit: str
    price_microeur: int
    price_per: int
    price_version: int
    amount_microeur: int
    entries: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class EnergyFigure:
    """Energy and carbon at one site that were had in one way.

    Attributes:
        quality: measured, shared or estimated.
        it_energy_j: energy of the devices and their share of the server [J].
        energy_j: facility energy, IT times PUE [J].
        carbon_mg: location-based [mg CO2e].
    """

    site: str
    quality: str
    it_energy_j: int
    energy_j: int
    carbon_mg: int


@dataclass(frozen=True, slots=True)
class SiteFactor:
    """What turned a site's IT energy into facility energy and carbon.

    Attributes:
        pue_milli: power usage effectiveness times 1000.
        intensity_mg_per_kwh: mean intensity of the grid zone [mg CO2e/kWh].
        source: where the two figures come from.
    """

    site: str
    zone: str
    pue_milli: int
    intensity_mg_per_kwh: int
    source: str


def billed_entries(
    entries: Iterable[LedgerEntry], tenant: str, from_ms: int, to_ms: int, last_seq: int | None = None
) -> tuple[LedgerEntry, ...]:
    """The entries that an invoice bills: this tenant's, booked in the period.

    The time of booking decides, not that of use, so that usage which arrives late stands on the next invoice
    and no entry stands on two or on none.

    Args:
        entries: ledger entries, in any order, of any tenants.
        tenant: whose.
        from_ms: first moment of booking that counts [ms].
        to_ms: first moment that no longer counts [ms].
        last_seq: last entry that the invoice may know, where a checkpoint names it.
    """
    chosen = (
        entry
        for entry in entries
        if entry.tenant == tenant
        and from_ms <= entry.at_ms < to_ms
        and (last_seq is None or entry.seq <= last_seq)
    )
    return tuple(sorted(chosen, key=lambda entry: entry.seq))


def invoice_lines(entries: Iterable[LedgerEntry]) -> tuple[InvoiceLine, ...]:
    """Lines for the given entries: one for each project, site, resource, item and price; each credit its own.

    The order depends on the content alone, never on that of the entries.
    """
    groups: dict[tuple[int, str, str, str, int, int, str], list[LedgerEntry]] = {}
    for entry in entries:
        groups.setdefault(_line_key(entry), []).append(entry)
    return tuple(_line(groups[key]) for key in sorted(groups))


def energy_figures(entries: Iterable[LedgerEntry]) -> tuple[EnergyFigure, ...]:
    """Energy and carbon of the given entries by site and quality, in that order."""
    sums: dict[tuple[str, int], list[int]] = {}
    order = list(Quality)
    for entry in entries:
        if entry.quality is not None:
            figure = sums.setdefault((entry.site, order.index(entry.quality)), [0, 0, 0])
            figure[0] += entry.it_energy_j
            figure[1] += entry.energy_j
            figure[2] += entry.carbon_mg
    return tuple(
        EnergyFigure(site, str(order[quality]), it_energy_j, energy_j, carbon_mg)
        for (site, quality), (it_energy_j, energy_j, carbon_mg) in sorted(sums.items())
    )


def issue_invoice(
    header: InvoiceHeader,
    lines: Sequence[InvoiceLine],
    energy: Sequence[EnergyFigure] = (),
    factors: Sequence[SiteFactor] = (),
    checkpoint: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The invoice as a document: JSON values without floats, the same for the same input.

    Args:
        header: who, whom, when.
        lines: what, from `invoice_lines`.
        energy: energy and carbon, from `energy_figures`.
        factors: PUE and intensity of each site, for the reader to follow the figures.
        checkpoint: the signed head of the ledger, as `bruk.seal.Checkpoint.document()` gives it.

    Raises:
        InvoiceMalformed: when the period ends before it begins or the number is empty.
    """
    if header.period_to_ms < header.period_from_ms:
        raise InvoiceMalformed(
            f"The period ends at {header.period_to_ms} ms, before it begins at {header.period_from_ms} ms."
        )
    if not header.number.strip():
        raise InvoiceMalformed("An invoice needs a number. Give the next one of the series.")
    total_microeur = sum(line.amount_microeur for line in lines)
    return {
        "document": "invoice",
        "format": 1,
        **{name: _json(value) for name, value in asdict(header).items()},
        "currency": "EUR",
        "lines": [{"line": number, **asdict(line)} for number, line in enumerate(lines, start=1)],
        "energy": [asdict(figure) for figure in energy],
        "energy_total": _energy_total(energy),
        "factors": [asdict(factor) for factor in factors],
        "total_microeur": total_microeur,
        "total_cents": cents(total_microeur),
        "rounding": ROUNDING,
        "checkpoint": dict(checkpoint) if checkpoint is not None else None,
    }


def invoice_from_entries(
    header: InvoiceHeader,
    entries: Iterable[LedgerEntry],
    factors: Sequence[SiteFactor] = (),
    checkpoint: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The invoice for all that the ledger has for this tenant and period; see `issue_invoice`.

    Args:
        header: who, whom, when.
        entries: ledger entries of any tenants and times; those billed are chosen by `billed_entries`.
        factors: PUE and intensity of each site.
        checkpoint: the signed head of the ledger; entries after it are left for the next invoice.
    """
    last_seq = int(checkpoint["seq"]) if checkpoint is not None else None
    billed = billed_entries(entries, header.tenant, header.period_from_ms, header.period_to_ms, last_seq)
    return issue_invoice(header, invoice_lines(billed), energy_figures(billed), factors, checkpoint)


def line_title(line: Mapping[str, Any]) -> str:
    """What a line is called in words, such as `line 2 (device_time h100-sxm at borlange, price 3)`."""
    what = " ".join(part for part in (str(line["resource"]), str(line["item"])) if part)
    return f"line {line['line']} ({what} at {line['site']}, price version {line['price_version']})"


def _line_key(entry: LedgerEntry) -> tuple[int, str, str, str, int, int, str]:
    # A credit stands alone under its own key, so that each correction can be followed to its reason.
    alone = entry.key if entry.resource is Resource.CREDIT else ""
    return (
        list(Resource).index(entry.resource),
        entry.project,
        entry.site,
        entry.item,
        entry.price_version,
        entry.price_microeur,
        alone,
    )


def _line(entries: Sequence[LedgerEntry]) -> InvoiceLine:
    first = entries[0]
    return InvoiceLine(
        project=first.project,
        site=first.site,
        resource=str(first.resource),
        item=first.item,
        quantity=sum(entry.quantity for entry in entries),
        unit=UNITS[first.resource],
        price_microeur=first.price_microeur,
        price_per=PRICED_QUANTITY[first.resource],
        price_version=first.price_version,
        amount_microeur=sum(entry.amount_microeur for entry in entries),
        entries=len(entries),
        note=first.note if first.resource is Resource.CREDIT else "",
    )


def _energy_total(energy: Sequence[EnergyFigure]) -> dict[str, int]:
    return {
        "it_energy_j": sum(figure.it_energy_j for figure in energy),
        "energy_j": sum(figure.energy_j for figure in energy),
        "carbon_mg": sum(figure.carbon_mg for figure in energy),
    }


def _json(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
