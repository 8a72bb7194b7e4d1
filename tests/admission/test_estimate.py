"""Upper bounds are never below what can be billed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.admission import (
    NegativeQuantity,
    PriceBook,
    job_estimate,
    prompt_tokens_bound,
    request_amount_microeur,
    request_bound,
)
from bruk.model.errors import PriceMissing
from bruk.model.ledger import Price, Resource
from bruk.model.workload import Resources

tokens = st.integers(0, 10**6)


def book(device=0, token_in=0, token_out=0):
    return PriceBook(
        [
            Price(Resource.DEVICE_TIME, "*", 1, device, 0),
            Price(Resource.TOKENS_IN, "*", 1, token_in, 0),
            Price(Resource.TOKENS_OUT, "*", 1, token_out, 0),
        ]
    )


def test_a_job_for_an_hour_on_sixteen_devices():
    estimate = job_estimate(
        book(device=2_500_000),
        Resources(nodes=2, devices=8),
        "h100-sxm",
        3_600_000,
        1,
        facility_power_w=12_000,
        carbon_g_per_kwh=50,
    )
    assert estimate.device_ms == 16 * 3_600_000
    assert estimate.amount_microeur == 40_000_000
    assert estimate.energy_j == 12 * 3_600_000
    assert estimate.carbon_mg == 12 * 50 * 1000


@given(
    st.integers(0, 10**9),
    st.integers(1, 4),
    st.lists(st.integers(0, 10**7), min_size=1, max_size=20),
)
def test_metering_in_intervals_never_exceeds_the_estimate(price, devices, intervals_ms):
    prices = book(device=price)
    estimate = job_estimate(
        prices, Resources(1, devices), "a", sum(intervals_ms), 0, intervals=len(intervals_ms)
    )
    quote = prices.quote(Resource.DEVICE_TIME, "a", 0)
    billed = sum(quote.amount_microeur(devices * ms) for ms in intervals_ms)
    assert billed <= estimate.amount_microeur


def test_a_job_without_a_price_is_refused_and_so_are_negative_figures():
    with pytest.raises(PriceMissing):
        job_estimate(PriceBook(), Resources(), "a", 1000, 0)
    with pytest.raises(NegativeQuantity):
        job_estimate(book(), Resources(), "a", -1, 0)


@given(tokens, tokens, tokens, st.integers(0, 4096), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_request_never_costs_more_than_its_bound(
    used_in, used_out, max_tokens, context, price_in, price_out
):
    prices = book(token_in=price_in, token_out=price_out)
    quote_in = prices.quote(Resource.TOKENS_IN, "m", 0)
    quote_out = prices.quote(Resource.TOKENS_OUT, "m", 0)
    bound = request_bound(quote_in, quote_out, used_in, max_tokens, context)
    spent_in, spent_out = min(used_in, context), min(used_out, max_tokens, context)
    assert request_amount_microeur(quote_in, quote_out, spent_in, spent_out) <= bound.amount_microeur


def test_without_max_tokens_the_context_is_the_bound():
    prices = book(token_in=1_000_000, token_out=2_000_000)
    bound = request_bound(
        prices.quote(Resource.TOKENS_IN, "m", 0), prices.quote(Resource.TOKENS_OUT, "m", 0), 10, None, 1024
    )
    assert (bound.tokens_in, bound.tokens_out, bound.amount_microeur) == (10, 1024, 10 + 2 * 1024)


def test_a_prompt_is_at_most_its_bytes_and_the_template():
    text = "smörgås 🍞"
    assert prompt_tokens_bound(len(text.encode()), messages=1, extra_per_message=8) == 14 + 16
