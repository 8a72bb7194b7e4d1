"""What people see: every figure, nothing executable, nothing fetched."""

import csv
import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from bruk.model.ledger import Quality, Resource
from bruk.model.switch import Acknowledgement, EnforcerKind, Hold, HoldScope
from bruk.reports.card import Baseline, Evaluation, card_html, issue_card
from bruk.reports.invoice import InvoiceHeader, SiteFactor, invoice_from_entries
from bruk.reports.invoice_view import invoice_csv, invoice_html, invoice_text
from bruk.reports.receipt import Enforcer, ReceiptHeader, issue_receipt
from bruk.reports.receipt_view import receipt_html, receipt_text

from .ledger_samples import START_MS, entry

_HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e\"'&"


class _Tags(HTMLParser):
    """Collects tags and the attributes that could fetch or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


def _invoice(name: str) -> dict[str, Any]:
    header = InvoiceHeader(name, (name,), "aurora", (name, name), START_MS, START_MS, START_MS + 1)
    entries = [
        entry(
            1, item=name, project=name, site=name, energy_j=3_600_000, carbon_mg=5, quality=Quality.MEASURED
        ),
        entry(2, Resource.CREDIT, "", 0, 0, amount_microeur=-1, note=name),
        entry(3, Resource.TOKENS_OUT, "a-model", 402_113, 1_200_000),
    ]
    checkpoint = {"chain": "ledger", "seq": 3, "hash": name, "at_ms": 1, "key_id": name, "signature": name}
    return invoice_from_entries(header, entries, (SiteFactor(name, name, 1150, 23_430, name),), checkpoint)


def _receipt(name: str) -> dict[str, Any]:
    acknowledgement = Acknowledgement(EnforcerKind.AGENT, name, 7, START_MS, 1234, 5, 3)
    return issue_receipt(
        ReceiptHeader(name, "off", "site", name, 7, name, START_MS, START_MS, name, (name,)),
        [Hold("hold_1", HoldScope.SITE, name, 7, name, START_MS, name)],
        [Enforcer(EnforcerKind.AGENT, name, acknowledgement), Enforcer(EnforcerKind.GATEWAY, "gw-silent")],
    )


def _card(name: str) -> dict[str, Any]:
    baselines = (Baseline(name, 2.06), Baseline("uniform bytes", 8.0))
    return issue_card(Evaluation(name, 1.7312, baselines, name, 912_331, START_MS, name, True))


def _pages(name: str) -> list[str]:
    return [invoice_html(_invoice(name)), receipt_html(_receipt(name)), card_html(_card(name))]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_pages_run_and_fetch_nothing(index: int) -> None:
    page = _pages(_HOSTILE)[index]
    tags = _Tags()
    tags.feed(page)

    assert not {"script", "img", "link", "iframe", "object", "form", "a"} & set(tags.tags)
    assert not {"src", "href", "action"} & tags.attributes
    assert not any(name.startswith("on") for name in tags.attributes)
    assert not re.search(r"https?:|url\(|@import", page)
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


@pytest.mark.parametrize("index", [0, 1, 2])
def test_pages_have_no_control_or_direction_characters(index: int) -> None:
    page = _pages(_HOSTILE)[index]

    assert "&lt;script&gt;" in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_texts_cannot_steer_a_terminal() -> None:
    for text in (invoice_text(_invoice(_HOSTILE)), receipt_text(_receipt(_HOSTILE))):
        assert all(line.isprintable() for line in text.splitlines())


def test_an_invoice_shows_its_figures_in_every_view() -> None:
    document = _invoice("essonne")
    page, text = invoice_html(document), invoice_text(document)

    for shown in ("1.000000", "2.60", "402,113", "3.082535", "3.08", "1.000", "1.15", "23.430", "measured"):
        assert shown in page, shown
        assert shown in text, shown


def test_the_table_holds_exact_integers() -> None:
    document = _invoice("=cmd()")
    rows = list(csv.DictReader(io.StringIO(invoice_csv(document))))

    assert [int(row["amount_microeur"]) for row in rows] == [
        line["amount_microeur"] for line in document["lines"]
    ]
    assert sum(int(row["amount_microeur"]) for row in rows) == document["total_microeur"]
    assert rows[0]["item"] == "'=cmd()"
    assert rows[-1]["amount_microeur"] == "-1"


def test_an_empty_invoice_says_so() -> None:
    document = invoice_from_entries(InvoiceHeader("1", ("s",), "aurora", ("b",), 0, 0, 0), [])

    assert "Nothing was used" in invoice_text(document)
    assert "Nothing was used" in invoice_html(document)
    assert "No checkpoint" in invoice_html(document)


def test_views_are_the_same_for_the_same_document() -> None:
    assert _pages("essonne") == _pages("essonne")
