"""What would happen: by hand-made worlds whose story is known."""

from dataclasses import replace

import pytest

from bruk.model.run import DeviceSet, Run
from bruk.model.site import Isolation, Node, PowerLimit, Site
from bruk.model.snapshot import Account, Pending, RunFacts, SiteState, Snapshot
from bruk.model.switch import HoldScope
from bruk.model.tenant import Project, Residency, Tenant
from bruk.model.workload import Resources, WorkloadKind
from bruk.twin.whatif.compare import what_if
from bruk.twin.whatif.events import EventImpossible, Lost, PowerChanged, SwitchedOff

NOW_MS, HOUR_MS, MINUTE_MS = 1_800_000_000_000, 3_600_000, 60_000
DAY_MS = 24 * HOUR_MS


def site(name, devices=4, **fields):
    place = Site(name, name, "FR", "FR", "us", isolation=Isolation.SANDBOX, pue_milli=1000, **fields)
    node = Node(name, "n1", "slots", "gpu", devices, 1000 * devices, 2**30)
    return SiteState(place, (node,), True, (100,) * 48, NOW_MS)


def run(name, device, ends_h, where="a", **facts):
    found = Run(
        f"run_{name}", name, "acme/lab", where, 1, (DeviceSet("n1", (device,)),), "gpu", NOW_MS - HOUR_MS
    )
    return found, RunFacts(50, ends_by_ms=NOW_MS + ends_h * HOUR_MS, **facts)


def world(sites, runs=(), pending=()):
    account = Account(Project("acme", "lab", ""), Tenant("acme", ""), Residency())
    return Snapshot(
        NOW_MS,
        tuple(sites),
        (account,),
        tuple(pending),
        tuple(found for found, _ in runs),
        prices_microeur={"*": 1},
        run_facts={found.id: facts for found, facts in runs},
        device_power_w={"gpu": 1000},
    )


def job(name, hours, devices=1):
    return Pending(
        name,
        name,
        WorkloadKind.JOB,
        "acme/lab",
        50,
        NOW_MS,
        Resources(1, devices),
        time_limit_ms=hours * HOUR_MS,
    )


def told(answer):
    return [((line.at_ms - NOW_MS) // MINUTE_MS, line.what, line.workload) for line in answer.lines]


def test_nothing_happens_and_nothing_differs():
    snapshot = world([site("a")], [run("one", 0, 2)], [job("two", 1)])
    answer = what_if(snapshot, [], NOW_MS + DAY_MS)
    assert (answer.lines, answer.delays) == ((), ())
    figures = answer.sites[0]
    assert figures.energy_j == (3 * 3_600_000,) * 2, "three hours of a kilowatt"
    assert figures.carbon_mg == (300,) * 2, "at 100 mg for each kilowatt-hour"
    assert figures.peak_w == (2000, 2000)
    assert answer.device_ms == {"acme": (3 * HOUR_MS, 3 * HOUR_MS)}


def test_a_site_that_is_off_for_an_hour_delays_what_ran_there_by_an_hour():
    snapshot = world([site("a")], [run("one", 0, 2)])
    off = SwitchedOff(HoldScope.SITE, "a", NOW_MS + HOUR_MS, NOW_MS + 2 * HOUR_MS)
    answer = what_if(snapshot, [off], NOW_MS + DAY_MS)
    assert told(answer) == [
        (60, "is switched off", ""),
        (60, "is stopped", "one"),
        (120, "is switched on", ""),
        (120, "starts", "one"),
        (180, "ends", "one"),
    ]
    assert [(row.before_ms, row.after_ms) for row in answer.delays] == [
        (NOW_MS + 2 * HOUR_MS, NOW_MS + 3 * HOUR_MS)
    ]
    assert answer.device_ms["acme"] == (2 * HOUR_MS,) * 2, "nothing was lost"


def test_where_another_site_will_do_it_goes_on_there_at_once():
    snapshot = world([site("a"), site("b")], [run("one", 0, 2)])
    off = SwitchedOff(HoldScope.SITE, "a", NOW_MS + HOUR_MS, None)
    answer = what_if(snapshot, [off], NOW_MS + DAY_MS)
    assert (60, "starts", "one") in told(answer)
    assert answer.delays == ()


def test_what_ends_just_then_is_not_stopped():
    snapshot = world([site("a")], [run("one", 0, 2)])
    off = SwitchedOff(HoldScope.SITE, "a", NOW_MS + 2 * HOUR_MS, None)
    answer = what_if(snapshot, [off], NOW_MS + DAY_MS)
    assert told(answer) == [(120, "is switched off", "")]


def test_less_power_stops_what_may_be_stopped_and_it_goes_on_later():
    runs = [run("one", 0, 4), run("two", 1, 4, preemptible=False)]
    less = PowerChanged("a", None, 50, NOW_MS + HOUR_MS, NOW_MS + 3 * HOUR_MS)
    answer = what_if(world([site("a")], runs), [less], NOW_MS + DAY_MS)
    assert told(answer) == [
        (60, "may draw 1000 W", ""),
        (60, "is stopped", "one"),
        (180, "may draw what it could before", ""),
        (180, "starts", "one"),
        (360, "ends", "one"),
    ]
    before, after = answer.power_w["a"]
    assert (before[59], before[60], after[59], after[60], after[180]) == (2000, 2000, 2000, 1000, 2000)
    assert len(before) == 24 * 60


def test_flexible_work_is_slowed_rather_than_stopped():
    runs = [run("one", 0, 4, flexibility_percent=50)]
    less = PowerChanged("a", None, 50, NOW_MS, NOW_MS + 2 * HOUR_MS)
    answer = what_if(world([site("a")], runs), [less], NOW_MS + DAY_MS)
    assert told(answer) == [
        (0, "may draw 500 W", ""),
        (0, "is capped", "one"),
        (120, "may draw what it could before", ""),
        (120, "is capped", "one"),
        (300, "ends", "one"),
    ]
    energy_j = answer.sites[0].energy_j
    assert energy_j[0] == energy_j[1], "half the power for twice the time"


def test_what_dies_with_its_node_does_again_what_it_had_not_kept():
    kept_ms = NOW_MS - 30 * MINUTE_MS
    snapshot = world([site("a"), site("b")], [run("one", 0, 2, kept_until_ms=kept_ms)])
    answer = what_if(snapshot, [Lost("a", "n1", NOW_MS, None)], NOW_MS + DAY_MS)
    assert [(row.after_ms or 0) - (row.before_ms or 0) for row in answer.delays] == [30 * MINUTE_MS]
    unkept = world([site("a"), site("b")], [run("one", 0, 2)])
    answer = what_if(unkept, [Lost("a", "", NOW_MS, None)], NOW_MS + DAY_MS)
    assert [(row.after_ms or 0) - (row.before_ms or 0) for row in answer.delays] == [HOUR_MS]


def test_a_limit_that_the_snapshot_knows_comes_with_time():
    limits = (PowerLimit(0, NOW_MS + HOUR_MS, NOW_MS + 2 * HOUR_MS),)
    answer = what_if(world([site("a", power_limits=limits)], [run("one", 0, 2)]), [], NOW_MS + DAY_MS)
    assert answer.sites[0].energy_j == (2 * 3_600_000,) * 2
    assert max(answer.power_w["a"][0][60:120]) == 0


def test_it_is_the_same_each_time():
    sites = [site("a"), site("b", devices=2)]
    snapshot = world(
        sites,
        [run(f"r{number}", number, 3 + number) for number in range(4)],
        [job(f"w{n}", n + 1) for n in range(6)],
    )
    events = [
        SwitchedOff(HoldScope.SITE, "a", NOW_MS + HOUR_MS, NOW_MS + 4 * HOUR_MS),
        PowerChanged("b", 1000, 0, NOW_MS + 2 * HOUR_MS, None),
    ]
    assert what_if(snapshot, events, NOW_MS + DAY_MS) == what_if(snapshot, events, NOW_MS + DAY_MS)
    shuffled = replace(snapshot, pending=snapshot.pending[::-1], runs=snapshot.runs[::-1])
    assert what_if(shuffled, events, NOW_MS + DAY_MS) == what_if(snapshot, events, NOW_MS + DAY_MS)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (SwitchedOff(HoldScope.SITE, "nowhere", NOW_MS, None), "no site called 'nowhere'; it has: a"),
        (SwitchedOff(HoldScope.TENANT, "nobody", NOW_MS, None), "no tenant called 'nobody'; it has: acme"),
        (Lost("a", "n9", NOW_MS, None), "no node at a called 'n9'; it has: n1"),
        (PowerChanged("a", 1, 0, NOW_MS, NOW_MS), "ends after it begins"),
    ],
)
def test_what_cannot_happen_is_refused(event, words):
    with pytest.raises(EventImpossible, match=words):
        what_if(world([site("a")]), [event], NOW_MS + DAY_MS)
