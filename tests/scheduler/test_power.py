"""A site's power limit: what starts under it, and what gives way when it drops."""

from dataclasses import replace

import pytest

from bruk.model.reason import ReasonCode
from bruk.model.run import RunWanted
from bruk.model.site import PowerLimit
from bruk.model.snapshot import RunFacts
from bruk.scheduler import check, schedule

HOUR_MS = 3_600_000


def started(plan):
    return [placement.pending for placement in plan.placements]


@pytest.fixture
def limited(lab):
    """Eight devices of 100 W at a PUE of 1.5: 150 W each at the meter."""

    def build(limit_w, pending=(), facts=None, limits=None, **fields):
        limits = (PowerLimit(limit_w),) if limits is None else limits
        facts = facts or {}
        place = lab.site(nodes=[lab.node(devices=8)], pue_milli=1500, power_limits=limits)
        runs = [lab.run(id, placement=[("n1", (number,))]) for number, id in enumerate(facts)]
        fields = {"device_power_w": {"cpu-slot": 100}, **fields}
        return lab.world([place], pending=pending, runs=runs, run_facts=facts, **fields)

    return build


def test_work_starts_up_to_the_limit_and_the_rest_is_told(lab, limited):
    items = [lab.pending(f"job_{number}") for number in range(3)]
    plan = schedule(limited(449, items))
    assert started(plan) == ["job_0", "job_1"]
    reason = plan.waiting[0].reason
    assert reason.code is ReasonCode.POWER
    assert "it would draw 150 W, and of the site's limit of 449 W 300 W are drawn" in reason.summary
    assert "'bruk site power essonne 450W --clear'" in reason.advice
    assert started(schedule(limited(450, items))) == ["job_0", "job_1", "job_2"]


def test_what_may_not_be_stopped_starts_only_if_there_is_power_until_its_end(lab, limited):
    limits = (PowerLimit(1000), PowerLimit(100, lab.NOW_MS + HOUR_MS, lab.NOW_MS + 2 * HOUR_MS))
    lasting = lab.pending("lasting", preemptible=False, time_limit_ms=HOUR_MS)
    assert started(schedule(limited(0, [lasting], limits=limits))) == []
    short = lab.pending("short", preemptible=False, time_limit_ms=HOUR_MS - 1)
    assert started(schedule(limited(0, [short], limits=limits))) == ["short"]
    assert started(schedule(limited(0, [lab.pending(time_limit_ms=9 * HOUR_MS)], limits=limits))) == ["job_1"]


def test_flexible_work_is_capped_first_those_that_give_most_and_no_more_than_needed(lab, limited):
    facts = {"a": RunFacts(flexibility_percent=50), "b": RunFacts(flexibility_percent=10), "c": RunFacts()}
    plan = schedule(limited(420, facts=facts))
    assert {cap.run: cap.percent for cap in plan.caps} == {"a": 20}
    plan = schedule(limited(360, facts=facts))
    assert {cap.run: cap.percent for cap in plan.caps} == {"a": 50, "b": 10}
    assert plan.evictions == ()
    assert plan.shortfalls == ()


def test_then_preemptible_work_is_stopped_the_lowest_and_the_least_loss_first(lab, limited):
    facts = {
        "a": RunFacts(50, kept_until_ms=lab.NOW_MS - 1000),
        "b": RunFacts(50),
        "c": RunFacts(90),
    }
    world = limited(449, facts=facts)
    plan = schedule(world)
    assert [(eviction.run, eviction.for_pending) for eviction in plan.evictions] == [("a", "")]
    assert "above" not in plan.evictions[0].detail
    assert "power limit of 449 W" in plan.evictions[0].detail
    assert check(world, plan) == []
    assert [eviction.run for eviction in schedule(limited(299, facts=facts)).evictions] == ["a", "b"]


def test_what_says_no_is_never_stopped_and_the_shortfall_is_said(lab, limited):
    facts = {"a": RunFacts(preemptible=False), "b": RunFacts(preemptible=False)}
    plan = schedule(limited(100, facts=facts))
    assert plan.evictions == ()
    assert [(row.site, row.watts) for row in plan.shortfalls] == [("essonne", 200)]


def test_a_plan_that_was_applied_asks_for_nothing_more(lab, limited):
    facts = {"a": RunFacts(flexibility_percent=25), "b": RunFacts(), "c": RunFacts()}
    world = limited(300, facts=facts)
    plan = schedule(world)
    assert len(plan.evictions) == 1
    after = lab.applied(world, plan)
    capped = {cap.run: cap.percent for cap in plan.caps}
    after = replace(
        after,
        run_facts={
            run: replace(row, power_cap_percent=capped.get(run, row.power_cap_percent))
            for run, row in after.run_facts.items()
        },
    )
    again = schedule(after)
    assert again.evictions == ()
    assert {row.wanted for row in after.runs if row.id != plan.evictions[0].run} == {RunWanted.START}


def test_caps_are_taken_back_when_there_is_power_again(lab, limited):
    facts = {"a": RunFacts(flexibility_percent=50, power_cap_percent=50)}
    plan = schedule(limited(1000, facts=facts))
    assert [(cap.run, cap.percent) for cap in plan.caps] == [("a", 0)]
    plan = schedule(limited(0, facts=facts, limits=()))
    assert [(cap.run, cap.percent) for cap in plan.caps] == [("a", 0)]


def test_nothing_new_starts_while_others_are_capped_for_lack_of_power(lab, limited):
    facts = {"a": RunFacts(flexibility_percent=50)}
    plan = schedule(limited(100, [lab.pending()], facts=facts))
    assert started(plan) == []
    assert plan.caps


def test_a_limit_that_is_over_is_none_and_the_least_counts(lab, limited):
    past = PowerLimit(1, until_ms=lab.NOW_MS)
    assert started(schedule(limited(0, [lab.pending()], limits=(past,)))) == ["job_1"]
    both = (PowerLimit(1000), PowerLimit(149))
    assert started(schedule(limited(0, [lab.pending()], limits=both))) == []
