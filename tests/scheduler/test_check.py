"""The checker finds each kind of broken plan; it is given one at a time."""

from dataclasses import replace

import pytest

from bruk.model.plan import Eviction, Placement, Plan, Waiting
from bruk.model.reason import Reason, ReasonCode, SiteRefusal
from bruk.model.run import DeviceSet, RunWanted
from bruk.model.site import Isolation, NodeHealth
from bruk.model.snapshot import RunFacts
from bruk.model.switch import Hold, HoldScope
from bruk.model.tenant import Residency
from bruk.scheduler import check

REASON = Reason(
    ReasonCode.CAPACITY, "It waits.", "Wait.", (SiteRefusal("essonne", ReasonCode.CAPACITY, "full"),)
)


def place(item="job_1", devices=((("n1"), (0,)),), site="essonne", accelerator="cpu-slot"):
    parts = tuple(DeviceSet(node, indices) for node, indices in devices)
    return Placement(item, item, site, accelerator, parts)


def rules(snapshot, *placements, evictions=(), waiting=()):
    plan = Plan(snapshot.now_ms, tuple(placements), tuple(evictions), tuple(waiting))
    return {violation.rule for violation in check(snapshot, plan)}


def test_a_good_plan_passes(lab):
    assert rules(lab.world(pending=[lab.pending()]), place()) == set()


@pytest.mark.parametrize(
    ("placement", "rule"),
    [
        (place(item="job_9"), "unknown_pending"),
        (replace(place(), workload="job_2"), "wrong_workload"),
        (place(site="nowhere"), "unknown_site"),
        (place(devices=[("n9", (0,))]), "unknown_node"),
        (place(devices=[("n1", (4,))]), "unknown_device"),
        (place(devices=[("n1", (0, 1))]), "gang_broken"),
        (place(devices=[("n1", (0,)), ("n1", (1,))]), "gang_broken"),
        (place(devices=[]), "gang_broken"),
        (place(accelerator="h100-sxm"), "accelerator"),
    ],
)
def test_a_wrong_place(lab, placement, rule):
    assert rule in rules(lab.world(pending=[lab.pending()]), placement)


def test_every_item_is_answered_once(lab):
    world = lab.world(pending=[lab.pending()])
    assert rules(world) == {"unanswered"}
    assert "answered_twice" in rules(world, place(), waiting=[Waiting("job_1", "job_1", REASON)])
    silent = [Waiting("job_1", "job_1", replace(REASON, advice=""))]
    assert rules(world, waiting=silent) == {"no_reason"}
    untold = [Waiting("job_1", "job_1", replace(REASON, sites=()))]
    assert rules(world, waiting=untold) == {"site_unexplained"}


def test_a_device_twice(lab):
    world = lab.world(runs=[lab.run()], pending=[lab.pending(), lab.pending("job_2")])
    assert rules(world, place(), place("job_2", [("n1", (1,))])) == {"device_twice"}
    assert rules(world, place(devices=[("n1", (1,))]), place("job_2", [("n1", (1,))])) == {"device_twice"}


def test_cores_and_memory(lab):
    for field, rule in (("cpu_milli", "cpu"), ("memory_bytes", "memory")):
        items = [
            lab.pending(f"job_{index}", **{field: 2100 if rule == "cpu" else 2**21 + 1}) for index in (1, 2)
        ]
        placements = [place(f"job_{index}", [("n1", (index,))]) for index in (1, 2)]
        assert rules(lab.world(pending=items), *placements) == {rule}


@pytest.mark.parametrize("change", [{"drained": True}, {"health": NodeHealth.UNHEALTHY}])
def test_a_node_out_of_work(lab, change):
    world = lab.world([lab.site(nodes=[lab.node(**change)])], pending=[lab.pending()])
    assert rules(world, place()) == {"node_health"}


def test_law_choice_holds_and_connection(lab):
    item = lab.pending()
    cases = {
        "residency": lab.world(accounts=[lab.account(residency=Residency(("SE",)))], pending=[item]),
        "site_choice": lab.world(pending=[lab.pending(sites=("borlange",))]),
        "held": lab.world(pending=[item], holds=(Hold("h", HoldScope.PLATFORM, "*", 1, "op", 0),)),
        "site_away": lab.world([lab.site(nodes=[lab.node()], connected=False)], pending=[item]),
        "network": lab.world(
            [lab.site(nodes=[lab.node()], isolation=Isolation.SANDBOX, network=("a.example:80",))],
            pending=[lab.pending(network=("a.example:443",))],
        ),
        "backoff": lab.world(pending=[lab.pending(not_before_ms=lab.NOW_MS + 1)]),
        "inputs": lab.world(pending=[lab.pending(inputs_missing=("corpus",))]),
        "price": lab.world(pending=[item], prices_microeur={}),
        "quota": lab.world(accounts=[lab.account(quota=0)], pending=[item]),
        "budget": lab.world(accounts=[lab.account(budget_left_microeur=999_999)], pending=[item]),
        "grant": lab.world(accounts=[lab.account(grant_left_device_ms=1)], pending=[item]),
        "unknown_project": lab.world(accounts=[], pending=[item]),
    }
    assert {rule: rules(world, place()) for rule, world in cases.items()} == {rule: {rule} for rule in cases}


def test_a_tenants_residency_holds_even_if_the_account_forgot_it(lab):
    account = replace(lab.account(residency=Residency(("SE",))), residency=Residency())
    assert rules(lab.world(accounts=[account], pending=[lab.pending()]), place()) == {"residency"}


def test_the_tenants_rest_is_not_spent_twice(lab):
    accounts = [
        lab.account(project, tenant_budget=5_000_000, budget_left_microeur=1_500_000)
        for project in ("acme/lab", "acme/web")
    ]
    items = [lab.pending(), lab.pending("job_2", "acme/web")]
    world = lab.world(accounts=accounts, pending=items)
    assert rules(world, place(), place("job_2", [("n1", (1,))])) == {"budget"}


def test_two_tenants_without_isolation(lab):
    accounts = [lab.account(), lab.account("bolt/lab")]
    items = [lab.pending(), lab.pending("job_2", "bolt/lab")]
    sites = [lab.site(nodes=[lab.node()], isolation=Isolation.NONE)]
    world = lab.world(sites, accounts, items)
    assert rules(world, place(), place("job_2", [("n1", (1,))])) == {"isolation"}
    beside = lab.world(sites, accounts, [lab.pending()], [lab.run(project="bolt/lab")])
    assert rules(beside, place(devices=[("n1", (1,))])) == {"isolation"}


@pytest.mark.parametrize(
    ("facts", "change", "rule"),
    [
        (RunFacts(priority=26), {}, "priority"),
        (RunFacts(priority=10, preemptible=False), {}, "not_preemptible"),
        (None, {}, "not_preemptible"),
        (RunFacts(priority=10), {"wanted": RunWanted.STOP}, "evicted_twice"),
        (RunFacts(priority=10), {"id": "run_2"}, "unknown_run"),
    ],
)
def test_a_wrong_eviction(lab, facts, change, rule):
    run = lab.run(**change)
    world = lab.world(runs=[run], pending=[lab.pending()], run_facts={run.id: facts} if facts else {})
    waiting = [Waiting("job_1", "job_1", REASON)]
    found = rules(world, evictions=[Eviction("run_1", "job_1", "")], waiting=waiting)
    assert found == {rule}


def test_an_eviction_for_what_does_not_wait(lab):
    world = lab.world(runs=[lab.run()], pending=[lab.pending()], run_facts={"run_1": RunFacts(10)})
    assert "evicted_for_nothing" in rules(
        world, place(devices=[("n1", (1,))]), evictions=[Eviction("run_1", "job_1", "")]
    )


def test_a_plan_of_another_instant(lab):
    world = lab.world()
    assert [violation.rule for violation in check(world, Plan(world.now_ms - 1))] == ["other_instant"]
