"""Quantities are written exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.reports import display


@pytest.mark.parametrize(
    ("microeur", "cents"),
    [(0, 0), (4_999, 0), (5_000, 0), (5_001, 1), (15_000, 2), (25_000, 2), (-5_000, 0), (-15_000, -2)],
)
def test_cents_round_half_to_even(microeur: int, cents: int) -> None:
    assert display.cents(microeur) == cents


@given(st.integers(-(10**15), 10**15), st.integers(1, 9))
def test_a_decimal_reads_back_exactly(scaled: int, places: int) -> None:
    text = display.decimal(scaled, places)

    assert Decimal(text.replace(",", "")) == Decimal(scaled).scaleb(-places)
    assert Decimal(display.decimal(scaled, places, 0).replace(",", "")) == Decimal(scaled).scaleb(-places)


def test_amounts_prices_and_quantities_in_words() -> None:
    assert display.euros_exact(1_234_567_890) == "1,234.567890"
    assert display.euros(1_234_567_890) == "1,234.57"
    assert display.euros(-1) == "0.00"
    assert display.price(2_600_000) == "2.60"
    assert display.price(123_456) == "0.123456"
    assert display.quantity(5_400_000, "device_ms") == "1.500000"
    assert display.quantity(1_234_567, "token") == "1,234,567"
    assert display.priced_unit("device_ms", 3_600_000) == "device-hour"
    assert display.priced_unit("token", 1_000_000) == "million tokens"
    assert display.kilowatt_hours(3_600_000) == "1.000"
    assert display.grams(26_300) == "26.300"
    assert display.ratio(1150) == "1.15"
    assert display.count(None) == "–"


def test_moments_are_utc_and_never_fail() -> None:
    assert display.moment(0) == "1970-01-01 00:00:00 UTC"
    assert display.moment(1_795_000_000_999) == "2026-11-18 11:06:40 UTC"
    assert display.moment(10**30) == f"{10**30} ms since the epoch"


@given(st.text())
def test_plain_text_is_printable_and_on_one_line(text: str) -> None:
    assert display.plain(text).isprintable()


def test_terminal_and_direction_tricks_are_taken_out() -> None:
    assert "\x1b" not in display.plain("\x1b[31mred")
    assert "\u202e" not in display.plain("abc\u202edef")
    assert display.plain("two\nlines") == "two lines"
    assert display.plain("Åse Öberg 日本") == "Åse Öberg 日本"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "  =1", "\t=1"])
def test_spreadsheets_see_text_not_formulas(text: str) -> None:
    assert display.spreadsheet_text(text).startswith("'")


def test_ordinary_text_stays_as_it_is() -> None:
    assert display.spreadsheet_text("h100-sxm") == "h100-sxm"
