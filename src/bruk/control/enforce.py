"""What must stop: cancelled work, work under a hold, where its law no longer allows it, without money, or
past its time limit."""

from bruk.control.control import Control
from bruk.control.spending import Spending, spending
from bruk.control.stop import stop
from bruk.control.switch import model_of, state
from bruk.model.run import Observed, Run, RunWanted, StopReason
from bruk.model.workload import JobSpec, Wanted, Workload
from bruk.store import people, places, work
from bruk.store.database import Connection
from bruk.wire.answers import SwitchState

# The engine at the site ends a run at its time limit by itself; control only steps in when it did
# not, so that a slow report is not taken for a run that goes on.
TIME_LIMIT_SLACK_MS = 30_000


def step_enforce(control: Control) -> bool:
    """Want everything stopped that may not go on; True if anything was."""
    with control.read() as connection:
        if not work.runs(connection, unsettled=True):
            return False
    with control.database.write() as connection:
        now_ms = control.clock.now_ms()
        switch = state(connection)
        money = spending(connection, now_ms)
        refused = _refused_by_law(connection)
        changed = False
        serving: dict[str, int] = {}
        for record in work.runs(connection, unsettled=True):
            run = record.run
            if run.wanted is RunWanted.STOP or run.ended:
                continue
            workload = work.get_workload(connection, run.workload)
            serving[workload.id] = serving.get(workload.id, 0) + 1
            reason = _reason(run, workload, switch, money[run.project], now_ms, serving[workload.id])
            if reason is None and (run.project, run.site) in refused:
                reason = StopReason.RESIDENCY
            if reason is not None:
                stop(control, connection, run, reason)
                changed = True
        return changed


def _refused_by_law(connection: Connection) -> set[tuple[str, str]]:
    """Projects and sites that do not go together, as the law stands now."""
    tenants = {tenant.name: tenant for tenant in people.tenants(connection)}
    found = set()
    for project in people.projects(connection):
        law = tenants[project.tenant].residency.narrowed(project.residency)
        for site in places.sites(connection):
            if law.refusal(site.country, site.operator, site.name) is not None:
                found.add((project.id, site.name))
    return found


def _reason(
    run: Run, workload: Workload, switch: SwitchState, money: Spending, now_ms: int, nth: int
) -> StopReason | None:
    spec = workload.spec
    if workload.wanted is Wanted.STOP:
        return StopReason.CANCELLED
    if any(
        hold.covers(run.site, run.tenant, model_of(spec)) for hold in (*switch.holds, *switch.local_holds)
    ):
        return StopReason.HELD
    if money.exhausted:
        return StopReason.BUDGET
    if isinstance(spec, JobSpec):
        limit_ms = spec.time_limit_s * 1000 + TIME_LIMIT_SLACK_MS
        started = run.observed is Observed.RUNNING and run.started_at_ms is not None
        if started and now_ms - (run.started_at_ms or now_ms) > limit_ms:
            return StopReason.TIME_LIMIT
    elif nth > spec.replicas:
        return StopReason.SCALED
    return None
