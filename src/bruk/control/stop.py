"""Wanting a run to stop: the one place where a run's generation rises."""

from dataclasses import replace

from bruk.control.control import Control
from bruk.model.run import Run, RunWanted, StopReason
from bruk.model.tenant import SYSTEM
from bruk.model.transitions import RUN_WANTED, check_transition
from bruk.store import work
from bruk.store.database import Connection


def stop(
    control: Control,
    connection: Connection,
    run: Run,
    reason: StopReason,
    detail: str = "",
    stopped_for: str = "",
) -> Run:
    """Want the run to stop, for this reason; repeating it changes nothing.

    Args:
        stopped_for: the tenant whose work takes its place.
    """
    if run.wanted is RunWanted.STOP or run.ended:
        return run
    check_transition(RUN_WANTED, run.wanted, RunWanted.STOP, f"run {run.id}")
    stopped = replace(
        run,
        wanted=RunWanted.STOP,
        stop_reason=reason,
        stop_requested_at_ms=control.clock.now_ms(),
        generation=run.generation + 1,
        stop_detail=detail,
        stopped_for=stopped_for,
    )
    work.replace_run(connection, stopped)
    control.audit(connection, SYSTEM, "run.stop", run.id, reason=reason.value, detail=detail)
    return stopped
