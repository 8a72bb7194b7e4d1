"""Carbon: from joules and the grid's intensity to milligrams of CO2 equivalent.

Location-based, in the words of the GHG Protocol's Scope 2 guidance: the intensity of the zone the site stands
in, whatever certificates it buys. The shipped means answer when no live feed does; they never pass for
live data.
"""

from collections.abc import Mapping, Sequence
from functools import cache

from bruk.facility.series import (
    J_PER_KWH,
    EnergySlice,
    HourlySeries,
    constant_series,
    hourly_series,
    integrate,
)
from bruk.facility.tables import Row, table
from bruk.model.errors import NotFound

INTENSITY_UNIT = "gCO2e/kWh"
"""The unit of a carbon series."""


class UnknownZone(NotFound):
    """No shipped table knows that grid zone."""

    code = "zone_unknown"


def carbon_mg(profile: Sequence[EnergySlice], series: HourlySeries) -> int:
    """Carbon of an energy profile: m = integral of E(t) c(t), exact, rounded once.

    Round once for all that a figure covers, and share the result with `split`; sums of rounded parts drift.

    Args:
        profile: facility energy over time [J].
        series: intensity of the zone by the hour [gCO2e/kWh].

    Returns:
        mass of CO2 equivalent, rounded half to even [mg].

    Raises:
        SeriesGap: when the series does not cover the profile.
    """
    assert series.unit == INTENSITY_UNIT, f"a carbon series is in {INTENSITY_UNIT}, not {series.unit}"
    # A thousandth of a gram is the milligram asked for, so that only joules to kilowatt-hours remain.
    return round(integrate(profile, series) / J_PER_KWH)


def carbon_series(start_ms: int, values: Sequence[float], source: str) -> HourlySeries:
    """A series of intensities as a feed gives them.

    Args:
        start_ms: the beginning of the first hour, since the epoch, UTC [ms].
        values: one intensity an hour, zero or more [gCO2e/kWh].
        source: where they come from.

    Raises:
        ImpossibleMeasurement: when a value is negative or no finite number.
        SeriesGap: when there is no value.
    """
    return hourly_series(start_ms, values, INTENSITY_UNIT, source, least=0)


def carbon_zones() -> tuple[str, ...]:
    """The grid zones whose mean intensities are shipped."""
    return tuple(table("carbon_intensity"))


@cache
def mean_day_intensity(zone: str) -> HourlySeries:
    """The zone's mean day: 24 hours by UTC, repeating; for use when no live feed answers.

    Raises:
        UnknownZone: when the zone is not in the table.
    """
    rows = _zone_rows(zone)
    hours = [rows[f"hour_{hour:02d}"] for hour in range(24)]
    values = [float(row.value) for row in hours]
    return hourly_series(0, values, INTENSITY_UNIT, hours[0].source, least=0, repeats=True)


@cache
def mean_year_intensity(zone: str) -> HourlySeries:
    """The zone's mean of a year, as a constant series.

    Raises:
        UnknownZone: when the zone is not in the table.
    """
    row = _zone_rows(zone)["mean"]
    return constant_series(float(row.value), INTENSITY_UNIT, row.source)


def _zone_rows(zone: str) -> Mapping[str, Row]:
    rows = table("carbon_intensity").get(zone)
    if rows is None:
        raise UnknownZone(
            f"No carbon intensity is known for the grid zone {zone!r}. "
            f"Known are: {', '.join(carbon_zones())}. Choose one of them for the site, or connect a feed.",
            zone=zone,
        )
    return rows
