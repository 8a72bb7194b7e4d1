"""The cleanest start: against every minute of the window, and against a year as it was."""

import csv
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.facility.carbon import carbon_mg, carbon_series
from bruk.facility.series import HOUR_MS, EnergySlice, SeriesGap
from bruk.facility.shift import least_start

MINUTE_MS = 60_000
YEAR = Path(__file__).parents[3] / "shared" / "data" / "grid" / "carbon_intensity_2022.csv"


@given(
    values=st.lists(st.integers(0, 9), min_size=6, max_size=8),
    begins=st.integers(0, 59),
    length=st.integers(1, 150),
    earliest=st.integers(60, 120),
    window=st.integers(0, 90),
)
def test_it_equals_the_best_of_every_minute(values, begins, length, earliest, window):
    series = carbon_series(begins * MINUTE_MS, values, "a feed")
    means = {}
    for start in range(earliest, earliest + window + 1):
        hours = [(minute - begins) // 60 for minute in range(start, start + length)]
        means[start] = Fraction(sum(1000 * values[hour] for hour in hours), length)
    found = least_start(series, length * MINUTE_MS, earliest * MINUTE_MS, (earliest + window) * MINUTE_MS)
    assert found.mean_milli == min(means.values())
    assert found.start_ms == MINUTE_MS * min(start for start in means if means[start] == found.mean_milli)


def test_the_mean_is_that_of_the_carbon_of_the_run() -> None:
    series = carbon_series(0, (50, 20, 10, 90), "a feed")
    found = least_start(series, 3 * HOUR_MS // 2, 0, 2 * HOUR_MS)
    assert (found.start_ms, found.mean_milli) == (HOUR_MS * 3 // 2, Fraction(40_000, 3))
    run = EnergySlice(found.start_ms, found.start_ms + 3 * HOUR_MS // 2, 3 * 3_600_000)
    assert carbon_mg([run], series) == 40_000


def test_a_window_that_the_series_does_not_cover_is_refused() -> None:
    with pytest.raises(SeriesGap):
        least_start(carbon_series(0, (1, 2), "a feed"), HOUR_MS, 0, 2 * HOUR_MS)


@pytest.mark.skipif(not YEAR.is_file(), reason=f"{YEAR.name} is not there")
@pytest.mark.parametrize("zone", ["FR", "SE-SE3", "ES", "IT-NO", "FI", "LU", "DE", "GR"])
def test_an_hour_of_work_shifted_by_up_to_a_day_meets_the_least_hour_of_that_day(zone: str) -> None:
    """Each hour of 2022 in each zone of the file (Electricity Maps via EuroSys'24)."""
    with YEAR.open(encoding="utf-8", newline="") as stream:
        values = [float(row[zone]) for row in csv.DictReader(stream)]
    assert len(values) == 8759
    series = carbon_series(0, values, zone)
    milli = series.values_milli
    for hour in range(len(milli) - 24):
        found = least_start(series, HOUR_MS, hour * HOUR_MS, (hour + 24) * HOUR_MS)
        least = min(milli[hour : hour + 25])
        assert found.mean_milli == least
        assert found.start_ms == HOUR_MS * milli.index(least, hour)
