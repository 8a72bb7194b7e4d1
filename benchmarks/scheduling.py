"""One cycle of the scheduler from cold, on a fleet that is three quarters busy."""

from benchmarks.row import Row, seconds, timed
from bruk.model.run import DeviceSet, Observed, Run
from bruk.model.site import Node, Site
from bruk.model.snapshot import Account, Pending, SiteState, Snapshot
from bruk.model.tenant import Project, Residency, Tenant
from bruk.model.workload import Resources, WorkloadKind
from bruk.scheduler import schedule

NOW_MS = 1_800_000_000_000
SIZES = ((50, 100), (100, 400), (200, 800))


def fleet(nodes: int, waiting: int) -> Snapshot:
    """``nodes`` nodes of 8 devices over two sites, 6 of 8 devices busy, ``waiting`` jobs."""
    sites, runs = [], []
    for index, (name, country) in enumerate((("essonne", "FR"), ("borlange", "SE"))):
        own = tuple(
            Node(name, f"n{number:05d}", "gpu", "h100-sxm", 8, 96_000, 2**40, f"r{number // 8}")
            for number in range(index, nodes, 2)
        )
        place = Site(name, name, country, country, "bench", isolation_accepted=True)
        sites.append(SiteState(place, own, True))
        runs += [
            Run(
                f"run_{node.name}",
                f"job_{node.name}",
                "t0/p",
                name,
                1,
                (DeviceSet(node.name, (0, 1, 2, 3, 4, 5)),),
                "h100-sxm",
                NOW_MS,
                observed=Observed.RUNNING,
            )
            for node in own
        ]
    accounts = []
    for number in range(10):
        law = Residency(("FR",)) if number % 3 == 0 else Residency()
        tenant = Tenant(f"t{number}", "", law)
        accounts.append(Account(Project(tenant.name, "p", ""), tenant, law, use_device_ms=number * 10**6))
    pending = tuple(
        Pending(
            f"w{number:05d}",
            f"w{number:05d}",
            WorkloadKind.JOB,
            f"t{number % 10}/p",
            50,
            NOW_MS - number,
            Resources(1 if number % 7 else 2, (1, 2, 4, 8)[number % 4]),
            time_limit_ms=3_600_000,
        )
        for number in range(waiting)
    )
    return Snapshot(NOW_MS, tuple(sites), tuple(accounts), pending, tuple(runs), (), {"*": 2_000_000})


def run() -> list[Row]:
    rows = []
    for nodes, waiting in SIZES:
        snapshot = fleet(nodes, waiting)
        what = f"scheduler, cold cycle: {nodes} nodes of 8 devices, {waiting} waiting"
        rows.append(timed(what, "ms", lambda: 1000 * seconds(lambda: schedule(snapshot))))  # noqa: B023
    return rows
