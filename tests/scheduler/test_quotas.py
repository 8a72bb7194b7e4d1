"""Quotas: what is idle may be borrowed, and is taken back when its owner needs it."""

import pytest

from bruk.model.reason import ReasonCode
from bruk.model.snapshot import RunFacts
from bruk.scheduler import check, schedule


def started(plan):
    return [placement.pending for placement in plan.placements]


@pytest.fixture
def shared(lab):
    """Four devices; acme and bolt are entitled to two each and may borrow two."""

    def build(pending, runs=(), facts=None, borrow=2, devices=4, **fields):
        accounts = [
            lab.account(name, tenant_quota=2, tenant_borrow=borrow) for name in ("acme/lab", "bolt/lab")
        ]
        sites = [lab.site(nodes=[lab.node(devices=devices)])]
        return lab.world(sites, accounts, pending, runs, run_facts=facts or {}, **fields)

    return build


def test_what_is_idle_may_be_borrowed_up_to_the_limit(lab, shared):
    items = [lab.pending(f"a{number}") for number in range(5)]
    plan = schedule(shared(items, devices=8))
    assert started(plan) == ["a0", "a1", "a2", "a3"]
    reason = plan.waiting[0].reason
    assert reason.code is ReasonCode.QUOTA
    assert "holds 4 devices and may hold 4" in reason.summary


def test_without_borrowing_the_quota_is_the_limit(lab, shared):
    items = [lab.pending(f"a{number}") for number in range(5)]
    assert started(schedule(shared(items, borrow=0, devices=8))) == ["a0", "a1"]


def test_what_is_within_a_quota_goes_before_what_borrows(lab, shared):
    items = [lab.pending(f"a{number}", age_ms=1000) for number in range(4)]
    items += [lab.pending(f"b{number}", "bolt/lab") for number in range(2)]
    assert sorted(started(schedule(shared(items)))) == ["a0", "a1", "b0", "b1"]


def borrowed(lab, **facts):
    runs = [lab.run(f"r{number}", "acme/lab", placement=[("n1", (number,))]) for number in range(4)]
    return runs, {run.id: RunFacts(50, **facts) for run in runs}


def test_what_was_borrowed_is_taken_back_at_equal_priority_and_not_more(lab, shared):
    runs, facts = borrowed(lab)
    items = [lab.pending(f"b{number}", "bolt/lab") for number in range(3)]
    world = shared(items, runs, facts)
    plan = schedule(world)
    assert len(plan.evictions) == 2, "bolt has a right to two, acme keeps two"
    assert "beyond a quota" in plan.evictions[0].detail
    assert check(world, plan) == []


def test_a_gang_takes_back_only_what_is_beyond_the_quota(lab, shared):
    runs, facts = borrowed(lab)
    plan = schedule(shared([lab.pending("b", "bolt/lab", devices=2)], runs, facts))
    assert len(plan.evictions) == 2
    plan = schedule(shared([lab.pending("b", "bolt/lab", devices=3)], runs, facts))
    assert plan.evictions == (), "three are more than its own quota"


def test_what_says_no_is_not_taken_back_and_higher_priority_neither(lab, shared):
    runs, facts = borrowed(lab, preemptible=False)
    assert schedule(shared([lab.pending("b", "bolt/lab")], runs, facts)).evictions == ()
    runs, facts = borrowed(lab)
    item = lab.pending("b", "bolt/lab", priority=49)
    assert schedule(shared([item], runs, facts)).evictions == ()


def test_the_least_work_is_lost(lab, shared):
    runs, facts = borrowed(lab)
    facts["r2"] = RunFacts(50, kept_until_ms=lab.NOW_MS - 1000)
    plan = schedule(shared([lab.pending("b", "bolt/lab")], runs, facts))
    assert [eviction.run for eviction in plan.evictions] == ["r2"], "it has just written a checkpoint"
    facts["r2"] = RunFacts(50, kept_until_ms=lab.NOW_MS - 1000, restart_ms=10 * lab.HOUR_MS)
    plan = schedule(shared([lab.pending("b", "bolt/lab")], runs, facts))
    assert [eviction.run for eviction in plan.evictions] != ["r2"], "it takes ten hours to start again"


def test_projects_of_a_tenant_lend_to_each_other(lab):
    accounts = [lab.account(name, quota=2, borrow=2) for name in ("acme/lab", "acme/web")]
    runs, facts = borrowed(lab)
    items = [lab.pending(f"w{number}", "acme/web") for number in range(3)]
    world = lab.world(accounts=accounts, pending=items, runs=runs, run_facts=facts)
    plan = schedule(world)
    assert len(plan.evictions) == 2
    assert check(world, plan) == []


def test_a_projects_own_quota_takes_nothing_from_another_tenant(lab):
    """A tenant's administrator sets the quotas of its projects: they must not reach beyond it."""
    accounts = [lab.account("acme/lab", quota=2, borrow=2), lab.account("bolt/lab", quota=100)]
    runs, facts = borrowed(lab)
    world = lab.world(accounts=accounts, pending=[lab.pending("b", "bolt/lab")], runs=runs, run_facts=facts)
    assert schedule(world).evictions == ()


def test_a_tenants_quota_limits_all_its_projects_together(lab):
    accounts = [lab.account(name, tenant_quota=2) for name in ("acme/lab", "acme/web")]
    items = [lab.pending(f"job_{number}", ("acme/lab", "acme/web")[number % 2]) for number in range(4)]
    plan = schedule(lab.world(accounts=accounts, pending=items))
    assert len(plan.placements) == 2
    reason = plan.waiting[0].reason
    assert "tenant acme holds 2 devices and may hold 2" in reason.summary
    assert "'bruk tenant set acme --devices 3'" in reason.advice
