"""The scheduler's snapshot, read from the store at one instant."""

from dataclasses import replace

from bruk.admission.tariff import PriceBook
from bruk.control.decay import decayed
from bruk.control.spending import horizon_ms, spending
from bruk.control.switch import model_of, state
from bruk.model.ledger import Resource
from bruk.model.run import Run, RunWanted
from bruk.model.site import NodeHealth
from bruk.model.snapshot import Account, Pending, RunFacts, SiteState, Snapshot
from bruk.model.workload import JobSpec, Wanted, Workload
from bruk.store import goods, money, people, places, work
from bruk.store.database import Connection
from bruk.store.work import RunRecord


def take(connection: Connection, now_ms: int) -> Snapshot:
    """Everything the scheduler may know now."""
    switch = state(connection)
    unsettled = work.runs(connection, unsettled=True)
    open_ = {found.id: found for found in work.workloads(connection, open_=True)}
    live = [record for record in unsettled if not record.run.ended]
    return Snapshot(
        now_ms=now_ms,
        sites=_sites(connection, now_ms),
        accounts=_accounts(connection, now_ms),
        pending=tuple(_pending(connection, open_, unsettled)),
        runs=tuple(record.run for record in live),
        holds=(*switch.holds, *switch.local_holds),
        prices_microeur=PriceBook(money.prices(connection)).prices_microeur(Resource.DEVICE_TIME, now_ms),
        run_facts={record.run.id: _facts(record.run, open_.get(record.run.workload)) for record in live},
    )


def _facts(run: Run, workload: Workload | None) -> RunFacts:
    if workload is None:
        return RunFacts(priority=100, preemptible=False)
    spec = workload.spec
    ends_by_ms = None
    if isinstance(spec, JobSpec):
        ends_by_ms = (run.started_at_ms or run.created_at_ms) + spec.time_limit_s * 1000
    return RunFacts(
        priority=workload.priority,
        preemptible=isinstance(spec, JobSpec) and spec.preemptible,
        model=model_of(spec),
        cpu_milli=spec.resources.cpu_milli,
        memory_bytes=spec.resources.memory_bytes,
        ends_by_ms=ends_by_ms,
    )


def _sites(connection: Connection, now_ms: int) -> tuple[SiteState, ...]:
    heard = {row.site: row.last_sync_at_ms for row in places.agents(connection)}
    nodes = places.nodes(connection)
    found = []
    for site in places.sites(connection):
        last_ms = heard.get(site.name)
        connected = last_ms is not None and now_ms - last_ms <= site.lease_ms
        own = [node for node in nodes if node.site == site.name]
        if not connected:
            own = [replace(node, health=NodeHealth.LOST) for node in own]
        found.append(SiteState(site, tuple(own), connected))
    return tuple(found)


def _accounts(connection: Connection, now_ms: int) -> tuple[Account, ...]:
    tenants = {found.name: found for found in people.tenants(connection)}
    projects = people.projects(connection)
    sums = money.accounts(connection)
    left = spending(connection, now_ms)
    use: dict[str, int] = dict.fromkeys(tenants, 0)
    taken: dict[str, int] = dict.fromkeys(tenants, 0)
    for project in projects:
        own = sums[project.id]
        use[project.tenant] += decayed(own.decayed_device_ms, now_ms - own.decayed_at_ms)
        taken[project.tenant] += own.device_ms
    found = []
    for project in projects:
        tenant = tenants[project.tenant]
        grant = tenant.grant_device_ms
        found.append(
            Account(
                project,
                tenant,
                tenant.residency.narrowed(project.residency),
                use[tenant.name],
                left[project.id].left_microeur,
                None if grant is None else grant - taken[tenant.name],
            )
        )
    return tuple(found)


def _pending(connection: Connection, open_: dict[str, Workload], unsettled: list[RunRecord]) -> list[Pending]:
    found = []
    for workload in open_.values():
        if workload.wanted is not Wanted.RUN:
            continue
        own = [record.run for record in unsettled if record.run.workload == workload.id]
        if isinstance(workload.spec, JobSpec):
            if not own:
                found.append(_one(connection, workload, workload.id))
            continue
        serving = sum(run.wanted is RunWanted.START and not run.ended for run in own)
        for index in range(serving, workload.endpoint.replicas):
            found.append(_one(connection, workload, f"{workload.id}#{index}"))
    return found


def _one(connection: Connection, workload: Workload, pending_id: str) -> Pending:
    spec = workload.spec
    is_job = isinstance(spec, JobSpec)
    before = work.runs(connection, of_workload=workload.id) if is_job else []
    missing: tuple[str, ...] = ()
    if isinstance(spec, JobSpec):
        missing = tuple(
            sorted(
                name for name, item in spec.inputs.items() if goods.find_artifact(connection, item) is None
            )
        )
    return Pending(
        id=pending_id,
        workload=workload.id,
        kind=workload.kind,
        project=workload.project,
        priority=workload.priority,
        created_at_ms=workload.created_at_ms,
        resources=spec.resources,
        sites=spec.sites,
        model=model_of(spec),
        time_limit_ms=horizon_ms(workload),
        not_before_ms=workload.not_before_ms,
        preemptible=isinstance(spec, JobSpec) and spec.preemptible,
        inputs_missing=missing,
        # Checkpoints lie at the site of the last attempt, so going back there resumes from them.
        preferred_site=before[-1].run.site if before else "",
    )
