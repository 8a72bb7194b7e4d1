"""Preemption and ageing: what a waiting item may do about it."""

from dataclasses import replace

import pytest

from bruk.model.run import RunWanted
from bruk.model.snapshot import RunFacts
from bruk.scheduler import check, schedule
from bruk.scheduler.order import AGED_AFTER_MS


@pytest.fixture
def full(lab):
    """Nodes n1, n2 with four devices each, held by the given runs: id -> (node, devices, priority)."""

    def build(runs, pending, preemptible=True, ends_by_ms=lab.NOW_MS, **fields):
        return lab.world(
            [lab.site(nodes=[lab.node(name="n1"), lab.node(name="n2")])],
            runs=[lab.run(id, placement=[(node, devices)]) for id, (node, devices, _) in runs.items()],
            pending=pending,
            run_facts={
                id: RunFacts(priority, preemptible, ends_by_ms=ends_by_ms)
                for id, (_, _, priority) in runs.items()
            },
            **fields,
        )

    return build


LOW = {"a": ("n1", (0, 1, 2, 3), 10), "b": ("n2", (0, 1), 10), "c": ("n2", (2, 3), 10)}


def evicted(plan):
    return sorted(eviction.run for eviction in plan.evictions)


def test_the_fewest_runs_are_stopped_and_the_item_waits_for_them(lab, full):
    plan = schedule(full(LOW, [lab.pending(devices=4, priority=35)]))
    assert evicted(plan) == ["a"]
    assert plan.placements == ()
    assert "room is kept for it at essonne" in plan.waiting[0].reason.summary
    assert "priority 10" in plan.evictions[0].detail


def test_no_more_than_needed(lab, full):
    assert evicted(schedule(full(LOW, [lab.pending(devices=2, priority=100)]))) == ["b"]
    runs = {"b": ("n2", (0, 1), 10), "c": ("n2", (2,), 10), "d": ("n1", (0, 1, 2, 3), 90)}
    assert evicted(schedule(full(runs, [lab.pending(devices=2, priority=100)]))) == ["c"]


def test_of_equals_the_one_of_lower_priority_is_stopped(lab, full):
    runs = {"b": ("n2", (0, 1), 20), "c": ("n2", (2, 3), 10), "d": ("n1", (0, 1, 2, 3), 90)}
    assert evicted(schedule(full(runs, [lab.pending(devices=2, priority=100)]))) == ["c"]


def test_the_band_is_twenty_five_points(lab, full):
    assert schedule(full(LOW, [lab.pending(priority=34)])).evictions == ()
    assert len(schedule(full(LOW, [lab.pending(priority=35)])).evictions) == 1


def test_never_a_run_that_says_no_or_that_nobody_vouches_for(lab, full):
    item = lab.pending(priority=100)
    assert schedule(full(LOW, [item], preemptible=False)).evictions == ()
    assert schedule(replace(full(LOW, [item]), run_facts={})).evictions == ()


def test_fifo_never_preempts(lab, full):
    assert schedule(full(LOW, [lab.pending(priority=100)], order="fifo")).evictions == ()


def test_what_cannot_be_made_to_fit_stops_nobody(lab, full):
    runs = {**LOW, "c": ("n2", (2, 3), 90)}
    plan = schedule(full(runs, [lab.pending(nodes=2, devices=4, priority=100)]))
    assert plan.evictions == ()


def test_a_gang_evicts_on_all_its_nodes(lab, full):
    plan = schedule(full(LOW, [lab.pending(nodes=2, devices=4, priority=100)]))
    assert evicted(plan) == ["a", "b", "c"]


def test_stopping_runs_are_waited_for_rather_than_more_stopped(lab, full):
    snapshot = full(LOW, [lab.pending(devices=4, priority=100)])
    runs = tuple(
        replace(run, wanted=RunWanted.STOP) if run.id in ("b", "c") else run for run in snapshot.runs
    )
    plan = schedule(replace(snapshot, runs=runs))
    assert plan.evictions == ()
    assert "stopping work" in plan.waiting[0].reason.summary


def test_room_being_made_is_not_given_to_those_behind(lab, full):
    runs = {"a": ("n1", (0, 1), 10), "b": ("n2", (0, 1, 2, 3), 90)}
    items = [lab.pending("urgent", devices=4, priority=100), lab.pending("small", priority=50)]
    plan = schedule(full(runs, items))
    assert evicted(plan) == ["a"]
    assert plan.placements == ()
    assert "kept for work that is ahead" in plan.waiting[1].reason.summary


def test_the_urgent_item_gets_the_room_when_the_evicted_run_has_ended(lab, full):
    snapshot = full(LOW, [lab.pending("urgent", devices=4, priority=100)])
    after = lab.applied(snapshot, schedule(snapshot))
    back = lab.pending("evicted", devices=4, priority=10, age_ms=10**9)
    ended = replace(
        after,
        runs=tuple(run for run in after.runs if run.wanted is RunWanted.START),
        pending=(*after.pending, back),
    )
    plan = schedule(ended)
    assert [placement.pending for placement in plan.placements] == ["urgent"]
    assert plan.evictions == ()


def test_a_gang_that_waited_long_is_not_starved_by_small_work(lab, full):
    """Two of eight devices end every minute and small work arrives for ever."""
    gang = lab.pending("gang", nodes=2, devices=4, age_ms=AGED_AFTER_MS + 1)
    runs = {f"r{index}": (f"n{index % 2 + 1}", (index // 2,), 50) for index in range(8)}
    snapshot = full(runs, [gang])
    for minute in range(8):
        gone = f"r{minute}"
        small = lab.pending(f"small_{minute}", age_ms=0)
        snapshot = replace(
            snapshot,
            runs=tuple(run for run in snapshot.runs if run.id != gone),
            pending=(*snapshot.pending, small),
        )
        plan = schedule(snapshot)
        assert check(snapshot, plan) == []
        started = [placement.pending for placement in plan.placements]
        assert started == (["gang"] if minute == 7 else [])
        snapshot = lab.applied(snapshot, plan)


def test_only_one_gang_per_site_has_nodes_kept(lab, full):
    items = [lab.pending(f"gang_{index}", devices=4, age_ms=AGED_AFTER_MS + 10 - index) for index in range(2)]
    runs = {"a": ("n1", (0,), 50), "b": ("n2", (0,), 50)}
    plan = schedule(full(runs, [*items, lab.pending("small")]))
    assert [placement.pending for placement in plan.placements] == ["small"]
    summaries = {waiting.pending: waiting.reason.summary for waiting in plan.waiting}
    assert "nodes are kept for it" in summaries["gang_0"]
    assert "nodes are kept for it" not in summaries["gang_1"]


def test_no_node_is_kept_where_a_replica_never_ends(lab, full):
    gang = lab.pending("gang", devices=4, age_ms=AGED_AFTER_MS + 1)
    runs = {"a": ("n1", (0,), 50), "b": ("n2", (0,), 50)}
    items = [gang, lab.pending("small")]
    assert schedule(full(runs, items, ends_by_ms=None)).placements
    items.append(lab.pending("other", devices=3))
    snapshot = full(runs, items)
    facts = {"a": RunFacts(), "b": RunFacts(ends_by_ms=lab.NOW_MS)}
    plan = schedule(replace(snapshot, run_facts=facts))
    assert {part.node for row in plan.placements for part in row.devices} == {"n1"}


def test_a_job_started_by_this_plan_is_known_to_end(lab):
    """Otherwise nodes would be kept behind it only from the next plan on."""
    items = [lab.pending("gang", devices=4, age_ms=AGED_AFTER_MS + 1), lab.pending("urgent", priority=75)]
    plan = schedule(lab.world(pending=items))
    assert [placement.pending for placement in plan.placements] == ["urgent"]
    assert "nodes are kept for it" in plan.waiting[0].reason.summary
