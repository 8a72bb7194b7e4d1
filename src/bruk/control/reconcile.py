"""Takes in how runs ended: outcomes, outputs, retries. No input; idempotent; run by nudge and by period."""

import logging
from collections.abc import Callable
from dataclasses import replace

from bruk.control import excess, models
from bruk.control.control import Control
from bruk.model.artifact import Artifact, ArtifactKind, Stage
from bruk.model.errors import BrukError, InvalidInput
from bruk.model.run import Observed, Run, RunWanted, StopReason
from bruk.model.tenant import SYSTEM
from bruk.model.transitions import OUTCOME, check_transition
from bruk.model.workload import JobSpec, Outcome, Wanted, Workload, WorkloadKind
from bruk.store import goods, work
from bruk.store.database import Connection, StoreDamaged, StoreUnavailable
from bruk.store.work import RunRecord

log = logging.getLogger(__name__)

BACKOFF_MS = 5_000
BACKOFF_MS_MAX = 300_000


def step_reconcile(control: Control) -> bool:
    """Settle every run that ended and close every workload that is done; True if any was."""
    with control.read() as connection:
        ended = work.runs(connection, unsettled=True, ended=True)
        stopping = work.workloads(connection, open_=True, wanted=Wanted.STOP)
    if not ended and not stopping:
        return False
    changed = False
    for record in ended:
        changed |= _alone(control, record.run.id, _settle_run)
    for workload in stopping:
        changed |= _alone(control, workload.id, _close_stopped)
    return changed


def _alone(control: Control, identifier: str, act: Callable[[Control, Connection, str], bool]) -> bool:
    """One run or workload in a transaction of its own: a defect there holds nothing else up."""
    try:
        with control.database.write() as connection:
            return act(control, connection, identifier)
    except (StoreUnavailable, StoreDamaged):
        raise
    except Exception:
        log.exception("%s could not be settled; the next turn tries again", identifier)
        return False


def _close_stopped(control: Control, connection: Connection, workload_id: str) -> bool:
    workload = work.get_workload(connection, workload_id)
    living = [record for record in work.runs(connection, of_workload=workload.id) if not record.settled]
    if living or workload.outcome is not Outcome.OPEN:
        return False
    detail = "cancelled" if workload.kind is WorkloadKind.JOB else "removed"
    _close(control, connection, workload, Outcome.CANCELLED, detail)
    if workload.kind is WorkloadKind.ENDPOINT:
        _unserve(connection, workload)
    return True


def _unserve(connection: Connection, endpoint: Workload) -> None:
    model = goods.find_model(connection, endpoint.endpoint.model)
    others = work.workloads(connection, kind=WorkloadKind.ENDPOINT, open_=True)
    still = any(item.endpoint.model == endpoint.endpoint.model for item in others)
    if model is not None and model.stage is Stage.SERVED and not still:
        models.unserve(connection, model)


def _close(
    control: Control, connection: Connection, workload: Workload, outcome: Outcome, detail: str
) -> None:
    check_transition(OUTCOME, workload.outcome, outcome, f"workload {workload.id}")
    closed = replace(workload, outcome=outcome, outcome_detail=detail, ended_at_ms=control.clock.now_ms())
    work.replace_workload(connection, closed)
    excess.credit_excess(control, connection, closed)
    control.audit(connection, SYSTEM, f"{workload.kind}.{outcome}", workload.id, detail=detail)


def _settle_run(control: Control, connection: Connection, run_id: str) -> bool:
    record = work.get_run(connection, run_id)
    run = record.run
    if record.settled:
        return False
    workload = work.get_workload(connection, run.workload)
    work.settle(connection, run.id)
    control.audit(
        connection,
        SYSTEM,
        "run.end",
        run.id,
        observed=run.observed.value,
        exit_code=run.exit_code,
        detail=run.detail,
    )
    if workload.outcome is not Outcome.OPEN:
        return True
    if isinstance(workload.spec, JobSpec):
        _settle_job(control, connection, workload, record)
    elif workload.wanted is Wanted.RUN and run.wanted is RunWanted.START and not record.interrupted:
        if _was_steady(run):
            workload = replace(workload, failures=0)
        _retry(control, connection, workload, _why(run), limit=None)
    return True


def _was_steady(run: Run) -> bool:
    """It ran well for so long that failures before it say nothing about the next."""
    if run.started_at_ms is None or run.ended_at_ms is None:
        return False
    return run.ended_at_ms - run.started_at_ms >= BACKOFF_MS_MAX


def _why(run: Run) -> str:
    if run.observed is Observed.LOST:
        return f"run {run.id} was lost: {run.detail or 'its site cannot say how it ended'}"
    said = f": {run.detail}" if run.detail else ""
    return f"run {run.id} ended with exit status {run.exit_code}{said}"


def _settle_job(control: Control, connection: Connection, workload: Workload, record: RunRecord) -> None:
    run, spec = record.run, workload.job
    if workload.wanted is Wanted.STOP:
        return  # Closed as cancelled once nothing of it is left.
    if run.stop_reason is StopReason.TIME_LIMIT or _past_time_limit(run, spec):
        detail = f"its time limit of {spec.time_limit_s} s was reached"
        _close(control, connection, workload, Outcome.FAILED, detail)
        return
    if run.interrupted or record.interrupted:
        return  # It goes on from its checkpoint when nothing stands in its way any more.
    if run.observed is Observed.EXITED and run.exit_code == 0:
        _finish(control, connection, workload, record)
        return
    _retry(control, connection, workload, _why(run), spec.retry_limit)


def _past_time_limit(run: Run, spec: JobSpec) -> bool:
    if run.started_at_ms is None or run.ended_at_ms is None or run.exit_code == 0:
        return False
    return run.ended_at_ms - run.started_at_ms >= spec.time_limit_s * 1000


def _retry(control: Control, connection: Connection, workload: Workload, why: str, limit: int | None) -> None:
    failures = workload.failures + 1
    if limit is not None and failures > limit:
        tries = f" (attempt {failures})" if failures > 1 else ""
        _close(control, connection, workload, Outcome.FAILED, why + tries)
        return
    wait_ms = min(BACKOFF_MS * 2 ** min(failures - 1, 10), BACKOFF_MS_MAX)
    waiting = replace(
        workload,
        failures=failures,
        not_before_ms=control.clock.now_ms() + wait_ms,
        outcome_detail=why,
    )
    work.replace_workload(connection, waiting)


def _is_here(control: Control, digest: str) -> bool:
    try:
        return control.blobs.has(digest)
    except InvalidInput:
        return False


def _finish(control: Control, connection: Connection, workload: Workload, record: RunRecord) -> None:
    spec = workload.job
    handed = {item["name"]: item for item in record.outputs}
    missing = sorted(set(spec.outputs) - set(handed))
    if missing:
        detail = f"it ended with status 0 but did not write its output {', '.join(missing)}"
        _close(control, connection, workload, Outcome.FAILED, detail)
        return
    lost = sorted(name for name in spec.outputs if not _is_here(control, handed[name]["digest"]))
    if lost:
        detail = f"its output {', '.join(lost)} never reached control"
        _close(control, connection, workload, Outcome.FAILED, detail)
        return
    kept: dict[str, Artifact] = {}
    for name in spec.outputs:
        item = handed[name]
        artifact = Artifact(
            control.clock.new_id("art"),
            workload.project,
            name,
            ArtifactKind(item["kind"]),
            item["digest"],
            control.blobs.size_bytes(item["digest"]),
            control.clock.now_ms(),
            record.run.id,
            ("control", record.run.site),
        )
        goods.add_artifact(connection, artifact)
        kept[name] = artifact
    try:
        if spec.model:
            models.register(control, connection, workload, kept["model"])
        if spec.evaluates and spec.recipe == "evaluate":
            models.take_evaluation(control, connection, workload, kept[models.EVALUATION_NAME])
    except BrukError as error:
        _close(control, connection, workload, Outcome.FAILED, error.message)
        return
    _close(control, connection, workload, Outcome.SUCCEEDED, "")
