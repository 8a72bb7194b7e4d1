"""Numbers for people."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.console import figures


@pytest.mark.parametrize(
    ("microeur", "shown"),
    [
        (0, "0.00"),
        (1, "0.000001"),
        (5040, "0.00504"),
        (150_000, "0.15"),
        (205_000, "0.205"),
        (1_000_000, "1.00"),
        (1_234_567_890, "1,234.57"),
        (-2_500_000, "-2.50"),
    ],
)
def test_amounts(microeur, shown):
    assert figures.euros(microeur) == shown


@pytest.mark.parametrize(
    ("joules", "shown"),
    [(0, "0"), (3_600_000, "1"), (360, "0.0001"), (4_320_000_000, "1,200"), (44_000_000, "12.2")],
)
def test_energy(joules, shown):
    assert figures.kwh(joules) == shown


@pytest.mark.parametrize(
    ("joules", "shown"),
    [
        (0, ("0", "kWh")),
        (28, ("7.78", "mWh")),
        (3600, ("1", "Wh")),
        (360_000, ("0.1", "kWh")),
        (74_520_000, ("20.7", "kWh")),
    ],
)
def test_energy_in_the_unit_that_can_be_read(joules, shown):
    assert figures.energy(joules) == shown


@pytest.mark.parametrize(
    ("carbon_mg", "shown"),
    [
        (0, ("0", "gCO2e")),
        (7, ("7", "mgCO2e")),
        (1_694_000, ("1,694", "gCO2e")),
        (12_300_000, ("12.3", "kgCO2e")),
        (2 * 10**9, ("2", "tCO2e")),
    ],
)
def test_carbon_in_the_unit_that_can_be_read(carbon_mg, shown):
    assert figures.carbon(carbon_mg) == shown


def test_powers_sizes_and_spans():
    assert figures.power(999) == "999 W"
    assert figures.power(13_100) == "13.1 kW"
    assert figures.power(44_000_000) == "44 MW"
    assert figures.size(2 * 2**40) == "2 TiB"
    assert figures.size(1000) == "1,000 B"
    assert figures.span(0) == "0 s"
    assert figures.span(3_840_000) == "1 h 4 min"
    assert figures.span(90_061_000) == "1 d 1 h"


def test_a_moment_of_today_has_no_day():
    now_ms = 1_800_000_000_000
    assert figures.moment(now_ms, now_ms) == "08:00:00"
    assert figures.moment(now_ms - 86_400_000, now_ms) == "14 Jan 2027, 08:00"
    assert figures.moment(10**17, now_ms) == f"{10**17} ms"


@given(st.fractions(min_value=-(10**9), max_value=10**9))
def test_a_rounded_number_is_near(value):
    shown = Fraction(figures.rounded(value).replace(",", ""))
    assert abs(shown - value) <= max(abs(value) / 200, Fraction(1, 10**9))
