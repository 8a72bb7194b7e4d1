"""What a waiting workload is told."""

import pytest

from bruk.model.reason import ReasonCode
from bruk.model.site import Isolation
from bruk.model.switch import Hold, HoldScope
from bruk.model.tenant import Residency
from bruk.scheduler import schedule


def reason_of(snapshot):
    plan = schedule(snapshot)
    assert plan.placements == ()
    return plan.waiting[0].reason


@pytest.fixture
def two_sites(lab):
    def build(pending=None, **fields):
        sites = [lab.site("essonne", [lab.node()]), lab.site("borlange", [lab.node("borlange")])]
        return lab.world(sites, pending=[pending or lab.pending()], **fields)

    return build


def test_residency_says_which_rule_refused_which_site(lab, two_sites):
    reason = reason_of(two_sites(accounts=[lab.account(residency=Residency(("DE", "ES")))]))
    assert reason.code is ReasonCode.RESIDENCY
    assert reason.summary == (
        "The residency of project acme/lab allows no site:"
        " at borlange residency refuses it: country SE is not among DE, ES;"
        " at essonne residency refuses it: country FR is not among DE, ES."
    )
    assert [site.site for site in reason.sites] == ["borlange", "essonne"]


def test_asking_for_a_site_that_the_law_refuses(lab, two_sites):
    french = [lab.account(residency=Residency(("FR",)))]
    reason = reason_of(two_sites(lab.pending(sites=("borlange",)), accounts=french))
    assert reason.code is ReasonCode.SITE_CHOICE
    assert "at borlange residency refuses it: country SE is not among FR" in reason.summary
    assert reason.advice == (
        "Submit it with essonne among its sites ('--site essonne'), or without naming sites."
    )


def test_a_site_that_does_not_exist_is_named(lab, two_sites):
    reason = reason_of(two_sites(lab.pending(sites=("atlantis",))))
    assert "at atlantis there is no such site" in reason.summary
    assert ("atlantis", ReasonCode.SITE_CHOICE) in [(site.site, site.code) for site in reason.sites]


@pytest.mark.parametrize(
    ("scope", "target", "words", "command"),
    [
        (HoldScope.PLATFORM, "*", "hold on the platform", "bruk on platform"),
        (HoldScope.SITE, "essonne", "hold on site essonne", "bruk on site essonne"),
        (HoldScope.TENANT, "acme", "hold on tenant acme", "bruk on tenant acme"),
        (HoldScope.MODEL, "m1", "hold on model m1", "bruk on model m1"),
        (HoldScope.LOCAL, "essonne", "hold on site essonne, by hand", "bruk on --local --site essonne"),
    ],
)
def test_each_scope_of_hold_keeps_work_from_starting(lab, scope, target, words, command):
    hold = Hold("hold_7", scope, target, 7, "op", 0)
    reason = reason_of(lab.world(pending=[lab.pending(model="m1")], holds=(hold,)))
    assert reason.code is ReasonCode.HELD
    assert words in reason.summary
    assert "hold_7" in reason.advice
    assert f"'{command}'" in reason.advice
    assert ("by hand at the site" in reason.advice) is (scope is HoldScope.LOCAL)


def test_other_targets_and_released_holds_do_not_matter(lab):
    holds = (
        Hold("h1", HoldScope.SITE, "borlange", 1, "op", 0),
        Hold("h2", HoldScope.TENANT, "bolt", 2, "op", 0),
        Hold("h3", HoldScope.MODEL, "m2", 3, "op", 0),
        Hold("h4", HoldScope.PLATFORM, "*", 4, "op", 0, released_at_ms=1),
    )
    assert schedule(lab.world(pending=[lab.pending(model="m1")], holds=holds)).placements


def test_a_held_site_is_passed_over_for_another(lab, two_sites):
    hold = Hold("h1", HoldScope.SITE, "borlange", 1, "op", 0)
    (placement,) = schedule(two_sites(holds=(hold,))).placements
    assert placement.site == "essonne"


def test_a_second_tenant_waits_where_nothing_keeps_them_apart(lab):
    accounts = [lab.account("acme/lab"), lab.account("acme/web"), lab.account("bolt/lab")]
    sites = [lab.site(nodes=[lab.node()], isolation=Isolation.NONE)]
    items = [
        lab.pending("a", "acme/lab", age_ms=3),
        lab.pending("b", "bolt/lab", age_ms=2),
        lab.pending("c", "acme/web", age_ms=1),
    ]
    plan = schedule(lab.world(sites, accounts, items))
    assert [placement.pending for placement in plan.placements] == ["a", "c"]
    assert plan.waiting[0].reason.code is ReasonCode.ISOLATION
    assert "acme" not in plan.waiting[0].reason.summary
    accepted = [lab.site(nodes=[lab.node()], isolation=Isolation.NONE, isolation_acceptance="so be it")]
    assert len(schedule(lab.world(accepted, accounts, items)).placements) == 3


def test_the_budget_names_its_figures(lab):
    rich_for_half = [lab.account(budget_left_microeur=1_000_000)]
    item = lab.pending(devices=2, time_limit_ms=lab.HOUR_MS)
    reason = reason_of(lab.world(accounts=rich_for_half, pending=[item]))
    assert reason.code is ReasonCode.BUDGET
    assert "may cost 2.000000 EUR and 1.000000 EUR of the budget is left" in reason.summary
    assert reason.advice.endswith("or lower its time limit to at most 1800 s.")


def test_placements_of_one_plan_share_quota_budget_and_grant(lab):
    for account, code in (
        (lab.account(quota=2), ReasonCode.QUOTA),
        (lab.account(budget_left_microeur=2_500_000), ReasonCode.BUDGET),
        (lab.account(grant_left_device_ms=2 * lab.HOUR_MS), ReasonCode.GRANT),
    ):
        items = [lab.pending(f"job_{index}") for index in range(4)]
        plan = schedule(lab.world(accounts=[account], pending=items))
        assert len(plan.placements) == 2
        assert {waiting.reason.code for waiting in plan.waiting} == {code}


def test_two_projects_cannot_spend_their_tenants_rest_twice(lab):
    accounts = [
        lab.account("acme/lab", tenant_budget=9_000_000, budget_left_microeur=1_500_000),
        lab.account("acme/web", tenant_budget=9_000_000, budget_left_microeur=1_500_000),
    ]
    items = [lab.pending("a", "acme/lab"), lab.pending("b", "acme/web")]
    assert len(schedule(lab.world(accounts=accounts, pending=items)).placements) == 1


def test_without_a_price_nothing_starts_and_the_star_is_the_fallback(lab):
    item = lab.pending()
    reason = reason_of(lab.world(pending=[item], prices_microeur={"h100-sxm": 1}))
    assert reason.code is ReasonCode.PRICE
    assert "at essonne cpu-slot has no price" in reason.summary
    assert schedule(lab.world(pending=[item], prices_microeur={"*": 1})).placements


def test_back_off_says_until_when(lab):
    reason = reason_of(lab.world(pending=[lab.pending(not_before_ms=lab.NOW_MS + 1500)]))
    assert (reason.code, reason.not_before_ms) == (ReasonCode.BACKOFF, lab.NOW_MS + 1500)
    assert reason.advice == "Wait 2 s."


def test_capacity_counts_nodes(lab):
    runs = [lab.run(placement=[("n1", (0, 1, 2))])]
    reason = reason_of(lab.world(runs=runs, pending=[lab.pending(devices=2)]))
    assert reason.code is ReasonCode.CAPACITY
    assert reason.summary == (
        "It waits because at essonne 0 nodes of the 1 that would do have room for 2 devices,"
        " 1 node being needed."
    )
    assert reason.sites[0].nodes_refused == {ReasonCode.CAPACITY: 1}


def test_the_site_that_came_furthest_decides(lab, two_sites):
    sites = [
        lab.site("borlange", [lab.node("borlange")], connected=False),
        lab.site("essonne", [lab.node(drained=True)]),
    ]
    reason = reason_of(lab.world(sites, pending=[lab.pending()]))
    assert reason.code is ReasonCode.NODE_HEALTH
    assert [site.code for site in reason.sites] == [ReasonCode.SITE_AWAY, ReasonCode.NODE_HEALTH]


def test_a_grant_is_the_tenants_and_the_least_is_believed(lab):
    accounts = [
        lab.account("acme/lab", grant_left_device_ms=3 * lab.HOUR_MS),
        lab.account("acme/web", grant_left_device_ms=2 * lab.HOUR_MS),
    ]
    items = [lab.pending(f"job_{index}", ("acme/lab", "acme/web")[index % 2]) for index in range(4)]
    plan = schedule(lab.world(accounts=accounts, pending=items))
    assert len(plan.placements) == 2
    assert {waiting.reason.code for waiting in plan.waiting} == {ReasonCode.GRANT}
