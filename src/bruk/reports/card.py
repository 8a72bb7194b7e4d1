"""The evaluation card: how well a model predicts text it never saw, beside what anyone can measure.

Fewer bits for each byte are better. The baselines stand in the same table, measured on the same bytes; the
gate's rule and its outcome stand below. The card shows an evaluation's record and judges nothing itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from bruk.model.errors import InvalidInput
from bruk.reports import display
from bruk.reports.page import render_page

_BAR_COLUMNS = 30


class CardMalformed(InvalidInput):
    """A document is no evaluation card, or a figure of it is impossible."""

    code = "evaluation_card_malformed"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the model is compared with.

    Attributes:
        name: such as `gzip -9, each file by itself`.
        bits_per_byte: on the same held-out bytes [bit/B].
    """

    name: str
    bits_per_byte: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of one model.

    Attributes:
        model: its name.
        bits_per_byte: of the model on the held-out bytes [bit/B].
        baselines: what it is compared with.
        held_out: what it was measured on, in words.
        held_out_bytes: how much of it [B].
        at_ms: when, since the epoch, UTC [ms].
        gate: the rule that lets the model be served, in words; empty where there is none.
        passed: whether the rule was met; none where there is none.
    """

    model: str
    bits_per_byte: float
    baselines: tuple[Baseline, ...]
    held_out: str
    held_out_bytes: int
    at_ms: int
    gate: str = ""
    passed: bool | None = None


def issue_card(evaluation: Evaluation) -> dict[str, Any]:
    """The card as a document: JSON values without floats, bits counted in millionths.

    Raises:
        CardMalformed: when a figure is negative or no finite number.
    """
    return {
        "document": "evaluation-card",
        "format": 1,
        "model": evaluation.model,
        "microbits_per_byte": _microbits(evaluation.model, evaluation.bits_per_byte),
        "baselines": [
            {"name": each.name, "microbits_per_byte": _microbits(each.name, each.bits_per_byte)}
            for each in evaluation.baselines
        ],
        "held_out": evaluation.held_out,
        "held_out_bytes": evaluation.held_out_bytes,
        "at_ms": evaluation.at_ms,
        "gate": evaluation.gate,
        "passed": evaluation.passed,
    }


def card_text(document: Mapping[str, Any]) -> str:
    """The card as plain text, best first.

    Raises:
        CardMalformed: when the document is no card.
    """
    rows = _rows(document)
    out = [
        f"EVALUATION OF {display.plain(document['model'])}, {display.moment(document['at_ms'])}",
        f"  {document['held_out_bytes']:,} held-out bytes: {display.plain(document['held_out'])}",
        "",
        f"  {'bits per byte, less is better':<36}",
    ]
    for row in rows:
        bar = "#" * max(1, round(Fraction(row["share_milli"] * _BAR_COLUMNS, 1000)))
        mark = ">" if row["is_model"] else " "
        out.append(f"{mark} {display.plain(row['name']):<36} {row['bits']:>7}  {bar:<30} {row['against']:>9}")
    if document["gate"]:
        out += ["", f"  gate: {display.plain(document['gate'])}", f"  {_verdict(document)}"]
    return "\n".join(line.rstrip() for line in out) + "\n"


def card_html(document: Mapping[str, Any]) -> str:
    """The card as one printable page that asks for nothing outside itself.

    Raises:
        CardMalformed: when the document is no card.
    """
    return render_page("card.html", doc=document, rows=_rows(document), verdict=_verdict(document))


def _rows(document: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    if document.get("document") != "evaluation-card" or document.get("format") != 1:
        raise CardMalformed(
            f"Expected an evaluation card of format 1, found {document.get('document')!r} of format "
            f"{document.get('format')!r}."
        )
    own = document["microbits_per_byte"]
    named = [(document["model"], own, True)]
    named += [(each["name"], each["microbits_per_byte"], False) for each in document["baselines"]]
    most = max(bits for _, bits, _ in named) or 1
    return [
        {
            "name": name,
            "bits": display.decimal(round(Fraction(bits, 1000)), 3),
            "share_milli": bits * 1000 // most,
            "is_model": is_model,
            "against": "" if is_model or bits == 0 else _difference(own, bits),
        }
        for name, bits, is_model in sorted(named, key=lambda each: (each[1], not each[2], each[0]))
    ]


def _difference(own: int, other: int) -> str:
    """How many fewer or more bits the model needs than a baseline [%]."""
    permille = round(Fraction((own - other) * 1000, other))
    return f"{'+' if permille > 0 else ''}{display.decimal(permille, 1)} %"


def _verdict(document: Mapping[str, Any]) -> str:
    if document["passed"] is None:
        return "No gate was set."
    return "Passed: may be served." if document["passed"] else "Not passed: cannot be served."


def _microbits(name: str, bits_per_byte: float) -> int:
    # A comparison with itself is false for what is no number at all, and infinity fails the limit.
    if not 0 <= bits_per_byte < 1_000_000:
        raise CardMalformed(
            f"{bits_per_byte} bits per byte of {name!r} is impossible. Look at the evaluation's log."
        )
    return round(bits_per_byte * 1_000_000)
