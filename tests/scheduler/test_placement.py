"""Where things go: whole gangs, one domain, best fit, the checkpoint's site."""

from bruk.model.reason import ReasonCode
from bruk.model.run import DeviceSet
from bruk.scheduler import schedule


def nodes_of(plan):
    return {
        placement.pending: (placement.site, [part.node for part in placement.devices])
        for placement in plan.placements
    }


def test_the_fullest_node_that_fits_is_taken_with_its_lowest_free_devices(lab):
    nodes = [lab.node(name="n1", devices=8), lab.node(name="n2", devices=4), lab.node(name="n3", devices=4)]
    runs = [lab.run(placement=[("n2", (0, 2))])]
    (placement,) = schedule(
        lab.world([lab.site(nodes=nodes)], runs=runs, pending=[lab.pending(devices=2)])
    ).placements
    assert placement.devices == (DeviceSet("n2", (1, 3)),)
    assert [(candidate.nodes, candidate.score) for candidate in placement.leading] == [
        (("n2",), 0),
        (("n3",), 2),
        (("n1",), 6),
    ]


def test_ties_go_by_name_of_site_then_node(lab):
    sites = [lab.site(name, [lab.node(name, "n2"), lab.node(name, "n1")]) for name in ("essonne", "borlange")]
    assert nodes_of(schedule(lab.world(sites, pending=[lab.pending()]))) == {"job_1": ("borlange", ["n1"])}


def test_the_site_of_the_checkpoint_goes_before_a_better_fit(lab):
    sites = [
        lab.site("borlange", [lab.node("borlange", devices=1)]),
        lab.site("essonne", [lab.node("essonne", devices=8)]),
    ]
    item = lab.pending(preferred_site="essonne")
    assert nodes_of(schedule(lab.world(sites, pending=[item]))) == {"job_1": ("essonne", ["n1"])}
    sites[1] = lab.site("essonne", [lab.node("essonne", drained=True)])
    assert nodes_of(schedule(lab.world(sites, pending=[item]))) == {"job_1": ("borlange", ["n1"])}


def test_a_gang_stays_in_one_domain_even_if_others_fit_tighter(lab):
    nodes = [
        lab.node(name="n1", devices=2, domain="r1"),
        lab.node(name="n2", devices=2, domain="r2"),
        lab.node(name="n3", devices=8, domain="r2"),
    ]
    plan = schedule(lab.world([lab.site(nodes=nodes)], pending=[lab.pending(nodes=2, devices=2)]))
    assert nodes_of(plan) == {"job_1": ("essonne", ["n2", "n3"])}


def test_a_gang_spans_domains_rather_than_wait(lab):
    nodes = [lab.node(name="n1", devices=2, domain="r1"), lab.node(name="n2", devices=2, domain="r2")]
    (placement,) = schedule(
        lab.world([lab.site(nodes=nodes)], pending=[lab.pending(nodes=2, devices=2)])
    ).placements
    assert len(placement.devices) == 2
    assert placement.leading[0].score >= 1_000_000


def test_a_gang_never_spans_sites_or_accelerators(lab):
    sites = [
        lab.site("borlange", [lab.node("borlange"), lab.node("borlange", "n2", "h100-sxm")]),
        lab.site("essonne", [lab.node("essonne")]),
    ]
    plan = schedule(lab.world(sites, pending=[lab.pending(nodes=2, devices=4)]))
    assert plan.placements == ()
    assert plan.waiting[0].reason.code is ReasonCode.TOO_LARGE


def test_cores_and_memory_are_counted_beside_devices(lab):
    nodes = [lab.node(devices=4, cpu_milli=4000, memory_bytes=4096)]
    items = [
        lab.pending("greedy", cpu_milli=3500, age_ms=1),
        lab.pending("modest", cpu_milli=500),
        lab.pending("own-share"),
    ]
    plan = schedule(lab.world([lab.site(nodes=nodes)], pending=items))
    assert set(nodes_of(plan)) == {"greedy", "modest"}
    assert plan.waiting[0].reason.code is ReasonCode.CAPACITY


def test_a_placement_says_how_many_nodes_each_filter_took_out(lab):
    nodes = [
        lab.node(name="n1"),
        lab.node(name="n2", drained=True),
        lab.node(name="n3", devices=1),
        lab.node(name="n4", accelerator="h100-sxm"),
        lab.node(name="n5"),
    ]
    sites = [lab.site(nodes=nodes), lab.site("lumi", [lab.node("lumi")], connected=False)]
    runs = [lab.run(placement=[("n5", (0, 1, 2, 3))])]
    item = lab.pending(devices=4, accelerators=("cpu-slot",))
    (placement,) = schedule(lab.world(sites, runs=runs, pending=[item])).placements
    assert placement.filtered == {
        ReasonCode.SITE_AWAY: 1,
        ReasonCode.ACCELERATOR: 1,
        ReasonCode.NODE_HEALTH: 1,
        ReasonCode.TOO_LARGE: 1,
        ReasonCode.CAPACITY: 1,
    }


def test_an_ended_run_holds_nothing_and_a_stopping_one_holds_its_devices(lab):
    from dataclasses import replace

    from bruk.model.run import Observed, RunWanted

    run = lab.run(placement=[("n1", (0, 1, 2, 3))], wanted=RunWanted.STOP, observed=Observed.STOPPING)
    item = lab.pending()
    assert schedule(lab.world(runs=[run], pending=[item])).placements == ()
    ended = replace(run, observed=Observed.EXITED)
    assert nodes_of(schedule(lab.world(runs=[ended], pending=[item]))) == {"job_1": ("essonne", ["n1"])}
