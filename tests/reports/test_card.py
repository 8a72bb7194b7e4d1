"""The evaluation card: a small honest table."""

import math
from typing import Any

import pytest

from bruk.reports.card import Baseline, CardMalformed, Evaluation, card_html, card_text, issue_card
from bruk.seal import canonical_bytes


def _evaluation(passed: bool | None = True, bits_per_byte: float = 1.7312) -> Evaluation:
    return Evaluation(
        model="stdlib-2m",
        bits_per_byte=bits_per_byte,
        baselines=(
            Baseline("uniform bytes", 8.0),
            Baseline("gzip -9, each file", 2.06),
            Baseline("xz -9, one stream", 1.69),
        ),
        held_out="modules of the standard library",
        held_out_bytes=912_331,
        at_ms=1_795_000_000_000,
        gate="at least 10 % fewer bits than gzip -9, each file",
        passed=passed,
    )


def test_the_table_is_ordered_and_compared() -> None:
    lines = card_text(issue_card(_evaluation())).splitlines()
    names = [line[2:38].strip() for line in lines[4:8]]

    assert names == ["xz -9, one stream", "stdlib-2m", "gzip -9, each file", "uniform bytes"]
    assert lines[5].startswith("> stdlib-2m")
    assert lines[4].endswith("+2.4 %")
    assert lines[6].endswith("-16.0 %")


def test_the_verdict_is_the_records() -> None:
    assert "Passed: may be served." in card_text(issue_card(_evaluation(True)))
    assert "Not passed: cannot be served." in card_html(issue_card(_evaluation(False)))
    assert "stamp" in card_html(issue_card(_evaluation(False))).split("<main>")[1]
    assert 'class="stamp' not in card_html(issue_card(_evaluation(None)))


def test_the_document_can_be_signed() -> None:
    document = issue_card(_evaluation())

    assert canonical_bytes(document)
    assert document["microbits_per_byte"] == 1_731_200


@pytest.mark.parametrize("bits", [-1.0, math.nan, math.inf])
def test_impossible_figures_are_refused(bits: float) -> None:
    with pytest.raises(CardMalformed, match="stdlib-2m"):
        issue_card(_evaluation(bits_per_byte=bits))


@pytest.mark.parametrize("bad", [{}, {"document": "evaluation-card", "format": 2}])
def test_what_is_no_card_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(CardMalformed):
        card_text(bad)


def test_a_model_without_baselines_still_has_a_card() -> None:
    alone = Evaluation("m", 0.0, (), "nothing", 0, 0)

    assert "0.000" in card_text(issue_card(alone))
