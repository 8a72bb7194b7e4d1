"""From a reading to the figures of a ledger entry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.facility.accelerator import cpu_slot
from bruk.facility.carbon import carbon_series, mean_day_intensity
from bruk.facility.exact import ImpossibleMeasurement
from bruk.facility.footprint import footprint
from bruk.facility.power import EnergyReading, estimate_energy
from bruk.facility.series import HOUR_MS, SeriesGap
from bruk.model.ledger import Quality

_FLAT = carbon_series(0, [100.0] * 24, "a flat day")


def test_an_hour_at_a_kilowatt() -> None:
    reading = EnergyReading(3_600_000, Quality.MEASURED, "NVML")
    figures = footprint(reading, 0, HOUR_MS, 1150, _FLAT)

    assert (figures.it_energy_j, figures.energy_j) == (3_600_000, 4_140_000)
    assert figures.carbon_mg == 115_000
    assert figures.quality is Quality.MEASURED
    assert figures.method == "NVML; intensity: a flat day"


def test_a_job_on_two_slots_for_a_minute_in_borlange() -> None:
    reading = estimate_energy(cpu_slot(1), 2 * 60_000)
    figures = footprint(reading, 0, 60_000, 1150, mean_day_intensity("SE-SE3"))

    # 1.87 W and a server factor of 1.2 for two minutes of slots.
    assert figures.it_energy_j == round(1.87 * 1.2 * 120)
    assert 0 < figures.carbon_mg < 10
    assert figures.quality is Quality.ESTIMATED


def test_an_instant_takes_the_intensity_of_its_hour() -> None:
    reading = EnergyReading(3_600_000, Quality.SHARED, "by processor time")

    assert footprint(reading, 5, 5, 1000, _FLAT).carbon_mg == 100_000


@given(st.integers(0, 10**12), st.integers(0, 23 * HOUR_MS), st.integers(0, HOUR_MS), st.integers(1000, 3000))
def test_a_worse_building_never_weighs_less(
    energy_j: int, start_ms: int, length_ms: int, pue_milli: int
) -> None:
    reading = EnergyReading(energy_j, Quality.MEASURED, "a meter")
    best = footprint(reading, start_ms, start_ms + length_ms, 1000, _FLAT)
    other = footprint(reading, start_ms, start_ms + length_ms, pue_milli, _FLAT)

    assert best.energy_j == energy_j
    assert best.energy_j <= other.energy_j
    assert best.carbon_mg <= other.carbon_mg


def test_what_cannot_be_is_refused() -> None:
    reading = EnergyReading(1, Quality.MEASURED, "a meter")
    with pytest.raises(ImpossibleMeasurement, match="PUE"):
        footprint(reading, 0, 1, 999, _FLAT)
    with pytest.raises(SeriesGap):
        footprint(reading, 0, 25 * HOUR_MS, 1000, _FLAT)
    with pytest.raises(AssertionError):
        footprint(reading, 1, 0, 1000, _FLAT)
