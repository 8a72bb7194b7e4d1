"""Whether work that has time waits for greener hours, at its site or at another.

A job with a deadline may start as late as its time limit before it. It starts at once at a site unless
some site that would do, now or later, would run it with at least ``SAVING_PERCENT`` less carbon for each
kilowatt-hour, PUE included; then it waits, and is asked again. When no time is left it starts wherever
there is room. The intensity is that of each site's forecast, constant within an hour, so the best start is
found exactly. It must never make a job miss its deadline that could have kept it, as far as its time
limit says how long it runs. Look next at `filters`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bruk.model.reason import ReasonCode
from bruk.model.snapshot import Pending, SiteState
from bruk.scheduler.amount import instant
from bruk.scheduler.refusal import Refusal

HOUR_MS = 3_600_000

# Bruk's own choice: for less than this nobody's work should wait on a forecast.
SAVING_PERCENT = 5


@dataclass(frozen=True, slots=True)
class Start:
    """When a job would start where, and what each kilowatt of it would emit over its time [mg * ms / h]."""

    weight: int
    at_ms: int
    site: str


def refusals(item: Pending, sites: Iterable[SiteState], now_ms: int) -> dict[str, Refusal]:
    """The sites at which the item should not start now, and why; by name."""
    if item.deadline_at_ms is None:
        return {}
    latest_ms = item.deadline_at_ms - item.time_limit_ms
    known = [state for state in sites if state.carbon_mg_per_kwh]
    if latest_ms <= now_ms or not known:
        return {}
    best = min(
        (greenest_start(state, now_ms, item.time_limit_ms, latest_ms) for state in known),
        key=lambda start: (start.weight, start.at_ms, start.site),
    )
    found = {}
    for state in known:
        weight = _weight(state, now_ms, item.time_limit_ms)
        if best.weight * 100 <= weight * (100 - SAVING_PERCENT):
            found[state.site.name] = _refusal(item, best, weight, now_ms)
    return found


def first_start_ms(item: Pending, sites: Iterable[SiteState], now_ms: int) -> int | None:
    """The greenest start that is still to come, of an item that waits for it [ms]."""
    if item.deadline_at_ms is None:
        return None
    latest_ms = item.deadline_at_ms - item.time_limit_ms
    starts = [
        greenest_start(state, now_ms, item.time_limit_ms, latest_ms)
        for state in sites
        if state.carbon_mg_per_kwh and latest_ms > now_ms
    ]
    if not starts:
        return None
    best = min(starts, key=lambda start: (start.weight, start.at_ms, start.site))
    return best.at_ms if best.at_ms > now_ms else None


def greenest_start(state: SiteState, now_ms: int, length_ms: int, latest_ms: int) -> Start:
    """The start with the least carbon between now and the latest, within the forecast; of equals the first.

    The integral over a window of values that are constant within hours is linear between the moments at
    which one end of the window meets a full hour, so that only these moments need to be looked at.
    """
    begin_ms = state.carbon_from_ms
    end_ms = begin_ms + len(state.carbon_mg_per_kwh) * HOUR_MS
    moments = {now_ms, min(latest_ms, end_ms)}
    for hour_ms in range(begin_ms, end_ms + HOUR_MS, HOUR_MS):
        moments |= {hour_ms, hour_ms - length_ms}
    return min(
        (
            Start(_weight(state, at_ms, length_ms), at_ms, state.site.name)
            for at_ms in moments
            if now_ms <= at_ms <= min(latest_ms, end_ms) or at_ms == now_ms
        ),
        key=lambda start: (start.weight, start.at_ms),
    )


def _weight(state: SiteState, at_ms: int, length_ms: int) -> int:
    """Carbon of a kilowatt from an instant on, PUE included [mg * ms / h, thousandths]."""
    values, begin_ms = state.carbon_mg_per_kwh, state.carbon_from_ms
    # A moment more than nothing, so that the shortest job knows its hour too.
    until_ms = at_ms + max(length_ms, 1)
    total = 0
    while at_ms < until_ms:
        hour = (at_ms - begin_ms) // HOUR_MS
        next_ms = min(until_ms, begin_ms + (hour + 1) * HOUR_MS)
        if hour >= len(values):
            # Beyond the forecast every hour is like its mean.
            next_ms = until_ms
            total += (next_ms - at_ms) * sum(values) // len(values)
        else:
            total += (next_ms - at_ms) * values[max(hour, 0)]
        at_ms = next_ms
    return total * state.site.pue_milli


def _refusal(item: Pending, best: Start, weight: int, now_ms: int) -> Refusal:
    percent = 100 - best.weight * 100 // weight
    if best.at_ms > now_ms:
        when = f"from {instant(best.at_ms)} on at {best.site}"
        advice = f"Wait until {instant(best.at_ms)}"
    else:
        when = f"now at {best.site}"
        advice = f"Wait until there is room at {best.site}"
    return Refusal(
        ReasonCode.DEFERRED,
        f"it has time until its deadline, and {when} it emits {percent} % less for each kilowatt-hour",
        f"{advice}, or submit it without a deadline.",
    )
