"""What must stop: cancelled work, work under a hold, where its law no longer allows it, without money, or
past its time limit."""

from bruk.control.control import Control
from bruk.control.spending import exhausted
from bruk.control.stop import stop
from bruk.control.switch import local_holds, model_of
from bruk.model.run import Observed, Run, RunWanted, StopReason
from bruk.model.switch import Hold
from bruk.model.tenant import Project, Tenant
from bruk.model.workload import JobSpec, Wanted, Workload
from bruk.store import people, places, switch, work
from bruk.store.database import Connection

# The engine at the site ends a run at its time limit by itself; control only steps in when it did
# not, so that a slow report is not taken for a run that goes on.
TIME_LIMIT_SLACK_MS = 30_000
DETAILS = {
    StopReason.CANCELLED: "It is not wanted any more.",
    StopReason.HELD: "A hold stands over it; 'bruk status' shows all holds.",
    StopReason.RESIDENCY: "Its project's law was narrowed and no longer allows this site.",
    StopReason.BUDGET: "The budget or the grant that pays for it is used up.",
    StopReason.TIME_LIMIT: "It went on beyond its time limit.",
    StopReason.SCALED: "Its endpoint wants fewer replicas, or is being replaced.",
}


def step_enforce(control: Control) -> bool:
    """Want everything stopped that may not go on; True if anything was."""
    with control.read() as connection:
        if not _to_stop(connection, control.clock.now_ms()):
            return False  # Nothing is to be written, so nobody need wait for the turn to write.
    with control.database.write() as connection:
        found = _to_stop(connection, control.clock.now_ms())
        for run, reason in found:
            stop(control, connection, run, reason, DETAILS[reason])
        return bool(found)


def _to_stop(connection: Connection, now_ms: int) -> list[tuple[Run, StopReason]]:
    """Runs that are to go on and may not, oldest first, with the reason."""
    runs = [record.run for record in work.runs(connection, unsettled=True)]
    going = [run for run in runs if run.wanted is RunWanted.START and not run.ended]
    if not going:
        return []
    tenants, projects = people.tenants(connection), people.projects(connection)
    holds = (*switch.holds(connection), *local_holds(places.agents(connection)))
    broke = exhausted(connection, tenants, projects)
    refused = _refused_by_law(connection, tenants, projects)
    workloads = work.under_way(connection)
    serving: dict[str, int] = {}
    found = []
    for run in going:
        workload = workloads[run.workload]
        serving[workload.id] = serving.get(workload.id, 0) + 1
        reason = _reason(run, workload, holds, run.project in broke, now_ms, serving[workload.id])
        if reason is None and (run.project, run.site) in refused:
            reason = StopReason.RESIDENCY
        if reason is not None:
            found.append((run, reason))
    return found


def _refused_by_law(
    connection: Connection, tenants: list[Tenant], projects: list[Project]
) -> set[tuple[str, str]]:
    """Projects and sites that do not go together, as the law stands now."""
    law_of = {tenant.name: tenant.residency for tenant in tenants}
    sites = places.sites(connection)
    found = set()
    for project in projects:
        law = law_of[project.tenant].narrowed(project.residency)
        for site in sites:
            if law.refusal(site.country, site.operator, site.name) is not None:
                found.add((project.id, site.name))
    return found


def _reason(
    run: Run, workload: Workload, holds: tuple[Hold, ...], broke: bool, now_ms: int, nth: int
) -> StopReason | None:
    spec = workload.spec
    if workload.wanted is Wanted.STOP:
        return StopReason.CANCELLED
    if any(hold.covers(run.site, run.tenant, model_of(spec)) for hold in holds):
        return StopReason.HELD
    if broke:
        return StopReason.BUDGET
    if isinstance(spec, JobSpec):
        limit_ms = spec.time_limit_s * 1000 + TIME_LIMIT_SLACK_MS
        started = run.observed is Observed.RUNNING and run.started_at_ms is not None
        if started and now_ms - (run.started_at_ms or now_ms) > limit_ms:
            return StopReason.TIME_LIMIT
    elif nth > spec.replicas:
        return StopReason.SCALED
    return None
