"""Joules and prices become micro-euro, and what has no price is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.facility.accelerator import accelerators
from bruk.facility.carbon import carbon_series
from bruk.facility.price import (
    energy_price_microeur,
    example_price,
    example_prices,
    mean_year_price,
    price_series,
)
from bruk.facility.series import HOUR_MS, EnergySlice
from bruk.model.errors import PriceMissing
from bruk.model.ledger import Resource

_KWH_J = 3_600_000


def test_a_megawatt_hour_costs_its_price() -> None:
    series = price_series(0, (46.60,), "a feed")

    assert energy_price_microeur([EnergySlice(0, HOUR_MS, 1000 * _KWH_J)], series) == 46_600_000


def test_a_negative_price_pays() -> None:
    series = price_series(0, (-2.08,), "a feed")

    assert energy_price_microeur([EnergySlice(0, HOUR_MS, _KWH_J)], series) == -2_080


@given(st.integers(0, 10**9), st.lists(st.integers(-500, 4000), min_size=1, max_size=48))
def test_price_stays_between_the_cheapest_and_dearest_hour(energy_j: int, values: list[int]) -> None:
    series = price_series(0, values, "a feed")
    price = energy_price_microeur([EnergySlice(0, len(values) * HOUR_MS, energy_j)], series)

    least = energy_j * min(values) * 1000 / _KWH_J
    most = energy_j * max(values) * 1000 / _KWH_J
    assert least - 1 <= price <= most + 1


def test_a_series_of_another_unit_is_a_programmer_error() -> None:
    with pytest.raises(AssertionError, match="EUR/MWh"):
        energy_price_microeur([], carbon_series(0, (1.0,), "a feed"))


def test_mean_prices_say_what_backs_them() -> None:
    assert mean_year_price("SE-SE3").values_milli == (129_210,)
    assert "ENTSO-E" in mean_year_price("SE-SE3").source
    assert mean_year_price("FR").source.startswith("unverified")


def test_a_zone_without_a_price_is_an_error() -> None:
    with pytest.raises(PriceMissing, match="GR") as caught:
        mean_year_price("GR")

    assert caught.value.detail == {"zone": "GR"}


def test_every_accelerator_has_an_example_price() -> None:
    priced = {price.item for price in example_prices() if price.resource is Resource.DEVICE_TIME}

    assert priced == {device.name for device in accelerators()}
    assert all(price.price_microeur > 0 for price in example_prices())


def test_example_prices_answer_by_item_or_for_any() -> None:
    assert example_price(Resource.DEVICE_TIME, "h100-sxm").price_microeur == 2_600_000
    assert example_price(Resource.TOKENS_OUT, "some-model").price_microeur == 1_200_000
    with pytest.raises(PriceMissing, match="abacus"):
        example_price(Resource.DEVICE_TIME, "abacus")
