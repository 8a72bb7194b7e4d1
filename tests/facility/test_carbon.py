"""Joules and grid intensity become milligrams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.facility.carbon import (
    UnknownZone,
    carbon_mg,
    carbon_series,
    carbon_zones,
    mean_day_intensity,
    mean_year_intensity,
)
from bruk.facility.exact import ImpossibleMeasurement
from bruk.facility.series import HOUR_MS, EnergySlice

_KWH_J = 3_600_000


def test_a_kilowatt_hour_weighs_its_intensity() -> None:
    series = carbon_series(0, (50.51,), "a feed")

    assert carbon_mg([EnergySlice(0, HOUR_MS, _KWH_J)], series) == 50_510


def test_an_evenly_used_hour_across_two_intensities_takes_their_mean() -> None:
    series = carbon_series(0, (10, 30), "a feed")

    assert carbon_mg([EnergySlice(HOUR_MS // 2, HOUR_MS * 3 // 2, _KWH_J)], series) == 20_000


@given(
    st.integers(0, 10**12), st.integers(0, 10**12), st.lists(st.integers(0, 10**6), min_size=1, max_size=24)
)
def test_more_energy_never_weighs_less(energy_j: int, more_j: int, values: list[int]) -> None:
    series = carbon_series(0, values, "a feed")
    end_ms = len(values) * HOUR_MS

    less = carbon_mg([EnergySlice(0, end_ms, energy_j)], series)
    assert 0 <= less <= carbon_mg([EnergySlice(0, end_ms, energy_j + more_j)], series)


@given(st.integers(0, 10**12), st.floats(0, 2000), st.floats(0, 2000))
def test_a_dirtier_grid_never_weighs_less(energy_j: int, value: float, other: float) -> None:
    profile = [EnergySlice(0, HOUR_MS, energy_j)]
    clean, dirty = sorted((value, other))

    assert carbon_mg(profile, carbon_series(0, (clean,), "a")) <= carbon_mg(
        profile, carbon_series(0, (dirty,), "b")
    )


@pytest.mark.parametrize("zone", carbon_zones())
def test_the_mean_day_of_each_zone_averages_to_its_year(zone: str) -> None:
    day = mean_day_intensity(zone)
    year = mean_year_intensity(zone)

    assert len(day.values_milli) == 24
    assert sum(day.values_milli) / 24 == pytest.approx(year.values_milli[0], abs=50)
    assert day.repeats
    assert "Electricity Maps" in day.source


def test_sweden_is_cleaner_than_germany() -> None:
    assert mean_year_intensity("SE-SE3").values_milli < mean_year_intensity("DE").values_milli


def test_an_unknown_zone_names_the_known_ones() -> None:
    with pytest.raises(UnknownZone, match="SE-SE3"):
        mean_day_intensity("MARS")
    with pytest.raises(UnknownZone, match="feed"):
        mean_year_intensity("")


def test_a_negative_intensity_is_refused() -> None:
    with pytest.raises(ImpossibleMeasurement, match="Hour 0 of a feed"):
        carbon_series(0, (-1.0,), "a feed")
