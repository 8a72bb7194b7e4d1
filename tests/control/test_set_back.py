"""Control restored from a backup: agents and gateways are ahead of it, and say so."""

from bruk.control import agents
from bruk.store import records
from bruk.wire.agent import MeterRecord

from .world import World


def _meter(run: str, seq: int, from_ms: int, to_ms: int) -> MeterRecord:
    return MeterRecord(
        seq=seq, run=run, generation=1, from_ms=from_ms, to_ms=to_ms, device_ms=to_ms - from_ms
    )


def test_usage_with_a_gap_before_it_is_asked_for_anew_and_then_taken_once(world: World) -> None:
    _, run, site = world.running()
    start = run.created_at_ms
    world.clock.advance(60_000)
    late = [_meter(run.id, 8, start + 20_000, start + 30_000)]
    site.sync(meters=late, meters_after=7)
    assert world.dump()["ledger"] == [], "what is missing before it would be lost for good"
    assert agents.answer(world.control, site.actor, 1).acknowledged_seq == 0
    whole = [_meter(run.id, 7, start, start + 20_000), *late]
    for _ in range(2):
        site.sync(meters=whole, meters_after=0)
    with world.control.read() as connection:
        booked = records.ledger_entries(connection)
    assert [entry.quantity for entry in booked] == [20_000, 10_000]
    assert agents.answer(world.control, site.actor, 1).acknowledged_seq == 8


def test_usage_of_a_run_that_nobody_knows_any_more_is_written_down(world: World) -> None:
    _, _, site = world.running()
    world.clock.advance(60_000)
    site.sync(meters=[_meter("run_gone", 1, 1, 5001)])
    with world.control.read() as connection:
        last = records.audit_entries(connection)[-1]
    assert (last.action, last.target, last.detail) == (
        "usage.unknown",
        site.name,
        {"device_ms": {"run_gone": 5000}},
    )


def test_an_order_says_whether_its_run_was_seen_alive(world: World) -> None:
    _, run, site = world.running()
    site.sync()
    assert site.orders[run.id].started
