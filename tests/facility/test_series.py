"""The integral over an hourly series is exact and does not depend on how a profile is cut."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.facility.exact import ImpossibleMeasurement
from bruk.facility.series import (
    HOUR_MS,
    EnergySlice,
    HourlySeries,
    SeriesGap,
    constant_series,
    hourly_series,
    integrate,
)

_series = st.builds(
    HourlySeries,
    start_ms=st.integers(-(10**9), 10**13),
    values_milli=st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=30).map(tuple),
    unit=st.just("x"),
    source=st.just("a test"),
    repeats=st.just(True),
)


@st.composite
def _slices(draw: st.DrawFn) -> EnergySlice:
    start_ms = draw(st.integers(0, 10**13))
    return EnergySlice(start_ms, start_ms + draw(st.integers(1, 200 * HOUR_MS)), draw(st.integers(0, 10**12)))


@given(_slices(), _series, st.integers(1, 50))
def test_cutting_a_slice_changes_nothing(whole: EnergySlice, series: HourlySeries, parts: int) -> None:
    # Energy and time grow by the same factor, so that each part holds whole joules.
    length_ms = whole.end_ms - whole.start_ms
    start_ms = whole.start_ms
    long = EnergySlice(start_ms, start_ms + length_ms * parts, whole.energy_j * parts)
    pieces = [
        EnergySlice(start_ms + length_ms * n, start_ms + length_ms * (n + 1), whole.energy_j)
        for n in range(parts)
    ]

    assert integrate(pieces, series) == integrate([long], series)


@given(st.lists(_slices(), max_size=5), st.lists(_slices(), max_size=5), _series)
def test_the_integral_of_two_profiles_is_the_sum(
    first: list[EnergySlice], second: list[EnergySlice], series: HourlySeries
) -> None:
    assert integrate(first + second, series) == integrate(first, series) + integrate(second, series)


@given(_slices(), st.integers(-(10**6), 10**6))
def test_a_constant_series_weighs_all_energy_alike(piece: EnergySlice, value: int) -> None:
    series = HourlySeries(0, (value,), "x", "a test", repeats=True)

    assert integrate([piece], series) == piece.energy_j * value


@given(_slices(), _series)
def test_the_mean_lies_between_the_extremes(piece: EnergySlice, series: HourlySeries) -> None:
    total = integrate([piece], series)

    assert min(series.values_milli) * piece.energy_j <= total <= max(series.values_milli) * piece.energy_j


def test_hours_weigh_by_their_share_of_the_slice() -> None:
    series = hourly_series(0, (100, 400), "x", "a test")
    piece = EnergySlice(HOUR_MS // 2, HOUR_MS // 2 + HOUR_MS, 3_600)

    assert integrate([piece], series) == Fraction(3_600 * (100_000 + 400_000), 2)


def test_hours_count_from_the_start_of_the_series() -> None:
    series = hourly_series(HOUR_MS // 2, (1, 2), "x", "a test")

    assert series.milli_at(HOUR_MS // 2) == 1_000
    assert series.milli_at(HOUR_MS + HOUR_MS // 2 - 1) == 1_000
    assert series.milli_at(HOUR_MS + HOUR_MS // 2) == 2_000


def test_a_series_ends_unless_it_repeats() -> None:
    once = hourly_series(0, (1, 2), "x", "a test")
    again = hourly_series(0, (1, 2), "x", "a test", repeats=True)

    assert again.milli_at(-1) == 2_000
    assert again.milli_at(2 * HOUR_MS) == 1_000
    for at_ms in (-1, 2 * HOUR_MS):
        with pytest.raises(SeriesGap, match="longer series"):
            once.milli_at(at_ms)
    with pytest.raises(SeriesGap):
        integrate([EnergySlice(HOUR_MS, 3 * HOUR_MS, 1)], once)


def test_a_feed_with_bad_values_is_refused() -> None:
    with pytest.raises(ImpossibleMeasurement, match="Hour 1"):
        hourly_series(0, (1.0, math.nan), "x", "a feed")
    with pytest.raises(ImpossibleMeasurement, match="below 0"):
        hourly_series(0, (-1.0,), "x", "a feed", least=0)
    with pytest.raises(SeriesGap, match="empty"):
        hourly_series(0, (), "x", "a feed")


def test_a_constant_series_has_no_end() -> None:
    assert constant_series(26.3, "x", "a test").milli_at(10**15) == 26_300
