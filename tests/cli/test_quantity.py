"""Quantities go in exactly and come out as people read them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.cli import quantity as q
from bruk.model.errors import InvalidInput

UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@pytest.mark.parametrize(
    ("text", "ms"),
    [("90s", 90_000), ("2h", 7_200_000), ("1h30m", 5_400_000), ("1.5d", 129_600_000), (" 10 m ", 600_000)],
)
def test_durations(text, ms):
    assert q.duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "90", "-2h", "h", "2 hours", "1e3s", "0.0001s", "٣h", "9" * 19 + "s"])
def test_what_is_no_duration_is_refused_with_its_text(text):
    with pytest.raises(InvalidInput) as caught:
        q.duration_ms(text)
    assert repr(text) in caught.value.message


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(sorted(UNITS_MS))), min_size=1, max_size=5))
def test_a_duration_is_the_sum_of_its_parts(parts):
    text = "".join(f"{count}{unit}" for count, unit in parts)
    assert q.duration_ms(text) == sum(count * UNITS_MS[unit] for count, unit in parts)


def test_a_fraction_of_a_second_is_no_number_of_seconds():
    assert q.duration_s("1500ms500ms") == 2
    with pytest.raises(InvalidInput, match="whole number of seconds"):
        q.duration_s("1500ms")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4GiB", 4 * 2**30),
        ("500MB", 500_000_000),
        ("1048576", 1048576),
        ("1.5 KiB", 1536),
        ("7b", 7),
        ("2tib", 2**41),
    ],
)
def test_sizes(text, count):
    assert q.size_bytes(text) == count


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1.0000001KB", "4 Gib b", "1e9", "99999999PiB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(InvalidInput):
        q.size_bytes(text)


@given(st.integers(0, 10**15))
def test_money_comes_back_to_the_micro_euro(amount):
    assert q.microeur(q.show_eur(amount).replace(",", "")) == amount


@given(st.integers(0, 10**9), st.integers(0, 999_999))
def test_money_is_exact(euros, micro):
    assert q.microeur(f"{euros}.{micro:06d}") == Fraction(f"{euros}.{micro:06d}") * 1_000_000


@pytest.mark.parametrize(("text", "amount"), [("12.50", 12_500_000), ("€1", 1_000_000), ("0.000001 EUR", 1)])
def test_money_as_people_write_it(text, amount):
    assert q.microeur(text) == amount


@pytest.mark.parametrize("text", ["", "-1", "12,50", "1.0000001", "1e3", "NaN", "1 000", "1.", "€€1"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(InvalidInput):
        q.microeur(text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0.00"), (1_234_500_000, "1,234.50"), (1, "0.000001"), (-2_500_000, "-2.50"), (None, "-")],
)
def test_amounts_show_six_decimals_only_where_two_would_hide_something(amount, text):
    assert q.show_eur(amount) == text


def test_moments_name_their_offset_or_are_local():
    assert q.moment_ms("2026-11-22T18:00:00+00:00") == 1_795_370_400_000
    assert q.moment_ms("2026-11-22T19:00+01:00") == 1_795_370_400_000
    assert q.moment_ms("2026-11-22") % 1000 == 0


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "1969-12-31T00:00Z", "22.11.2026"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(InvalidInput):
        q.moment_ms(text)


@given(st.integers(0, 4_102_444_800))
def test_a_moment_comes_back_to_the_second(second):
    assert q.moment_ms(q.show_moment(second * 1000)) == second * 1000


@given(st.integers(0, 2**62))
def test_a_size_is_shown_with_at_most_four_digits_and_never_too_large(count):
    text = q.show_size(count)
    number, unit = text.split()
    scale = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}[unit]
    shown = Fraction(number.replace(",", ""))
    assert shown * scale <= count < (shown + Fraction(1, 10)) * scale + (1 if unit == "B" else 0)
    assert unit == "TiB" or shown < 1024


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0.0 s"),
        (59_999, "59.9 s"),
        (61_000, "1 m 01 s"),
        (7_260_000, "2 h 01 m"),
        (90_000_000, "1 d 01 h"),
    ],
)
def test_durations_show_two_units(ms, text):
    assert q.show_duration(ms) == text


def test_energy_and_carbon():
    assert q.show_kwh(3_600_000) == "1.000000"
    assert q.show_kwh(4) == "0.000001"
    assert q.show_grams(1_234_567) == "1,234.567"
