"""What changes by the hour, carbon intensity or price, and its exact integral over an energy profile.

A series is constant within each hour; energy within a slice flows evenly. Under these two rules the
integral is a sum of rational numbers and is computed as one, without a float. `carbon` and `price` round it
once. A series never answers beyond its hours unless it says that it repeats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from bruk.facility.exact import exact
from bruk.model.errors import InvalidInput

HOUR_MS = 3_600_000
"""Milliseconds of an hour."""

J_PER_KWH = 3_600_000
"""Joules of a kilowatt-hour, by definition."""


class SeriesGap(InvalidInput):
    """A series does not cover the time asked for."""

    code = "series_gap"


@dataclass(frozen=True, slots=True)
class EnergySlice:
    """Energy used evenly over a time.

    Attributes:
        start_ms: its beginning, since the epoch, UTC [ms].
        end_ms: its end, after the beginning [ms].
        energy_j: the energy used in it, zero or more [J].
    """

    start_ms: int
    end_ms: int
    energy_j: int

    def __post_init__(self) -> None:
        assert self.start_ms < self.end_ms, "a slice ends after it begins"
        assert self.energy_j >= 0, "energy is zero or more"


@dataclass(frozen=True, slots=True)
class HourlySeries:
    """One value for each hour, constant within it.

    Attributes:
        start_ms: the beginning of the first hour, since the epoch, UTC [ms].
        values_milli: one value an hour, in thousandths of its unit.
        unit: the unit of a whole value, such as gCO2e/kWh or EUR/MWh.
        source: where the values come from.
        repeats: whether the series begins again after its last hour, as a mean day does.
    """

    start_ms: int
    values_milli: tuple[int, ...]
    unit: str
    source: str
    repeats: bool = False

    def __post_init__(self) -> None:
        assert self.values_milli, "a series has at least one hour"

    def milli_at(self, at_ms: int) -> int:
        """The value of the hour that holds a moment [thousandth of the unit].

        Args:
            at_ms: the moment, since the epoch, UTC [ms].

        Raises:
            SeriesGap: when the series does not cover it.
        """
        hour = (at_ms - self.start_ms) // HOUR_MS
        if self.repeats:
            return self.values_milli[hour % len(self.values_milli)]
        if not 0 <= hour < len(self.values_milli):
            end_ms = self.start_ms + len(self.values_milli) * HOUR_MS
            raise SeriesGap(
                f"The series in {self.unit} from {self.source} covers {self.start_ms} to {end_ms} ms, "
                f"not {at_ms} ms. Give a longer series or a mean day."
            )
        return self.values_milli[hour]


def hourly_series(
    start_ms: int,
    values: Sequence[float],
    unit: str,
    source: str,
    *,
    least: float | None = None,
    repeats: bool = False,
) -> HourlySeries:
    """A series from values as a feed or a file gives them, kept to thousandths of the unit.

    Args:
        start_ms: the beginning of the first hour, since the epoch, UTC [ms].
        values: one value an hour, at least one [unit].
        unit: their unit.
        source: where they come from.
        least: the least possible value, if there is one [unit].
        repeats: whether the series begins again after its last hour.

    Raises:
        ImpossibleMeasurement: when a value is no finite number or is too small.
        SeriesGap: when there is no value.
    """
    if not values:
        raise SeriesGap(f"The series in {unit} from {source} is empty. Give at least one hour.")
    milli = tuple(
        round(exact(value, f"Hour {hour} of {source}", least=least) * 1000)
        for hour, value in enumerate(values)
    )
    return HourlySeries(start_ms, milli, unit, source, repeats)


def constant_series(value: float, unit: str, source: str) -> HourlySeries:
    """A series with one value for all time, for a yearly mean."""
    return hourly_series(0, (value,), unit, source, repeats=True)


def integrate(profile: Sequence[EnergySlice], series: HourlySeries) -> Fraction:
    """The exact sum of energy times value over a profile [J x thousandth of the unit].

    Args:
        profile: slices in any order; they may overlap, as those of several runs do.
        series: the value by the hour.

    Raises:
        SeriesGap: when the series does not cover a slice.
    """
    return sum((_slice_integral(piece, series) for piece in profile), Fraction(0))


def _slice_integral(piece: EnergySlice, series: HourlySeries) -> Fraction:
    weighted = 0
    at_ms = piece.start_ms
    while at_ms < piece.end_ms:
        # Hours are counted from the start of the series, which need not lie on the hour.
        hour_end_ms = at_ms + HOUR_MS - (at_ms - series.start_ms) % HOUR_MS
        until_ms = min(hour_end_ms, piece.end_ms)
        weighted += (until_ms - at_ms) * series.milli_at(at_ms)
        at_ms = until_ms
    return Fraction(piece.energy_j * weighted, piece.end_ms - piece.start_ms)
