"""The scheduler's snapshot, read from the store at one instant."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import ceil

from bruk.admission.tariff import PriceBook
from bruk.control.decay import decayed
from bruk.control.spending import UnderWay, horizon_ms, left_microeur
from bruk.control.switch import local_holds, model_of
from bruk.facility.accelerator import UnknownAccelerator, accelerator
from bruk.facility.carbon import UnknownZone, mean_day_intensity
from bruk.facility.power import device_power_w
from bruk.facility.series import HOUR_MS
from bruk.model.ledger import Resource
from bruk.model.run import Run, RunWanted
from bruk.model.site import NodeHealth
from bruk.model.snapshot import Account, Pending, RunFacts, SiteState, Snapshot
from bruk.model.workload import JobSpec, Wanted, Workload
from bruk.store import goods, money, people, places, secrets, work
from bruk.store import switch as switch_store
from bruk.store.database import Connection
from bruk.store.places import AgentRow
from bruk.store.work import RunRecord

# As far ahead as the market tells prices, and grid operators loads: today and tomorrow.
FORECAST_HOURS = 48


@lru_cache(maxsize=256)
def _device_power_w(name: str) -> int:
    """What a device draws at full load with its part of the server; 0 where nobody knows it [W]."""
    try:
        model = accelerator(name)
    except UnknownAccelerator:
        return 0
    return ceil(device_power_w(model, 1.0) * model.server_overhead_factor)


def take(connection: Connection, now_ms: int) -> Snapshot:
    """Everything the scheduler may know now."""
    agents = places.agents(connection)
    unsettled = work.runs(connection, unsettled=True)
    open_ = {found.id: found for found in work.workloads(connection, open_=True)}
    live = [record for record in unsettled if not record.run.ended]
    sites = _sites(connection, agents, now_ms)
    there = {node.accelerator for state in sites for node in state.nodes}
    return Snapshot(
        now_ms=now_ms,
        sites=sites,
        device_power_w={name: _device_power_w(name) for name in sorted(there)},
        accounts=_accounts(connection, now_ms, (open_, unsettled)),
        pending=tuple(_pending(connection, open_, unsettled)),
        runs=tuple(record.run for record in live),
        holds=(*switch_store.holds(connection), *local_holds(agents)),
        prices_microeur=PriceBook(money.prices(connection)).prices_microeur(Resource.DEVICE_TIME, now_ms),
        run_facts={record.run.id: _facts(record.run, open_.get(record.run.workload)) for record in live},
    )


def take_with(connection: Connection, job: Workload, now_ms: int) -> Snapshot:
    """Everything the scheduler may know, if this job was all that waited."""
    wanted = set(job.job.inputs.values())
    here = goods.known_artifacts(connection, wanted)
    here |= {_secret(item.project, item.name) for item in secrets.secrets(connection, job.project)}
    return replace(take(connection, now_ms), pending=(_one(job, job.id, here, ""),))


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


def _sites(connection: Connection, agents: Sequence[AgentRow], now_ms: int) -> tuple[SiteState, ...]:
    heard = {row.site: row.last_sync_at_ms for row in agents}
    nodes = places.nodes(connection)
    found = []
    for site in places.sites(connection):
        last_ms = heard.get(site.name)
        connected = last_ms is not None and now_ms - last_ms <= site.lease_ms
        own = [node for node in nodes if node.site == site.name]
        if not connected:
            own = [replace(node, health=NodeHealth.LOST) for node in own]
        hour_ms = now_ms // HOUR_MS * HOUR_MS
        found.append(SiteState(site, tuple(own), connected, _forecast(site.grid_zone, hour_ms), hour_ms))
    return tuple(found)


@lru_cache(maxsize=256)
def _forecast(zone: str, from_ms: int) -> tuple[int, ...]:
    """The zone's mean day as a forecast; nothing where the zone is not known [mgCO2e/kWh]."""
    try:
        series = mean_day_intensity(zone)
    except UnknownZone:
        return ()
    return tuple(series.milli_at(from_ms + hour * HOUR_MS) for hour in range(FORECAST_HOURS))


def _accounts(connection: Connection, now_ms: int, under_way: UnderWay) -> tuple[Account, ...]:
    projects = people.projects(connection)
    tenants = {found.name: found for found in people.tenants(connection)}
    sums = money.accounts(connection)
    left = left_microeur(connection, now_ms, list(tenants.values()), projects, under_way)
    use: dict[str, int] = dict.fromkeys(tenants, 0)
    own_use: dict[str, int] = {}
    taken: dict[str, int] = dict.fromkeys(tenants, 0)
    for project in projects:
        own = sums[project.id]
        own_use[project.id] = decayed(own.decayed_device_ms, now_ms - own.decayed_at_ms)
        use[project.tenant] += own_use[project.id]
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
                own_use[project.id],
                left[project.id],
                None if grant is None else grant - taken[tenant.name],
            )
        )
    return tuple(found)


def _pending(connection: Connection, open_: dict[str, Workload], unsettled: list[RunRecord]) -> list[Pending]:
    found = []
    before = work.last_sites(connection)
    here = goods.known_artifacts(
        connection,
        {
            item
            for found in open_.values()
            if isinstance(found.spec, JobSpec)
            for item in found.spec.inputs.values()
        },
    )
    here |= {_secret(item.project, item.name) for item in secrets.secrets(connection)}
    runs_of: dict[str, list[Run]] = {}
    for record in unsettled:
        runs_of.setdefault(record.run.workload, []).append(record.run)
    for workload in open_.values():
        if workload.wanted is not Wanted.RUN:
            continue
        own = runs_of.get(workload.id, [])
        if isinstance(workload.spec, JobSpec):
            if not own:
                found.append(_one(workload, workload.id, here, before.get(workload.id, "")))
            continue
        serving = sum(run.wanted is RunWanted.START and not run.ended for run in own)
        for index in range(serving, workload.endpoint.replicas):
            found.append(_one(workload, f"{workload.id}#{index}", here, ""))
    return found


def _secret(project: str, name: str) -> str:
    """How a secret stands among the identifiers of what is here; no artifact's has a space."""
    return f"secret {project} {name}"


def _one(workload: Workload, pending_id: str, here: set[str], last_site: str) -> Pending:
    spec = workload.spec
    missing: tuple[str, ...] = ()
    if isinstance(spec, JobSpec):
        lost = [name for name in spec.secrets if _secret(workload.project, name) not in here]
        missing = (
            *sorted(name for name, item in spec.inputs.items() if item not in here),
            *(f"secret {name}" for name in sorted(lost)),
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
        deadline_at_ms=spec.deadline_at_ms if isinstance(spec, JobSpec) else None,
        # Checkpoints lie at the site of the last attempt, so going back there resumes from them.
        preferred_site=last_site,
        network=spec.network if isinstance(spec, JobSpec) else (),
    )
