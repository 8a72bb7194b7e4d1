"""Plan and apply: snapshot, decide, re-check against the newest state, commit what still holds."""

import logging
from dataclasses import replace

from bruk.control import snapshot
from bruk.control.control import Control
from bruk.control.stop import stop
from bruk.model.plan import Placement, Plan
from bruk.model.run import Run, StopReason
from bruk.model.tenant import SYSTEM
from bruk.model.workload import WorkloadKind
from bruk.scheduler import check
from bruk.store import work
from bruk.store.database import Connection

log = logging.getLogger(__name__)


def step_schedule(control: Control) -> bool:
    """One cycle of the scheduler; True if anything changed."""
    with control.read() as connection:
        seen = snapshot.take(connection, control.clock.now_ms())
    plan = control.planner.plan(seen)
    if not plan.placements and not plan.evictions and not check(seen, plan):
        with control.read() as connection:
            if work.waits_as(connection, plan.waiting):
                return False  # Nothing is to be written, so the newest state need not be asked.
    with control.database.write() as connection:
        fresh = snapshot.take(connection, seen.now_ms)
        violations = check(fresh, plan)
        if violations and fresh == seen:
            # Nothing changed, so the plan itself is wrong, and would be made again at once.
            log.error("plan refused, %d of its parts break a rule: %s", len(violations), violations[0])
            return False
        if violations:
            # Something changed under the plan. It is dropped whole; the next cycle sees the change.
            log.info("plan dropped, %d of its parts no longer hold: %s", len(violations), violations[0])
            return True
        return _commit(control, connection, plan)


def _commit(control: Control, connection: Connection, plan: Plan) -> bool:
    # No engine takes power caps yet, so no run is flexible and no plan has any.
    assert not plan.caps, "a plan caps runs that cannot be capped"
    for placement in plan.placements:
        _place(control, connection, placement)
    for eviction in plan.evictions:
        record = work.get_run(connection, eviction.run)
        reason, taker = StopReason.POWER, ""
        if eviction.for_pending:
            # What waits of an endpoint bears the number of its replica behind the endpoint's id.
            first = work.get_workload(connection, eviction.for_pending.partition("#")[0])
            reason, taker = StopReason.PREEMPTED, first.project.split("/")[0]
        stop(control, connection, record.run, reason, eviction.detail, taker)
    waiting_changed = work.replace_waiting(connection, plan.waiting, plan.now_ms)
    return bool(plan.placements or plan.evictions or waiting_changed)


def _place(control: Control, connection: Connection, placement: Placement) -> None:
    workload = work.get_workload(connection, placement.workload)
    now_ms = control.clock.now_ms()
    run = Run(
        id=control.clock.new_id("run"),
        workload=workload.id,
        project=workload.project,
        site=placement.site,
        attempt=work.attempts(connection, workload.id) + 1,
        placement=placement.devices,
        accelerator=placement.accelerator,
        created_at_ms=now_ms,
    )
    key = control.clock.secret() if workload.kind is WorkloadKind.ENDPOINT else ""
    work.add_run(connection, run, key, placement)
    if workload.not_before_ms:
        work.replace_workload(connection, replace(workload, not_before_ms=0))
    control.audit(
        connection,
        SYSTEM,
        "run.place",
        run.id,
        workload=workload.id,
        site=placement.site,
        devices={part.node: list(part.devices) for part in placement.devices},
    )
