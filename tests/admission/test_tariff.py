"""Prices in force, and amounts that are exact."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.admission import (
    NegativeQuantity,
    PriceBook,
    PriceConflict,
    amount_microeur,
    bound_microeur,
    euros,
)
from bruk.model.errors import PriceMissing
from bruk.model.ledger import Price, Resource

quantities = st.integers(0, 10**15)
prices = st.integers(0, 10**12)
units = st.sampled_from([1, 7, 1000, 1_000_000, 3_600_000])


def device(item, version, price_microeur, from_ms):
    return Price(Resource.DEVICE_TIME, item, version, price_microeur, from_ms)


@given(quantities, prices, units)
def test_an_amount_is_the_nearest_integer_and_half_goes_to_even(quantity, price, unit):
    assert amount_microeur(quantity, price, unit) == round(Fraction(quantity * price, unit))


@given(quantities, quantities, prices, prices, units)
def test_amount_and_bound_never_fall(a, b, price_a, price_b, unit):
    low, high = sorted((a, b))
    cheap, dear = sorted((price_a, price_b))
    assert amount_microeur(low, cheap, unit) <= amount_microeur(high, dear, unit)
    assert amount_microeur(low, cheap, unit) <= bound_microeur(high, dear, unit)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=30), prices, units)
def test_rounding_parts_moves_the_total_by_at_most_half_each(parts, price, unit):
    whole = amount_microeur(sum(parts), price, unit)
    total = sum(amount_microeur(part, price, unit) for part in parts)
    assert 2 * abs(total - whole) <= len(parts) + 1
    assert total <= bound_microeur(sum(parts), price, unit) + len(parts) // 2


def test_the_price_in_force_changes_at_its_date_and_not_before():
    book = PriceBook(
        [device("h100-sxm", 2, 300, 2000), device("h100-sxm", 1, 200, 1000), device("*", 1, 5, 0)]
    )
    at = [book.price(Resource.DEVICE_TIME, "h100-sxm", ms).price_microeur for ms in (999, 1000, 1999, 2000)]
    assert at == [5, 200, 200, 300]
    assert book.price(Resource.DEVICE_TIME, "mi300x", 3000).price_microeur == 5
    assert book.prices_microeur(Resource.DEVICE_TIME, 1500) == {"*": 5, "h100-sxm": 200}


def test_of_two_versions_at_the_same_moment_the_later_holds():
    book = PriceBook([device("a", 1, 1, 0), device("a", 2, 2, 0)])
    assert book.price(Resource.DEVICE_TIME, "a", 0).version == 2


def test_what_has_no_price_is_an_error_that_names_it():
    book = PriceBook([device("*", 1, 5, 1000), Price(Resource.TOKENS_IN, "m", 1, 5, 0)])
    with pytest.raises(PriceMissing, match=r"device_time of 'h100-sxm'.*\*") as error:
        book.price(Resource.DEVICE_TIME, "h100-sxm", 999)
    assert error.value.detail["item"] == "h100-sxm"
    assert "in force at 1970-01-01T00:00:00Z" in error.value.message
    with pytest.raises(PriceMissing, match=f"at {2**60} ms since 1970"):
        PriceBook().price(Resource.DEVICE_TIME, "h100-sxm", 2**60)
    with pytest.raises(PriceMissing, match="tokens_out"):
        book.quote(Resource.TOKENS_OUT, "m", 5000)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "*"]), st.integers(1, 100)), max_size=6),
    st.integers(0, 100),
    st.integers(0, 100),
)
def test_spans_cover_a_stretch_at_the_price_in_force_at_each_moment(dates, start_ms, length_ms):
    rows = [device("*", 0, 7, 0)]
    rows += [
        device(item, version, version, at_ms)
        for version, (item, at_ms) in enumerate(sorted(dates, key=lambda row: row[1]), 1)
    ]
    book = PriceBook(rows)
    spans = book.spans(Resource.DEVICE_TIME, "a", start_ms, start_ms + length_ms)
    at = [price for from_ms, to_ms, price in spans for _ in range(from_ms, to_ms)]
    assert at == [book.price(Resource.DEVICE_TIME, "a", start_ms + ms) for ms in range(length_ms)]
    assert all(before[2] != after[2] for before, after in pairwise(spans))


def test_a_stretch_before_the_first_price_is_an_error():
    with pytest.raises(PriceMissing):
        PriceBook([device("a", 1, 1, 50)]).spans(Resource.DEVICE_TIME, "a", 49, 60)


def test_a_quote_carries_what_the_ledger_records():
    quote = PriceBook([device("*", 3, 2_000_000, 0)]).quote(Resource.DEVICE_TIME, "cpu-slot", 1)
    assert (quote.item, quote.version, quote.price_microeur) == ("cpu-slot", 3, 2_000_000)
    assert quote.amount_microeur(1_800_000) == 1_000_000


def test_the_same_price_twice_is_one_price():
    book = PriceBook([device("a", 1, 1, 0), device("a", 1, 1, 0)])
    assert book.price(Resource.DEVICE_TIME, "a", 0).price_microeur == 1


@pytest.mark.parametrize(
    "rows",
    [
        [device("a", 1, 1, 0), device("a", 1, 2, 0)],
        [device("a", 1, 1, 100), device("a", 2, 2, 99)],
    ],
)
def test_contradicting_versions_are_refused(rows):
    with pytest.raises(PriceConflict, match="device_time of a"):
        PriceBook(rows)


def test_nothing_below_zero():
    with pytest.raises(NegativeQuantity):
        PriceBook([device("a", 1, -1, 0)])
    with pytest.raises(NegativeQuantity):
        amount_microeur(-1, 1, 1)
    with pytest.raises(NegativeQuantity):
        bound_microeur(1, -1, 1)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.000000 EUR"),
        (1, "0.000001 EUR"),
        (-1_500_000, "-1.500000 EUR"),
        (12_345_678_901, "12345.678901 EUR"),
    ],
)
def test_euros_have_six_decimals(amount, text):
    assert euros(amount) == text
