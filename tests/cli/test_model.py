"""Figures of an evaluation as people read them."""

import pytest

from bruk.cli.model import show_figure

MODEL = {
    "id": "acme-1",
    "project": "acme/models",
    "artifact": "art_1",
    "stage": "validated",
    "created_at_ms": 1,
    "evaluations": [
        {
            "id": "eval_1",
            "job": "job_1",
            "model": "acme-1",
            "figures_micro": {"bits_per_byte": 1_859_331, "heldout_bytes": 945_223_000_000},
            "gate": None,
            "passed": True,
            "record": {},
            "at_ms": 1,
        }
    ],
}


@pytest.mark.parametrize(
    ("micro", "shown"),
    [
        (945_223_000_000, "945,223"),
        (8_000_000, "8"),
        (0, "0"),
        (-3_000_000, "-3"),
        (2_031_249, "2.031"),
        (859_999, "0.860"),
        (12_345_678, "12.35"),
        (1_733_222_123_456, "1,733,222.1"),
        (-1_500_000, "-1.500"),
        (1, "0.000001"),
    ],
)
def test_a_whole_number_is_whole_and_a_ratio_has_a_few_digits(micro, shown):
    assert show_figure(micro) == shown


def test_a_model_shows_its_figures_so(bruk, control):
    control.answers["GET /models/acme-1"] = MODEL
    status, out, err = bruk("model", "show", "acme-1")
    assert (status, err) == (0, "")
    assert ["bits_per_byte", "1.859"] in [line.split() for line in out.splitlines()]
    assert ["heldout_bytes", "945,223"] in [line.split() for line in out.splitlines()]
