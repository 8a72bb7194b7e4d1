"""Where things go: whole gangs, one domain, best fit, the checkpoint's site."""

from collections import Counter
from dataclasses import replace

from bruk.model.reason import ReasonCode
from bruk.model.run import DeviceSet
from bruk.model.snapshot import RunFacts
from bruk.model.workload import WorkloadKind
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
        lab.world([lab.site(nodes=nodes)], runs=runs, pending=[lab.pending(devices=2)], placement="bestfit")
    ).placements
    assert placement.devices == (DeviceSet("n2", (1, 3)),)
    assert [(candidate.nodes, candidate.score) for candidate in placement.leading] == [
        (("n2",), -100),
        (("n3",), -86),
        (("n1",), -60),
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
    assert placement.leading[0].score > 900_000


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
    from bruk.model.run import Observed, RunWanted

    run = lab.run(placement=[("n1", (0, 1, 2, 3))], wanted=RunWanted.STOP, observed=Observed.STOPPING)
    item = lab.pending()
    assert schedule(lab.world(runs=[run], pending=[item])).placements == ()
    ended = replace(run, observed=Observed.EXITED)
    assert nodes_of(schedule(lab.world(runs=[ended], pending=[item]))) == {"job_1": ("essonne", ["n1"])}


def test_parts_of_a_device_are_shared_and_never_more_than_the_whole(lab):
    items = [lab.pending(f"job_{number}", device_milli=400, age_ms=9 - number) for number in range(5)]
    plan = schedule(lab.world([lab.site(nodes=[lab.node(devices=2)])], pending=items))
    taken = Counter(part.devices for row in plan.placements for part in row.devices)
    assert taken == {(0,): 2, (1,): 2}
    assert [row.pending for row in plan.waiting] == ["job_4"]


def test_a_run_that_holds_a_part_leaves_the_rest(lab):
    runs = [lab.run(placement=[("n1", (0,))])]
    world = lab.world(
        [lab.site(nodes=[lab.node(devices=1)])], runs=runs, pending=[lab.pending(device_milli=400)]
    )
    facts = {"run_1": RunFacts(device_milli=600)}
    assert nodes_of(schedule(replace(world, run_facts=facts)))
    assert not nodes_of(schedule(replace(world, run_facts={"run_1": RunFacts(device_milli=601)})))


def test_replicas_of_an_endpoint_are_spread_over_nodes(lab):
    nodes = [lab.node(name=f"n{number}") for number in range(3)]
    items = [
        replace(lab.pending(f"ep_1#{number}", time_limit_ms=1), kind=WorkloadKind.ENDPOINT)
        for number in range(4)
    ]
    plan = schedule(lab.world([lab.site(nodes=nodes)], pending=items))
    assert Counter(names[0] for _, names in nodes_of(plan).values()) == {"n0": 2, "n1": 1, "n2": 1}


def test_of_sites_that_are_otherwise_alike_the_cleaner_then_the_cheaper_is_taken(lab):
    def sites(essonne, borlange):
        return [
            replace(lab.site("essonne", [lab.node()]), carbon_mg_per_kwh=(essonne,)),
            replace(lab.site("borlange", [lab.node("borlange")]), carbon_mg_per_kwh=(borlange,)),
        ]

    item = lab.pending()
    assert nodes_of(schedule(lab.world(sites(20, 30), pending=[item])))["job_1"][0] == "essonne"
    assert nodes_of(schedule(lab.world(sites(30, 20), pending=[item])))["job_1"][0] == "borlange"


def test_a_gang_that_must_span_domains_spans_the_fewest(lab):
    names = {"r1": 1, "r2": 3, "r3": 2}
    nodes = [
        lab.node(name=f"{domain}n{number}", devices=2, domain=domain)
        for domain, count in names.items()
        for number in range(count)
    ]
    plan = schedule(lab.world([lab.site(nodes=nodes)], pending=[lab.pending(nodes=5, devices=2)]))
    assert {name[:2] for name in nodes_of(plan)["job_1"][1]} == {"r2", "r3"}
