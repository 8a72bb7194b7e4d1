"""Who goes first."""

import pytest

from bruk.scheduler import schedule
from bruk.scheduler.order import AGED_AFTER_MS


def started(plan):
    return [placement.pending for placement in plan.placements]


@pytest.fixture
def one_device(lab):
    """A world with a single device, so that the first in order gets it."""

    def build(pending, accounts=None, **fields):
        nodes = [lab.node(devices=1)]
        return lab.world([lab.site(nodes=nodes)], accounts, pending, **fields)

    return build


def test_priority_goes_before_age(lab, one_device):
    items = [lab.pending("old", age_ms=9000), lab.pending("urgent", priority=51)]
    assert started(schedule(one_device(items))) == ["urgent"]


def test_fifo_knows_age_alone(lab, one_device):
    items = [lab.pending("old", age_ms=9000), lab.pending("urgent", priority=100)]
    assert started(schedule(one_device(items, order="fifo"))) == ["old"]


def test_then_age_then_id(lab, one_device):
    items = [lab.pending("b"), lab.pending("a"), lab.pending("older", age_ms=1)]
    assert started(schedule(one_device(items))) == ["older"]
    assert started(schedule(one_device(items[:2]))) == ["a"]


@pytest.mark.parametrize(("weight", "first"), [(1, "bolts"), (3, "acmes")])
def test_less_use_per_weight_goes_first(lab, one_device, weight, first):
    accounts = [
        lab.account("acme/lab", weight=weight, use_device_ms=20_000_000),
        lab.account("bolt/lab", use_device_ms=10_000_000),
    ]
    items = [lab.pending("acmes", "acme/lab", age_ms=5), lab.pending("bolts", "bolt/lab")]
    assert started(schedule(one_device(items, accounts))) == [first]


def test_what_the_plan_just_gave_counts(lab):
    accounts = [lab.account("acme/lab"), lab.account("bolt/lab")]
    items = [lab.pending(f"a{index}", "acme/lab", age_ms=10) for index in range(4)]
    items += [lab.pending(f"b{index}", "bolt/lab") for index in range(4)]
    plan = schedule(lab.world([lab.site(nodes=[lab.node(devices=6)])], accounts, items))
    assert started(plan) == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_devices_held_now_count_before_they_are_metered(lab):
    accounts = [lab.account("acme/lab"), lab.account("bolt/lab")]
    runs = [lab.run(project="acme/lab", placement=[("n1", (0, 1, 2))])]
    items = [lab.pending("a", "acme/lab", age_ms=10), lab.pending("b", "bolt/lab")]
    assert started(schedule(lab.world(accounts=accounts, runs=runs, pending=items))) == ["b"]


def test_within_a_tenant_the_project_with_fewer_devices_goes_first(lab):
    accounts = [lab.account("acme/lab"), lab.account("acme/web")]
    runs = [lab.run(project="acme/lab", placement=[("n1", (0, 1, 2))])]
    items = [lab.pending("lab", "acme/lab", age_ms=10), lab.pending("web", "acme/web")]
    assert started(schedule(lab.world(accounts=accounts, runs=runs, pending=items))) == ["web"]


def test_a_gang_that_waited_long_goes_before_fair_share_but_not_before_priority(lab):
    accounts = [lab.account("acme/lab", use_device_ms=10**12), lab.account("bolt/lab")]
    gang = lab.pending("gang", "acme/lab", age_ms=AGED_AFTER_MS + 1, devices=4)
    fair = lab.pending("fair", "bolt/lab")
    assert started(schedule(lab.world(accounts=accounts, pending=[gang, fair]))) == ["gang"]
    urgent = lab.pending("urgent", "bolt/lab", priority=51)
    assert started(schedule(lab.world(accounts=accounts, pending=[gang, urgent]))) == ["urgent"]


def test_nothing_is_skipped_when_the_first_does_not_fit(lab):
    items = [lab.pending("large", devices=4, age_ms=10), lab.pending("small")]
    plan = schedule(lab.world(runs=[lab.run()], pending=items))
    assert started(plan) == ["small"]
