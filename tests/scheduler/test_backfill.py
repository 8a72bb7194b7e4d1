"""What is kept for the first in order, and what may overtake it."""

from dataclasses import replace

import pytest

from bruk.model.snapshot import RunFacts
from bruk.scheduler import check, schedule


@pytest.fixture
def half_full(lab):
    """Two nodes with four devices; n1 is held for an hour, n2 is free; a gang of two nodes waits."""

    def build(*behind, ends_ms=lab.NOW_MS + lab.HOUR_MS, **fields):
        gang = lab.pending("gang", nodes=2, devices=4, age_ms=10_000)
        return lab.world(
            [lab.site(nodes=[lab.node(name="n1"), lab.node(name="n2")])],
            runs=[lab.run("busy", placement=[("n1", (0, 1, 2, 3))])],
            run_facts={"busy": RunFacts(ends_by_ms=ends_ms)},
            pending=[gang, *behind],
            **fields,
        )

    return build


def started(plan):
    return [placement.pending for placement in plan.placements]


def test_what_ends_before_the_reservation_overtakes_and_what_does_not_waits(lab, half_full):
    short = lab.pending("short", time_limit_ms=lab.HOUR_MS)
    long = lab.pending("long", time_limit_ms=lab.HOUR_MS + 1)
    plan = schedule(half_full(short, long))
    assert started(plan) == ["short"]
    reasons = {row.pending: row.reason for row in plan.waiting}
    assert "it is next at essonne, where nodes are kept for it" in reasons["gang"].summary
    assert reasons["gang"].room_by_ms == lab.NOW_MS + lab.HOUR_MS
    assert "kept for work that is ahead" in reasons["long"].summary


def test_the_reservation_is_not_moved_back_by_what_overtook(lab, half_full):
    world = half_full(*(lab.pending(f"s{number}", time_limit_ms=lab.HOUR_MS) for number in range(4)))
    plan = schedule(world)
    assert len(plan.placements) == 4
    after = lab.applied(world, plan)
    later = replace(
        after,
        now_ms=lab.NOW_MS + lab.HOUR_MS,
        runs=(),
        run_facts={},
        pending=(*after.pending, lab.pending("new", age_ms=-lab.HOUR_MS)),
    )
    assert started(schedule(later)) == ["gang"]


def test_what_is_spare_even_then_may_be_used_for_longer(lab):
    """The head needs three of the four devices that there will be on either node: one is spare."""
    sites = [lab.site(nodes=[lab.node(name="n1"), lab.node(name="n2")])]
    runs = [lab.run("a", placement=[("n1", (0, 1))]), lab.run("b", placement=[("n2", (0, 1))])]
    facts = {name: RunFacts(ends_by_ms=lab.NOW_MS + 1000) for name in "ab"}
    head = lab.pending("head", nodes=2, devices=3, age_ms=10_000)
    long = [lab.pending(f"long{number}", time_limit_ms=9 * lab.HOUR_MS) for number in range(3)]
    plan = schedule(lab.world(sites, runs=runs, run_facts=facts, pending=[head, *long]))
    assert started(plan) == ["long0", "long1"]
    nodes = [part.node for placement in plan.placements for part in placement.devices]
    assert sorted(nodes) == ["n1", "n2"]


def test_greedy_keeps_nothing_so_small_work_overtakes_for_ever(lab, half_full):
    long = lab.pending("long", time_limit_ms=99 * lab.HOUR_MS)
    assert started(schedule(half_full(long, backfill="greedy"))) == ["long"]


def test_conservative_keeps_nodes_for_more_than_the_first(lab):
    sites = [lab.site(nodes=[lab.node(name=f"n{number}") for number in range(3)])]
    runs = [lab.run("a", placement=[("n0", (0,))]), lab.run("b", placement=[("n1", (0,))])]
    facts = {
        "a": RunFacts(ends_by_ms=lab.NOW_MS + 1000),
        "b": RunFacts(ends_by_ms=lab.NOW_MS + 2000),
    }
    heads = [lab.pending(f"head{number}", nodes=1, devices=4, age_ms=100 - number) for number in range(3)]
    behind = [lab.pending(f"z{number}", time_limit_ms=9 * lab.HOUR_MS) for number in range(2)]
    world = lab.world(sites, runs=runs, run_facts=facts, pending=[*heads, *behind])
    assert started(schedule(replace(world, backfill="easy"))) == ["head0", "z0", "z1"]
    plan = schedule(replace(world, backfill="conservative"))
    assert started(plan) == ["head0"]
    times = {row.pending: row.reason.room_by_ms for row in plan.waiting}
    assert (times["head1"], times["head2"]) == (lab.NOW_MS + 1000, lab.NOW_MS + 2000)


def test_a_replica_never_ends_so_it_may_not_overtake(lab, half_full):
    from bruk.model.workload import WorkloadKind

    replica = replace(lab.pending("ep#0", time_limit_ms=1), kind=WorkloadKind.ENDPOINT)
    assert started(schedule(half_full(replica))) == []


def test_a_run_that_overstays_its_limit_may_end_at_any_moment(lab, half_full):
    world = half_full(lab.pending("short", time_limit_ms=1), ends_ms=lab.NOW_MS - 1)
    plan = schedule(world)
    assert started(plan) == []
    reason = plan.waiting[0].reason
    assert "it is next at essonne" in reason.summary
    assert reason.room_by_ms is None
    assert check(world, plan) == []
