"""Agents whose clock is not control's: nothing is lost, billed twice or billed for another hour."""

import pytest

from bruk.control.skew import CLOCK_SKEW_MS, Skews
from bruk.store import records
from bruk.wire.agent import MeterRecord, Observation

from .world import World

HOUR_MS = 3_600_000


@pytest.mark.parametrize("ahead_ms", [-HOUR_MS, -60_000, 60_000, HOUR_MS])
def test_an_agent_whose_clock_is_wrong_is_billed_what_it_used(world: World, ahead_ms: int) -> None:
    job, run, site = world.running()
    start = world.clock.now_ms()
    for number in range(6):
        world.clock.advance(5000)
        theirs = world.clock.now_ms() + ahead_ms
        meter = MeterRecord(
            seq=number + 1,
            run=run.id,
            generation=1,
            from_ms=theirs - 5000,
            to_ms=theirs,
            device_ms=5000 * run.devices_total,
        )
        site.sync(meters=[meter], now_ms=theirs)
    ended = Observation(
        run=run.id,
        generation=1,
        observed="exited",
        exit_code=0,
        started_at_ms=start + ahead_ms,
        ended_at_ms=world.clock.now_ms() + ahead_ms,
    )
    site.sync(observations=[ended], now_ms=world.clock.now_ms() + ahead_ms)
    with world.control.read() as connection:
        booked = records.ledger_entries(connection)
    assert sum(entry.quantity for entry in booked) == 30_000 * run.devices_total
    assert all(entry.from_ms < entry.to_ms for entry in booked)
    assert [entry.from_ms for entry in booked[1:]] == [entry.to_ms for entry in booked[:-1]]
    assert world.run_of(job).ended_at_ms == world.clock.now_ms()
    assert world.control.skews.ahead_ms(f"agent {site.name}") == ahead_ms


def test_a_small_difference_and_its_jitter_are_none() -> None:
    skews = Skews()
    for late_ms in (0, 3000, -3000, CLOCK_SKEW_MS):
        assert skews.note("agent a", 1_000_000 - late_ms, 1_000_000) == 0
    assert skews.ahead_ms("agent a") == 0


def test_a_large_one_is_followed_in_steps_and_ends_when_the_clock_is_set_right() -> None:
    skews = Skews()
    assert skews.note("agent a", 1_000_000, 1_000_000 + HOUR_MS) == HOUR_MS
    assert skews.note("agent a", 2_000_000, 2_002_000 + HOUR_MS) == HOUR_MS, (
        "a late message is no other clock"
    )
    assert skews.ahead_ms("agent a") == -HOUR_MS
    assert skews.ahead_ms("agent b") == 0
    assert skews.note("agent a", 3_000_000, 3_000_010) == 0
