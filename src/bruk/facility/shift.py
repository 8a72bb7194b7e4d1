"""When work that can wait meets the cleanest or cheapest electricity, exactly, over an hourly series."""

from dataclasses import dataclass
from fractions import Fraction

from bruk.facility.series import HOUR_MS, HourlySeries


@dataclass(frozen=True, slots=True)
class Start:
    """When to start.

    Attributes:
        start_ms: since the epoch, UTC [ms].
        mean_milli: the mean of the series over the run, exact [thousandth of its unit].
    """

    start_ms: int
    mean_milli: Fraction


def least_start(series: HourlySeries, length_ms: int, earliest_ms: int, latest_ms: int) -> Start:
    """The start within a window with the least mean of the series over the run; of equals the earliest.

    A series is constant within each hour, so that the mean over a run is linear in its start but where the
    start or the end crosses into another hour: the least is at one of those instants, or at an end of the
    window. All of them are tried.

    Args:
        series: carbon intensity or price.
        length_ms: how long it runs, above zero, evenly [ms].
        earliest_ms: the first possible start, since the epoch, UTC [ms].
        latest_ms: the last possible start, not before it [ms].

    Raises:
        SeriesGap: the series does not cover a run within the window.
    """
    assert length_ms > 0, "a run takes some time"
    assert earliest_ms <= latest_ms, "a window ends after it begins"
    instants = {earliest_ms, latest_ms}
    for shift_ms in (0, length_ms):
        # Hours are counted from the start of the series, which need not lie on the hour.
        first_ms = earliest_ms + (series.start_ms - earliest_ms - shift_ms) % HOUR_MS
        instants.update(range(first_ms, latest_ms + 1, HOUR_MS))
    weights = ((_weight(series, start_ms, start_ms + length_ms), start_ms) for start_ms in instants)
    weight, start_ms = min(weights)
    return Start(start_ms, Fraction(weight, length_ms))


def _weight(series: HourlySeries, start_ms: int, end_ms: int) -> int:
    """The integral of the series [ms x thousandth of its unit]."""
    weight, at_ms = 0, start_ms
    while at_ms < end_ms:
        until_ms = min(at_ms + HOUR_MS - (at_ms - series.start_ms) % HOUR_MS, end_ms)
        weight += (until_ms - at_ms) * series.milli_at(at_ms)
        at_ms = until_ms
    return weight
