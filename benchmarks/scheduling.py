"""Cycles of the scheduler on a fleet of nine sites that is nearly full, from cold and when little changed.

*Cold* is ``schedule(snapshot)``. *Warm* is what a living control does: a run has ended, a job has come,
and the state that knows the rest decides. Growth is shown in nodes, with everything else in proportion,
and in the queue, on the largest fleet.
"""

from dataclasses import replace
from pathlib import Path

from benchmarks.row import Row, seconds, timed
from bruk.model.run import DeviceSet, Observed, Run
from bruk.model.site import Isolation, Node, Site
from bruk.model.snapshot import Account, Pending, RunFacts, SiteState, Snapshot
from bruk.model.tenant import Project, Residency, Tenant
from bruk.model.workload import Resources, WorkloadKind
from bruk.scheduler import PendingAdded, PendingRemoved, RunAdded, RunEnded, State, schedule
from bruk.twin.picture import Axes, draw

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "scheduling.svg"
NOW_MS, HOUR_MS = 1_800_000_000_000, 3_600_000
# Nodes, waiting jobs; four runs a node.
BY_NODES = ((625, 1250), (1250, 2500), (2500, 5000), (5000, 10_000))
BY_QUEUE = ((5000, 2500), (5000, 5000), (5000, 10_000), (5000, 20_000))
COUNTRIES = ("FR", "SE", "FI", "DE", "IT", "ES", "PL", "LU", "NO")
# How the devices of a node are held: two runs to eight, four on average; a device in 32 is free.
HELD = ((4, 4), (4, 2, 1, 1), (2, 2, 2, 2), (2, 2, 1, 1, 1), (4, 2, 2), (4, 2, 1, 1), (2, 2, 2, 1), (4, 4))
# What a project asks for: nodes, devices on each, hours.
KINDS = ((1, 1, 1), (1, 1, 4), (1, 2, 4), (1, 4, 12), (1, 8, 12), (2, 8, 24), (4, 8, 24), (16, 8, 48))
TENANTS, PROJECTS_EACH = 40, 3


def fleet(nodes: int, waiting: int) -> Snapshot:
    """So many nodes of eight devices over nine sites, nearly full, and so many jobs of 120 projects."""
    projects = [
        (f"t{tenant:02d}", f"p{project}") for tenant in range(TENANTS) for project in range(PROJECTS_EACH)
    ]
    sites, runs, facts = [], [], {}
    for index, country in enumerate(COUNTRIES):
        name = f"site-{country.lower()}"
        own = tuple(
            Node(name, f"n{number:05d}", "gpu", "h100-sxm", 8, 96_000, 2**40, f"r{number // 72}")
            for number in range(index, nodes, len(COUNTRIES))
        )
        place = Site(name, name, country, country, "bench", isolation=Isolation.SANDBOX)
        sites.append(SiteState(place, own, True))
        for number, node in enumerate(own):
            first = 0
            for part, devices in enumerate(HELD[number % len(HELD)]):
                tenant, project = projects[(number * 7 + part) % len(projects)]
                run = f"run_{name}_{number:05d}_{part}"
                held = (DeviceSet(node.name, tuple(range(first, first + devices))),)
                first += devices
                began_ms = NOW_MS - (number * 131 + part * 17) % 600 * 60_000
                runs.append(
                    Run(
                        run,
                        f"job_{run}",
                        f"{tenant}/{project}",
                        name,
                        1,
                        held,
                        "h100-sxm",
                        began_ms,
                        observed=Observed.RUNNING,
                        started_at_ms=began_ms,
                    )
                )
                facts[run] = RunFacts(50, ends_by_ms=began_ms + (12 + number % 5 * 12) * HOUR_MS)
    accounts = []
    for number, (tenant, project) in enumerate(projects):
        law = Residency(("FR", "SE", "DE")) if number % 4 == 0 else Residency()
        accounts.append(
            Account(
                Project(tenant, project, ""), Tenant(tenant, "", law), law, number * 10**6, number * 10**5
            )
        )
    pending = []
    for number in range(waiting):
        tenant, project = projects[number % len(projects)]
        members, devices, hours = KINDS[number // len(projects) % len(KINDS)]
        pending.append(
            Pending(
                f"job_{number:06d}",
                f"job_{number:06d}",
                WorkloadKind.JOB,
                f"{tenant}/{project}",
                50,
                NOW_MS - number % 7200 * 1000,
                Resources(members, devices),
                time_limit_ms=hours * HOUR_MS,
            )
        )
    return Snapshot(
        NOW_MS, tuple(sites), tuple(accounts), tuple(pending), tuple(runs), (), {"*": 2_000_000}, facts
    )


class Warm:
    """A state that has decided before; each call lets a run end and a job come, and decides again."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.state, self.snapshot, self.turn = State.load(snapshot), snapshot, 0
        waiting = {item.id: item for item in snapshot.pending}
        for placement in self.state.decide(snapshot.now_ms).placements:
            item = waiting.pop(placement.pending)
            run = Run(
                f"run_{item.id}",
                item.id,
                item.project,
                placement.site,
                1,
                placement.devices,
                placement.accelerator,
                NOW_MS,
            )
            self.state.apply(RunAdded(run, RunFacts(50, ends_by_ms=NOW_MS + item.time_limit_ms)))
            self.state.apply(PendingRemoved(item.id))
        self.waiting = list(waiting.values())
        self.state.decide(snapshot.now_ms)

    def __call__(self) -> float:
        self.turn += 1
        now_ms = NOW_MS + self.turn * 1000
        ended = self.snapshot.runs[self.turn * 997 % len(self.snapshot.runs)]
        like = self.waiting[self.turn * 13 % len(self.waiting)]
        came = replace(like, id=f"new_{self.turn}", workload=f"new_{self.turn}", created_at_ms=now_ms)

        def act() -> None:
            self.state.apply(RunEnded(ended.id))
            self.state.apply(PendingAdded(came))
            self.state.decide(now_ms)

        return 1000 * seconds(act)


_POINTS: dict[tuple[str, str], list[tuple[float, float]]] = {}


def run() -> list[Row]:
    rows = []
    for nodes, waiting in dict.fromkeys((*BY_NODES, *BY_QUEUE)):
        snapshot = fleet(nodes, waiting)
        what = f"{nodes:,} nodes, {nodes * 8:,} devices, {waiting:,} waiting, {len(snapshot.runs):,} running"
        cold = timed(f"cold: {what}", "ms", lambda: 1000 * seconds(lambda: schedule(snapshot)))  # noqa: B023
        warm = timed(f"warm: {what}", "ms", Warm(snapshot), 15)
        rows += [cold, warm]
        for size, sizes in (("nodes", BY_NODES), ("waiting", BY_QUEUE)):
            if (nodes, waiting) in sizes:
                share = 100 * (nodes / 5000 if size == "nodes" else waiting / 10_000)
                _POINTS.setdefault(("cold", size), []).append((share, cold.value))
                _POINTS.setdefault(("warm", size), []).append((share, warm.value))
    return rows


def picture() -> str:
    """Draws what was measured beside the page."""
    axes = Axes("One cycle of the scheduler", "size [% of 5,000 nodes, of 10,000 waiting]", "[ms]")
    names = {
        ("cold", "nodes"): "cold, nodes and queue grow",
        ("cold", "waiting"): "cold, the queue grows",
        ("warm", "nodes"): "warm, nodes and queue grow",
        ("warm", "waiting"): "warm, the queue grows",
    }
    draw(PICTURE, axes, [(names[key], sorted(points)) for key, points in _POINTS.items()])
    return ""
