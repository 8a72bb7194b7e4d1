"""A job with a deadline waits for greener hours of its site's grid, and then runs."""

from bruk.control.jobs import view
from bruk.facility.carbon import mean_day_intensity
from bruk.model.reason import ReasonCode

from .world import World

HOUR_MS = 3_600_000


def test_it_waits_until_the_hour_that_it_was_told_and_runs_then(world: World) -> None:
    now_ms = world.control.clock.now_ms()
    job = world.submit(deadline_at_ms=now_ms + 30 * HOUR_MS, time_limit_s=3600, sites=["essonne"])
    world.step()
    reason = view(world.control, world.operator, job.id).waiting_for
    assert reason is not None
    assert reason.code is ReasonCode.DEFERRED
    start_ms = reason.not_before_ms
    assert start_ms is not None
    series = mean_day_intensity("FR")
    best = min(series.milli_at(now_ms + hour * HOUR_MS) for hour in range(24))
    assert series.milli_at(start_ms) == best
    world.clock.advance(start_ms - now_ms)
    for site in world.sites.values():
        site.sync()
    world.step()
    assert world.run_of(job).site == "essonne"
