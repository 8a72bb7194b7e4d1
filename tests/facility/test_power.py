"""Watts become joules, and shared joules add up to the meter."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.facility.accelerator import accelerator
from bruk.facility.exact import ImpossibleMeasurement
from bruk.facility.power import (
    EnergyReading,
    device_power_w,
    estimate_energy,
    facility_energy_j,
    it_energy_j,
    share_energy,
    weakest,
)
from bruk.model.ledger import Quality

_HOUR_MS = 3_600_000


def test_a_board_draws_between_rest_and_full_load() -> None:
    device = accelerator("h100-sxm")

    assert device_power_w(device, 0) == device.idle_power_w
    assert device_power_w(device, 1) == 700
    assert device_power_w(device, 0.5) == (700 + device.idle_power_w) / 2


def test_an_hour_of_eight_h100_is_the_measured_node() -> None:
    device = accelerator("h100-sxm")
    reading = estimate_energy(device, 8 * _HOUR_MS)

    # 6.85 kW AC were measured for such a node in training.
    assert reading.energy_j == pytest.approx(6_850 * 3600, rel=0.001)
    assert reading.quality is Quality.ESTIMATED
    assert "h100-sxm" in reading.method


def test_it_energy_is_power_times_time() -> None:
    assert it_energy_j(_HOUR_MS, 1000) == 3_600_000
    assert it_energy_j(_HOUR_MS, 1000, 1.2) == 4_320_000


def test_a_decimal_factor_means_the_decimal() -> None:
    # 1.1 in binary is a little more than 1.1 and would round this up.
    assert it_energy_j(5_000, 1, 1.1) == 6  # 5.5, half to even
    assert facility_energy_j(10, 1050) == 10  # 10.5, half to even
    assert facility_energy_j(30, 1050) == 32  # 31.5, half to even


@given(st.integers(0, 10**15), st.integers(1000, 3000))
def test_a_site_uses_at_least_what_its_it_uses(it_j: int, pue_milli: int) -> None:
    assert facility_energy_j(it_j, pue_milli) >= it_j
    assert facility_energy_j(it_j, 1000) == it_j


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.floats(0, 1), st.floats(0, 1))
def test_more_time_or_load_never_uses_less(
    device_ms: int, more_ms: int, load: float, more_load: float
) -> None:
    device = accelerator("gb300")
    low, high = sorted((load, more_load))

    less = estimate_energy(device, device_ms, low).energy_j
    assert less <= estimate_energy(device, device_ms + more_ms, low).energy_j
    assert less <= estimate_energy(device, device_ms, high).energy_j


@given(st.integers(0, 10**15), st.dictionaries(st.text(max_size=8), st.integers(0, 10**9), min_size=1))
def test_shared_energy_adds_up_to_the_meter(meter_j: int, weights: dict[str, int]) -> None:
    readings = share_energy(meter_j, weights, "by processor time")

    assert sum(reading.energy_j for reading in readings.values()) == meter_j
    assert {reading.quality for reading in readings.values()} == {Quality.SHARED}
    assert set(readings) == set(weights)


def test_a_sum_is_as_good_as_its_weakest_part() -> None:
    assert weakest(Quality.MEASURED, Quality.SHARED) is Quality.SHARED
    assert weakest(Quality.ESTIMATED, Quality.SHARED) is Quality.ESTIMATED
    assert weakest(Quality.MEASURED, Quality.MEASURED) is Quality.MEASURED


@pytest.mark.parametrize("load", [-0.1, 1.1, math.nan, math.inf])
def test_an_impossible_load_is_refused(load: float) -> None:
    with pytest.raises(ImpossibleMeasurement, match="utilisation"):
        device_power_w(accelerator("h200"), load)


def test_impossible_energies_are_refused() -> None:
    with pytest.raises(ImpossibleMeasurement, match="PUE"):
        facility_energy_j(1, 999)
    with pytest.raises(ImpossibleMeasurement, match="time on devices"):
        it_energy_j(-1, 700)
    with pytest.raises(ImpossibleMeasurement, match="overhead"):
        it_energy_j(1, 700, 0.9)
    with pytest.raises(AssertionError):
        EnergyReading(-1, Quality.MEASURED, "a meter")
