"""Worlds to schedule in: small builders, random snapshots, and what applying a plan does."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import strategies as st

from bruk.model.plan import Plan
from bruk.model.reason import ReasonCode as Code
from bruk.model.run import DeviceSet, Run, RunWanted, StopReason
from bruk.model.site import Isolation, Node, NodeHealth, PowerLimit, Site
from bruk.model.snapshot import Account, Pending, RunFacts, SiteState, Snapshot
from bruk.model.switch import Hold, HoldScope
from bruk.model.tenant import Project, Residency, Tenant
from bruk.model.workload import Resources, WorkloadKind

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
PLACES = {"borlange": ("SE", "eco"), "essonne": ("FR", "bruk"), "lumi": ("FI", "csc")}
ACCELERATORS = ("cpu-slot", "h100-sxm")
# Nodes, devices on each, thousandths of each.
SHAPES = [(1, 1, 1000), (1, 2, 1000), (1, 3, 1000), (1, 4, 1000), (2, 2, 1000), (2, 1, 1000), (1, 1, 300)]


def node(site="essonne", name="n1", accelerator="cpu-slot", devices=4, **fields):
    fields = {"cpu_milli": 1000 * devices, "memory_bytes": 2**20 * devices, **fields}
    return Node(site, name, accelerator, accelerator, devices, **fields)


def site(name="essonne", nodes=(), connected=True, isolation=Isolation.USER, carbon=(), **fields):
    country, operator = PLACES[name]
    place = Site(name, name.title(), country, country, operator, isolation=isolation, **fields)
    return SiteState(place, tuple(nodes), connected, tuple(carbon), NOW_MS)


def account(
    project="acme/lab",
    residency=None,
    weight=1,
    tenant_budget=None,
    quota=None,
    borrow=0,
    tenant_quota=None,
    tenant_borrow=0,
    **fields,
):
    tenant_name, name = project.split("/")
    residency = residency or Residency()
    return Account(
        Project(tenant_name, name, name, quota_devices=quota, borrow_devices=borrow),
        Tenant(
            tenant_name,
            tenant_name,
            residency,
            weight,
            budget_microeur=tenant_budget,
            quota_devices=tenant_quota,
            borrow_devices=tenant_borrow,
        ),
        residency,
        **fields,
    )


def pending(id="job_1", project="acme/lab", priority=50, age_ms=0, nodes=1, devices=1, **fields):
    asked = {
        key: fields.pop(key)
        for key in ("accelerators", "cpu_milli", "memory_bytes", "device_milli")
        if key in fields
    }
    fields = {"time_limit_ms": HOUR_MS, **fields}
    return Pending(
        id,
        id.split("#")[0],
        WorkloadKind.JOB,
        project,
        priority,
        NOW_MS - age_ms,
        Resources(nodes, devices, **asked),
        **fields,
    )


def run(id="run_1", project="acme/lab", site="essonne", placement=(("n1", (0,)),), **fields):
    parts = tuple(DeviceSet(name, devices) for name, devices in placement)
    fields = {"accelerator": "cpu-slot", "created_at_ms": NOW_MS - HOUR_MS, **fields}
    return Run(id, f"job_of_{id}", project, site, 1, parts, **fields)


def world(sites=None, accounts=None, pending=(), runs=(), **fields):
    sites = (site(nodes=[node()]),) if sites is None else tuple(sites)
    accounts = (account(),) if accounts is None else tuple(accounts)
    prices = fields.pop("prices_microeur", {"*": 1_000_000})
    return Snapshot(NOW_MS, sites, accounts, tuple(pending), tuple(runs), prices_microeur=prices, **fields)


def applied(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """The snapshot that follows when a plan is carried out and nothing else happens."""
    items = {item.id: item for item in snapshot.pending}
    runs = {run.id: run for run in snapshot.runs}
    facts = dict(snapshot.run_facts)
    accounts = {account.project.id: account for account in snapshot.accounts}
    for eviction in plan.evictions:
        runs[eviction.run] = replace(
            runs[eviction.run], wanted=RunWanted.STOP, stop_reason=StopReason.PREEMPTED
        )
    for placement in plan.placements:
        item = items.pop(placement.pending)
        runs[f"run_of_{item.id}"] = Run(
            f"run_of_{item.id}",
            item.workload,
            item.project,
            placement.site,
            1,
            placement.devices,
            placement.accelerator,
            snapshot.now_ms,
        )
        facts[f"run_of_{item.id}"] = RunFacts(
            item.priority,
            item.preemptible,
            item.model,
            item.resources.cpu_milli,
            item.resources.memory_bytes,
            snapshot.now_ms + item.time_limit_ms,
            item.resources.device_milli,
        )
        price = snapshot.prices_microeur.get(placement.accelerator, snapshot.prices_microeur.get("*"))
        asked = item.resources
        use_device_ms = -(-asked.devices_total * asked.device_milli * item.time_limit_ms // 1000)
        bound_microeur = -(-price * use_device_ms // HOUR_MS)
        for key, row in accounts.items():
            if row.tenant.name != accounts[item.project].tenant.name:
                continue
            budget, grant = row.budget_left_microeur, row.grant_left_device_ms
            if budget is not None and (key == item.project or row.tenant.budget_microeur is not None):
                budget -= bound_microeur
            accounts[key] = replace(
                row,
                budget_left_microeur=budget,
                grant_left_device_ms=None if grant is None else grant - use_device_ms,
            )
    return replace(
        snapshot,
        accounts=tuple(accounts.values()),
        pending=tuple(items.values()),
        runs=tuple(runs.values()),
        run_facts=facts,
    )


@st.composite
def node_lists(draw, site_name, topics):
    sick = Code.NODE_HEALTH in topics
    mixed = Code.ACCELERATOR in topics or Code.PRICE in topics
    return [
        node(
            site_name,
            f"n{index}",
            draw(st.sampled_from(ACCELERATORS)) if mixed else "cpu-slot",
            draw(st.integers(1, 4)),
            domain=draw(st.sampled_from(["", "r1", "r2"])),
            health=draw(st.sampled_from(list(NodeHealth))) if sick else NodeHealth.OK,
            drained=sick and draw(st.booleans()),
        )
        for index in range(draw(st.sampled_from([3, 1, 2, 4, 0])))
    ]


@st.composite
def items(draw, id, projects, topics=frozenset(Code)):
    """Any pending item that is difficult in these respects alone."""

    def one(topic, plain, *others):
        return draw(st.sampled_from([plain, *others])) if topic in topics else plain

    return pending(
        id,
        draw(st.sampled_from(projects)),
        draw(st.sampled_from([10, 50, 50, 75, 100])),
        draw(st.sampled_from([0, 1000, 2 * HOUR_MS, 3 * HOUR_MS])),
        one(Code.TOO_LARGE, draw(st.sampled_from([1, 1, 2])), 3, 5),
        one(Code.TOO_LARGE, draw(st.sampled_from([1, 1, 2])), 4, 5),
        accelerators=one(Code.ACCELERATOR, (), ("h100-sxm",), ("cpu-slot", "h100-sxm"), ("mi430x",)),
        cpu_milli=one(Code.TOO_LARGE, 0, 500, 3000),
        memory_bytes=one(Code.TOO_LARGE, 0, 2**21),
        sites=one(Code.SITE_CHOICE, (), ("essonne",), ("borlange", "nowhere")),
        model=one(Code.HELD, "", "m1"),
        time_limit_ms=draw(st.sampled_from([HOUR_MS, 0, 1, 5 * HOUR_MS])),
        not_before_ms=one(Code.BACKOFF, 0, NOW_MS, NOW_MS + 5500),
        preemptible=draw(st.booleans()),
        inputs_missing=one(Code.INPUTS, (), ("corpus",), ("corpus", "vocabulary")),
        deadline_at_ms=one(Code.DEFERRED, None, NOW_MS + 3 * HOUR_MS, NOW_MS + 10 * HOUR_MS),
        preferred_site=draw(st.sampled_from(["", "essonne", "borlange"])),
        network=one(Code.NETWORK, (), ("a.example:443",), ("a.example:443", "b.example:80")),
    )


@st.composite
def accounts(draw, project, topics=frozenset(Code)):
    def one(topic, plain, *others):
        return draw(st.sampled_from([plain, *others])) if topic in topics else plain

    return account(
        project,
        one(Code.RESIDENCY, Residency(), Residency(("FR",)), Residency(("DE",), ("eco", "bruk"))),
        3 if project.startswith("acme/") else 1,
        10**9 if Code.BUDGET in topics and project.startswith("acme/") else None,
        one(Code.QUOTA, None, 0, 2, 8),
        use_device_ms=draw(st.sampled_from([0, 0, 5 * HOUR_MS])),
        budget_left_microeur=one(Code.BUDGET, 10**9, 0, 1_000_000, 3_500_000, -1)
        if Code.BUDGET in topics
        else None,
        grant_left_device_ms=one(Code.GRANT, None, HOUR_MS, 20 * HOUR_MS),
    )


@st.composite
def holds(draw):
    scope, target = draw(
        st.sampled_from(
            [
                (HoldScope.SITE, "essonne"),
                (HoldScope.LOCAL, "borlange"),
                (HoldScope.TENANT, "acme"),
                (HoldScope.MODEL, "m1"),
                (HoldScope.PLATFORM, "*"),
            ]
        )
    )
    released = draw(st.sampled_from([None, NOW_MS]))
    return Hold(f"hold_{scope.value}", scope, target, 1, "op", NOW_MS, released_at_ms=released)


@st.composite
def runs_on(draw, sites):
    """Unfinished runs that together hold no device twice, with facts for most of them."""
    runs, facts = [], {}
    for state in sites:
        for each in state.nodes:
            held = draw(st.integers(0, each.devices))
            split = draw(st.integers(0, held))
            for part in (tuple(range(split)), tuple(range(split, held))):
                if not part:
                    continue
                id = f"run_{len(runs)}"
                wanted = draw(st.sampled_from([RunWanted.START] * 4 + [RunWanted.STOP]))
                runs.append(
                    run(
                        id,
                        draw(st.sampled_from(["acme/lab", "acme/web", "bolt/lab"])),
                        state.site.name,
                        ((each.name, part),),
                        accelerator=each.accelerator,
                        wanted=wanted,
                    )
                )
                if draw(st.sampled_from([True, True, False])):
                    facts[id] = RunFacts(
                        draw(st.sampled_from([10, 50, 75])),
                        draw(st.booleans()),
                        ends_by_ms=draw(st.sampled_from([NOW_MS + HOUR_MS, NOW_MS + 1, NOW_MS - 1, None])),
                        kept_until_ms=draw(st.sampled_from([None, NOW_MS - 60_000])),
                        device_milli=draw(st.sampled_from([1000, 1000, 1000, 500])),
                    )
    return runs, facts


@st.composite
def busy_worlds(draw, items_max=8):
    """Sites where everything is allowed and little is free: only room and rank decide."""
    sites = [
        site(
            name,
            [
                node(
                    name,
                    f"n{index}",
                    devices=draw(st.sampled_from([4, 4, 2])),
                    domain=draw(st.sampled_from(["r1", "r2"])),
                )
                for index in range(draw(st.integers(1, 3)))
            ],
        )
        for name in sorted(PLACES)[: draw(st.integers(1, 2))]
    ]
    runs, facts = draw(runs_on(sites))
    projects = ("acme/lab", "acme/web", "bolt/lab")
    tenants = {name: draw(st.sampled_from([None, 2, 5])) for name in ("acme", "bolt")}
    return world(
        sites,
        [
            account(
                project,
                weight=draw(st.integers(1, 2)),
                quota=draw(st.sampled_from([None, None, 1, 3])),
                borrow=draw(st.sampled_from([0, 2, 100])),
                tenant_quota=tenants[project.split("/")[0]],
                tenant_borrow=100,
            )
            for project in projects
        ],
        [
            pending(
                f"job_{index}",
                draw(st.sampled_from(projects)),
                draw(st.sampled_from([10, 50, 75, 100])),
                draw(st.sampled_from([0, 1000, 2 * HOUR_MS, 3 * HOUR_MS])),
                *(shape := draw(st.sampled_from(SHAPES)))[:2],
                device_milli=shape[2],
                cpu_milli=draw(st.sampled_from([0, 0, 500, 3000])),
                time_limit_ms=draw(st.sampled_from([HOUR_MS, 5 * HOUR_MS, 1])),
                preferred_site=draw(st.sampled_from(["", "essonne"])),
                preemptible=draw(st.booleans()),
            )
            for index in range(draw(st.integers(1, items_max)))
        ],
        runs,
        run_facts=facts,
        order=draw(st.sampled_from(["fair", "fair", "fair", "fifo", "sjf"])),
        placement=draw(st.sampled_from(["bruk", "bestfit"])),
        backfill=draw(st.sampled_from(["easy", "easy", "conservative", "greedy"])),
    )


def snapshots():
    """Any world: strict ones, where most things are refused, and busy ones."""
    return st.one_of(strict_worlds(), busy_worlds())


@st.composite
def strict_worlds(draw, topic=None, items_max=6):
    """Worlds that are difficult in one to three respects, among them the given one."""
    topics = draw(st.sets(st.sampled_from(list(Code)), min_size=1, max_size=2)) | ({topic} - {None})
    projects = ("acme/lab", "acme/web", "bolt/lab")
    greener = Code.DEFERRED in topics
    sites = [
        site(
            name,
            draw(node_lists(name, topics)),
            Code.SITE_AWAY not in topics or draw(st.booleans()),
            Isolation.NONE
            if Code.ISOLATION in topics
            else draw(st.sampled_from([Isolation.USER, Isolation.SANDBOX]))
            if Code.NETWORK in topics
            else Isolation.USER,
            network=draw(st.sampled_from([(), ("*.example:443",), ("*.example:*",)])),
            isolation_acceptance=draw(st.sampled_from(["", "", "they know each other"])),
            power_limits=(PowerLimit(draw(st.sampled_from([0, 150, 500]))),) if Code.POWER in topics else (),
            carbon=[90, *draw(st.lists(st.sampled_from([10, 20, 90]), max_size=8))] if greener else (),
        )
        for name in sorted(PLACES)[: draw(st.sampled_from([2, 1, 3]))]
    ]
    runs, facts = draw(runs_on(sites)) if draw(st.booleans()) else ([], {})
    odd_prices = st.sampled_from([{"cpu-slot": 10_000}, {"h100-sxm": 0}, {}])
    return world(
        sites,
        [draw(accounts(project, topics)) for project in projects],
        [draw(items(f"job_{index}", projects, topics)) for index in range(draw(st.integers(0, items_max)))],
        runs,
        holds=tuple(draw(st.lists(holds(), max_size=2, unique_by=lambda hold: hold.id)))
        if Code.HELD in topics
        else (),
        prices_microeur=draw(odd_prices) if Code.PRICE in topics else {"*": 1_000_000},
        device_power_w=dict.fromkeys(ACCELERATORS, 100),
        run_facts=facts,
        order=draw(st.sampled_from(["fair", "fair", "fair", "fifo"])),
    )


@pytest.fixture(scope="session")
def lab():
    """The builders and strategies of this room."""
    return SimpleNamespace(
        NOW_MS=NOW_MS,
        HOUR_MS=HOUR_MS,
        node=node,
        site=site,
        account=account,
        pending=pending,
        run=run,
        world=world,
        applied=applied,
        items=items,
        holds=holds,
        accounts=accounts,
        snapshots=snapshots,
        busy_worlds=busy_worlds,
        strict_worlds=strict_worlds,
    )
