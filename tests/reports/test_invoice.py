"""Invoices add up to the ledger to the micro-euro, and the check names what does not."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.model.ledger import LedgerEntry, Quality, Resource
from bruk.reports.invoice import (
    InvoiceHeader,
    InvoiceMalformed,
    InvoiceMismatch,
    SiteFactor,
    billed_entries,
    invoice_from_entries,
    invoice_lines,
    issue_invoice,
)
from bruk.reports.invoice_check import check_invoice
from bruk.seal import canonical_bytes

from .ledger_samples import START_MS, entry, ledgers

_HEADER = InvoiceHeader(
    number="2026-000042",
    seller=("Operator AB", "Borlänge"),
    tenant="aurora",
    buyer=("Aurora AB",),
    issued_at_ms=START_MS + 10_000,
    period_from_ms=START_MS,
    period_to_ms=START_MS + 501,
)
_ENTRIES = [
    entry(1, energy_j=100, carbon_mg=7, quality=Quality.MEASURED),
    entry(2, quantity=1, energy_j=50, carbon_mg=3, quality=Quality.ESTIMATED),
    entry(3, Resource.TOKENS_IN, "stdlib", 1_203_311, 400_000),
    entry(4, Resource.TOKENS_OUT, "stdlib", 402_113, 1_200_000, site="borlange"),
    entry(5, Resource.CREDIT, "", 0, 0, amount_microeur=-1_300_000, note="thirty minutes returned"),
    entry(6, tenant="boreal"),
    entry(7, at_ms=START_MS + 501),
]


def _document() -> dict[str, Any]:
    return invoice_from_entries(_HEADER, _ENTRIES)


@given(ledgers())
def test_an_invoice_made_from_the_ledger_adds_up(entries: list[LedgerEntry]) -> None:
    document = json.loads(json.dumps(invoice_from_entries(_HEADER, entries)))
    check_invoice(document, entries)

    billed = [each for each in entries if each.tenant == "aurora" and each.at_ms < START_MS + 501]
    assert document["total_microeur"] == sum(each.amount_microeur for each in billed)
    assert sum(line["entries"] for line in document["lines"]) == len(billed)
    assert document["energy_total"]["energy_j"] == sum(each.energy_j for each in billed)


@given(ledgers(), st.randoms(use_true_random=False))
def test_the_order_of_the_entries_changes_no_byte(entries: list[LedgerEntry], chance: Any) -> None:
    shuffled = list(entries)
    chance.shuffle(shuffled)

    assert canonical_bytes(invoice_from_entries(_HEADER, entries)) == canonical_bytes(
        invoice_from_entries(_HEADER, shuffled)
    )


@given(ledgers(), st.integers(0, 1001))
def test_consecutive_periods_bill_every_entry_once(entries: list[LedgerEntry], cut: int) -> None:
    first = billed_entries(entries, "aurora", START_MS, START_MS + cut)
    second = billed_entries(entries, "aurora", START_MS + cut, START_MS + 2000)

    assert sorted(each.seq for each in first + second) == [
        each.seq for each in entries if each.tenant == "aurora"
    ]


@given(ledgers(), st.data())
def test_any_changed_figure_is_found(entries: list[LedgerEntry], data: st.DataObject) -> None:
    document = invoice_from_entries(_HEADER, entries)
    places = [
        (part, name)
        for part in [
            document,
            *document["lines"],
            *document["energy"],
            document["energy_total"],
        ]
        for name, value in part.items()
        if isinstance(value, int) and name not in ("format", "issued_at_ms", "period_from_ms", "period_to_ms")
    ]
    part, name = data.draw(st.sampled_from(places))
    part[name] += data.draw(st.sampled_from([-1, 1, 10**6]))

    with pytest.raises(InvoiceMismatch):
        check_invoice(document, entries)


@given(ledgers(), st.data())
def test_any_lost_or_added_entry_is_found(entries: list[LedgerEntry], data: st.DataObject) -> None:
    billed = billed_entries(entries, "aurora", START_MS, START_MS + 501)
    document = invoice_from_entries(_HEADER, entries)

    if billed:
        lost = data.draw(st.sampled_from(billed))
        with pytest.raises(InvoiceMismatch):
            check_invoice(document, [each for each in entries if each is not lost])
    with pytest.raises(InvoiceMismatch):
        check_invoice(document, [*entries, entry(100, Resource.TOKENS_IN, "another", 5)])


def test_lines_sum_entries_of_one_thing_at_one_price() -> None:
    lines = invoice_lines(
        [entry(1), entry(2, quantity=1_800_000), entry(3, version=2, price_microeur=3_000_000)]
    )

    assert [(line.price_version, line.quantity, line.amount_microeur, line.entries) for line in lines] == [
        (1, 5_400_000, 3_900_000, 2),
        (2, 3_600_000, 3_000_000, 1),
    ]


def test_each_credit_stands_alone_with_its_reason() -> None:
    credits = [
        entry(1, Resource.CREDIT, "", 0, 0, amount_microeur=-5, note="a"),
        entry(2, Resource.CREDIT, "", 0, 0, amount_microeur=-6, note="b"),
    ]

    assert [(line.amount_microeur, line.note) for line in invoice_lines(credits)] == [(-5, "a"), (-6, "b")]


def test_the_total_is_rounded_once() -> None:
    # Three lines of 0.4 cents each are 1.2 cents together; rounded one by one they would vanish.
    entries = [entry(n, item=f"device-{n}", amount_microeur=4_000, quantity=0) for n in (1, 2, 3)]
    document = invoice_from_entries(_HEADER, entries)

    assert document["total_microeur"] == 12_000
    assert document["total_cents"] == 1


def test_the_first_wrong_line_is_named() -> None:
    document = _document()
    document["lines"][1]["amount_microeur"] += 1
    document["lines"][2]["amount_microeur"] += 1

    with pytest.raises(
        InvoiceMismatch, match=r"Line 2 \(tokens_in stdlib at essonne, price version 1\)"
    ) as caught:
        check_invoice(document, _ENTRIES)
    assert caught.value.detail == {"line": 2, "field": "amount_microeur"}


def test_a_line_left_out_is_named() -> None:
    document = _document()
    del document["lines"][1]
    with pytest.raises(InvoiceMismatch, match="number 3"):
        check_invoice(document, _ENTRIES)
    for number, line in enumerate(document["lines"], start=1):
        line["line"] = number
    with pytest.raises(InvoiceMismatch, match=r"leaves out") as caught:
        check_invoice(document, _ENTRIES)
    assert "tokens_in stdlib" in str(caught.value)

    document = _document()
    del document["lines"][-1]
    with pytest.raises(InvoiceMismatch, match=r"credit .*leaves out"):
        check_invoice(document, _ENTRIES)


def test_a_line_counted_twice_is_named() -> None:
    document = _document()
    document["lines"].append({**document["lines"][0], "line": len(document["lines"]) + 1})

    with pytest.raises(InvoiceMismatch, match=r"Line 5 .* no entry in the ledger"):
        check_invoice(document, _ENTRIES)


def test_an_amount_that_is_not_quantity_times_price_is_found_in_the_ledger_too() -> None:
    wrong = [entry(1, amount_microeur=2_600_010)]

    with pytest.raises(InvoiceMismatch, match="2600010 micro-EUR is not 3600000 device_ms"):
        check_invoice(invoice_from_entries(_HEADER, wrong), wrong)


def test_wrong_energy_and_totals_are_named() -> None:
    document = _document()
    document["energy"][0]["carbon_mg"] += 1
    with pytest.raises(InvoiceMismatch, match="Energy at essonne"):
        check_invoice(document, _ENTRIES)

    document = _document()
    document["total_cents"] += 1
    with pytest.raises(InvoiceMismatch, match="total to pay"):
        check_invoice(document, _ENTRIES)


def test_entries_after_the_checkpoint_wait_for_the_next_invoice() -> None:
    checkpoint = {"chain": "ledger", "seq": 1, "hash": "0" * 64, "at_ms": 1, "key_id": "k", "signature": "s"}
    document = invoice_from_entries(_HEADER, _ENTRIES, checkpoint=checkpoint)

    assert document["total_microeur"] == _ENTRIES[0].amount_microeur
    assert document["checkpoint"] == checkpoint
    check_invoice(document, _ENTRIES)


def test_the_document_has_no_float_and_a_canonical_form() -> None:
    factor = SiteFactor("essonne", "FR", 1200, 99_450, "a table")
    document = invoice_from_entries(_HEADER, _ENTRIES, (factor,))

    assert canonical_bytes(document) == canonical_bytes(json.loads(json.dumps(document)))
    assert document["factors"] == [
        {
            "site": "essonne",
            "zone": "FR",
            "pue_milli": 1200,
            "intensity_mg_per_kwh": 99_450,
            "source": "a table",
        }
    ]


def test_nothing_used_makes_an_empty_invoice_that_adds_up() -> None:
    document = invoice_from_entries(_HEADER, [])

    assert document["lines"] == []
    assert document["total_cents"] == 0
    check_invoice(document, [])


@pytest.mark.parametrize("bad", [{}, {"document": "invoice"}, {"document": "invoice", "format": 2}])
def test_what_is_no_invoice_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvoiceMalformed):
        check_invoice(bad, [])


def test_wrong_types_are_refused_and_not_crashed_on() -> None:
    for field, value in (("lines", 5), ("lines", [{}]), ("energy", None), ("period_from_ms", "x")):
        document = copy.deepcopy(_document())
        document[field] = value
        with pytest.raises(InvoiceMalformed):
            check_invoice(document, _ENTRIES)


def test_an_impossible_header_is_refused() -> None:
    with pytest.raises(InvoiceMalformed, match="number"):
        issue_invoice(InvoiceHeader(" ", (), "a", (), 0, 0, 0), [])
    with pytest.raises(InvoiceMalformed, match="before it begins"):
        issue_invoice(InvoiceHeader("1", (), "a", (), 0, 5, 4), [])
