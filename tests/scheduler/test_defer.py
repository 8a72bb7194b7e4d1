"""Work that has time waits for greener hours, and never for so long that it misses its deadline."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bruk.model.reason import ReasonCode
from bruk.scheduler import schedule
from bruk.scheduler.defer import HOUR_MS, greenest_start


@pytest.fixture
def forecast(lab):
    """One site, or two, with these intensities by the hour from now on."""

    def build(item, essonne, borlange=None, **fields):
        sites = [
            replace(lab.site("essonne", [lab.node()]), carbon_mg_per_kwh=essonne, carbon_from_ms=lab.NOW_MS)
        ]
        if borlange:
            other = lab.site("borlange", [lab.node("borlange")])
            sites.append(replace(other, carbon_mg_per_kwh=borlange, carbon_from_ms=lab.NOW_MS))
        return lab.world(sites, pending=[item], **fields)

    return build


def deferrable(lab, hours=6, **fields):
    return lab.pending(deadline_at_ms=lab.NOW_MS + hours * HOUR_MS, time_limit_ms=HOUR_MS, **fields)


def test_it_waits_for_the_greenest_hour_and_says_until_when(lab, forecast):
    plan = schedule(forecast(deferrable(lab), (90, 80, 30, 70, 80, 90, 10)))
    assert plan.placements == ()
    reason = plan.waiting[0].reason
    assert reason.code is ReasonCode.DEFERRED
    assert reason.not_before_ms == lab.NOW_MS + 2 * HOUR_MS
    assert "on at essonne it emits 67 % less for each kilowatt-hour" in reason.summary
    assert reason.advice.endswith("UTC, or submit it without a deadline.")


def test_it_starts_when_the_hour_has_come(lab, forecast):
    world = forecast(deferrable(lab), (90, 80, 30, 70, 80, 90))
    assert schedule(replace(world, now_ms=lab.NOW_MS + 2 * HOUR_MS)).placements
    assert not schedule(replace(world, now_ms=lab.NOW_MS + HOUR_MS)).placements


def test_without_a_deadline_nothing_waits(lab, forecast):
    assert schedule(forecast(lab.pending(), (90, 1))).placements


def test_what_has_no_time_left_starts_at_once(lab, forecast):
    assert schedule(forecast(deferrable(lab, hours=1), (90, 1))).placements
    assert schedule(forecast(deferrable(lab, hours=0), (90, 1))).placements


def test_a_little_is_not_worth_waiting_for(lab, forecast):
    assert schedule(forecast(deferrable(lab), (100, 96))).placements
    assert not schedule(forecast(deferrable(lab), (100, 95))).placements


def test_a_greener_site_now_goes_before_a_greener_hour_here(lab, forecast):
    (placement,) = schedule(forecast(deferrable(lab), (90, 60), (50, 70))).placements
    assert placement.site == "borlange"


def test_while_the_greener_site_is_full_it_waits_for_it_if_it_has_time(lab, forecast):
    runs = [lab.run(site="borlange", placement=[("n1", (0, 1, 2, 3))])]
    world = forecast(deferrable(lab), (90, 60), (50, 50), runs=runs)
    assert schedule(world).placements == ()
    late = replace(world, now_ms=lab.NOW_MS + 5 * HOUR_MS)
    assert schedule(late).placements[0].site == "essonne", "its deadline is near"


def test_pue_counts(lab, forecast):
    world = forecast(deferrable(lab), (50, 50), (52, 52))
    sites = tuple(
        replace(
            state, site=replace(state.site, pue_milli={"essonne": 1500, "borlange": 1100}[state.site.name])
        )
        for state in world.sites
    )
    assert schedule(replace(world, sites=sites)).placements[0].site == "borlange"


def test_a_site_without_a_forecast_makes_nothing_wait(lab, forecast):
    assert schedule(forecast(deferrable(lab), ())).placements


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.integers(0, 500), min_size=1, max_size=8),
    offset_min=st.integers(0, 59),
    length_min=st.integers(1, 300),
    window_min=st.integers(0, 600),
)
def test_the_start_is_the_best_of_every_minute(lab, values, offset_min, length_min, window_min):
    minute_ms = 60_000
    state = replace(lab.site(), carbon_mg_per_kwh=tuple(values), carbon_from_ms=lab.NOW_MS)
    now_ms = lab.NOW_MS + offset_min * minute_ms
    latest_ms = now_ms + window_min * minute_ms
    found = greenest_start(state, now_ms, length_min * minute_ms, latest_ms)

    def emitted(at_ms):
        """Minute by minute; beyond the forecast its mean, once, rounded down as a whole."""
        known = beyond = 0
        for minute in range(length_min):
            hour = (at_ms - lab.NOW_MS + minute * minute_ms) // HOUR_MS
            if hour < len(values):
                known += values[hour] * minute_ms
            else:
                beyond += minute_ms
        return known + beyond * sum(values) // len(values)

    end_ms = lab.NOW_MS + len(values) * HOUR_MS
    starts = range(now_ms, min(latest_ms, max(end_ms, now_ms)) + 1, minute_ms)
    best = min(emitted(at_ms) for at_ms in starts)
    assert found.weight == best * state.site.pue_milli
    assert now_ms <= found.at_ms <= max(latest_ms, now_ms)
