"""The fast replay against the product's own scheduler, told every event of one site, one by one."""

import heapq

from hypothesis import given, settings
from hypothesis import strategies as st

from bruk.control.decay import HALF_LIFE_MS
from bruk.model.run import Run
from bruk.model.site import Isolation, Node, Site
from bruk.model.snapshot import Account, Pending, RunFacts, SiteState
from bruk.model.tenant import Project, Residency, Tenant
from bruk.model.workload import Resources, WorkloadKind
from bruk.scheduler import (
    AccountChanged,
    PendingAdded,
    PendingRemoved,
    RunAdded,
    RunEnded,
    SiteChanged,
    State,
)
from bruk.twin.replay.jobs import NEVER, Jobs, Row
from bruk.twin.replay.play import Devices, play
from bruk.twin.replay.use import faded_ms

OWNERS = ("a/one", "a/two", "b/one", "")


def resources(devices, per_node):
    if per_node is None or devices <= per_node:
        return Resources(1, devices)
    return Resources(-(-devices // per_node), per_node)


def site_of(devices):
    """One site; a free pool is one node."""
    each = devices.per_node or devices.count
    nodes = tuple(
        Node("here", f"n{number:03}", "gpu", "gpu", each, cpu_milli=1000 * each, memory_bytes=2**20 * each)
        for number in range(devices.count // each)
    )
    site = Site("here", "Here", "SE", "SE", "op", isolation=Isolation.USER)
    return SiteState(site, nodes, connected=True)


class Product:
    """The scheduler's state, with what an owner has used booked as control does: when that changes."""

    def __init__(self, jobs, devices, order, backfill):
        self.jobs, self.devices = jobs, devices
        self.state = State({"*": 0}, order, "bestfit", backfill)
        self.state.apply(SiteChanged(site_of(devices)))
        self.held = dict.fromkeys([*self.projects(), *self.tenants()], 0)
        self.booked = dict.fromkeys(self.held, (0, 0))
        self.starts, self.ends = [NEVER] * len(jobs), []

    def projects(self):
        return [owner or "none/none" for owner in self.jobs.owners]

    def tenants(self):
        return {project.split("/")[0] for project in self.projects()}

    def project(self, job):
        return self.projects()[self.jobs.owner[job] if self.jobs.owner else 0]

    def used(self, who, now):
        used, at = self.booked[who]
        rest = int(used * 0.5 ** ((now - at) / HALF_LIFE_MS)) if now > at else used
        return rest + faded_ms(self.held[who], now - at)

    def hold(self, job, now, sign):
        asked = resources(self.jobs.devices[job], self.devices.per_node).devices_total
        for who in (self.project(job), self.project(job).split("/")[0]):
            self.booked[who] = (self.used(who, now), now)
            self.held[who] += sign * asked

    def come(self, job):
        asked = resources(self.jobs.devices[job], self.devices.per_node)
        priority = self.jobs.priority[job] if self.jobs.priority else 50
        self.state.apply(
            PendingAdded(
                Pending(
                    f"{job:04}",
                    f"{job:04}",
                    WorkloadKind.JOB,
                    self.project(job),
                    priority,
                    self.jobs.arrival_ms[job],
                    asked,
                    time_limit_ms=self.jobs.limits_ms[job],
                    preemptible=False,
                )
            )
        )

    def end(self, now):
        while self.ends and self.ends[0][0] <= now:
            _, job = heapq.heappop(self.ends)
            self.state.apply(RunEnded(f"run_{job:04}"))
            self.hold(job, now, -1)

    def decide(self, now):
        for project in self.projects():
            tenant, name = project.split("/")
            account = Account(
                Project(tenant, name, name),
                Tenant(tenant, tenant, Residency()),
                Residency(),
                self.used(tenant, now),
                self.used(project, now),
            )
            self.state.apply(AccountChanged(account))
        plan = self.state.decide(now)
        assert not plan.evictions
        for placement in plan.placements:
            job = int(placement.pending)
            self.starts[job] = now
            self.hold(job, now, 1)
            heapq.heappush(self.ends, (now + self.jobs.length_ms[job], job))
            run = Run(
                f"run_{job:04}",
                placement.workload,
                self.project(job),
                "here",
                1,
                placement.devices,
                "gpu",
                now,
            )
            facts = RunFacts(preemptible=False, ends_by_ms=now + self.jobs.limits_ms[job])
            self.state.apply(PendingRemoved(placement.pending))
            self.state.apply(RunAdded(run, facts))


def by_the_product(jobs, devices, order, backfill):
    """When each job starts if the product's scheduler decides at every event."""
    product = Product(jobs, devices, order, backfill)
    coming = list(range(len(jobs)))
    while coming or product.ends:
        instants = [product.ends[0][0]] if product.ends else []
        now = min(instants + ([jobs.arrival_ms[coming[0]]] if coming else []))
        product.end(now)
        while coming and jobs.arrival_ms[coming[0]] <= now:
            product.come(coming.pop(0))
        product.decide(now)
    return product.starts


@st.composite
def traces(draw, devices_max):
    """Times in units that are short or long beside the hour of aged gangs and the week of fading."""
    unit_ms = draw(st.sampled_from([1, 600_000, 86_400_000]))
    perfect = draw(st.booleans())
    owners = draw(st.sampled_from([1, 2, 4]))
    ranked = draw(st.booleans())
    rows = []
    for _ in range(draw(st.integers(1, 14))):
        length = draw(st.integers(0, 9))
        limit = None if perfect else (length + draw(st.sampled_from([0, 0, 1, 5, 20]))) * unit_ms
        rows.append(
            Row(
                draw(st.integers(0, 15)) * unit_ms,
                length * unit_ms,
                draw(st.sampled_from([1, 1, 1, 2, 3, *range(1, devices_max + 2)])),
                limit,
                OWNERS[draw(st.integers(0, owners - 1))],
                draw(st.sampled_from([50, 50, 70])) if ranked else 50,
            )
        )
    return Jobs.of(rows)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), order=st.sampled_from(["fair", "fair", "fifo", "sjf"]), count=st.integers(1, 8))
def test_easy_on_a_free_pool_starts_what_the_product_starts(data, order, count):
    jobs = data.draw(traces(count))
    fast = play(order, jobs, Devices(count), "easy").starts_ms
    assert fast == by_the_product(jobs, Devices(count), order, "easy")


@settings(max_examples=200, deadline=None)
@given(
    data=st.data(),
    order=st.sampled_from(["fair", "fair", "fifo", "sjf"]),
    backfill=st.sampled_from(["easy", "easy", "conservative"]),
    nodes=st.integers(1, 4),
    each=st.integers(1, 4),
)
def test_nodes_start_what_the_product_starts(data, order, backfill, nodes, each):
    jobs = data.draw(traces(nodes * each))
    devices = Devices(nodes * each, each)
    fast = play(order, jobs, devices, backfill).starts_ms
    assert fast == by_the_product(jobs, devices, order, backfill)


def test_a_gangs_reservation_moves_to_nodes_that_are_free_as_early():
    """A short job on a node that is kept makes that node as late as another, which goes before it."""
    jobs = Jobs.of([(4, 7, 3), (4, 0, 5), (10, 2, 1), (10, 1, 1)])
    devices = Devices(8, 2)
    assert play("fifo", jobs, devices, "easy").starts_ms == [4, 11, 10, 10]
    assert by_the_product(jobs, devices, "fifo", "easy") == [4, 11, 10, 10]


def test_room_is_kept_for_whom_shares_put_first_after_what_has_started():
    hour = 3_600_000
    asked = [(4, 1, "a/x"), (2, 4, "b/x"), (5, 1, "b/x"), (1, 2, "a/x"), (2, 2, "b/x")]
    jobs = Jobs.of(Row(0, length * hour, devices, owner=owner) for length, devices, owner in asked)
    expected = [at * hour for at in (0, 5, 0, 2, 0)]
    assert play("fair", jobs, Devices(4), "easy").starts_ms == expected
    assert by_the_product(jobs, Devices(4), "fair", "easy") == expected
