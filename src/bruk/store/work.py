"""Queries of workloads, runs and what waits."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from bruk.model.plan import Placement, Waiting
from bruk.model.reason import Reason
from bruk.model.run import Run
from bruk.model.workload import Outcome, Workload, WorkloadKind
from bruk.store import rows
from bruk.store.tables import run, waiting, workload
from bruk.wire import codec


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run with what control keeps beside the noun.

    Attributes:
        settled: its end was taken in by ``reconcile``; the agent need not hear of it again.
        interrupted: the site ended it (a local hold, the end of a lease), not the run itself.
        progress: the newest line of its progress file.
        carry: energy and carbon below one unit of the ledger, for the next entry (see ``control.meter``).
        outputs: what its agent handed over.
        why: the plan's placement, with what was filtered and the leading candidates.
    """

    run: Run
    settled: bool = False
    replica_key: str = ""
    interrupted: bool = False
    progress: dict[str, Any] | None = None
    carry: dict[str, int] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    why: Placement | None = None


def _workload(row: Row[Any]) -> Workload:
    return rows.to_value(Workload, row)


def _record(row: Row[Any]) -> RunRecord:
    return RunRecord(
        rows.to_value(Run, row),
        row.settled,
        row.replica_key,
        row.interrupted,
        row.progress,
        row.carry or {},
        row.outputs or [],
        codec.load(Placement, row.why) if row.why else None,
    )


def add_workload(connection: Connection, value: Workload) -> None:
    """A new workload."""
    rows.add(connection, workload, value)


def replace_workload(connection: Connection, value: Workload) -> None:
    """Write a workload anew."""
    rows.replace(connection, workload, value)


def get_workload(connection: Connection, workload_id: str) -> Workload:
    """The workload.

    Raises:
        NotFound: there is none of that id.
    """
    return _workload(rows.one(connection, workload, "workload", id=workload_id))


def find_endpoint(connection: Connection, name: str) -> Workload | None:
    """The open endpoint of this name."""
    statement = select(workload).where(
        workload.c.kind == "endpoint", workload.c.name == name, workload.c.outcome == "open"
    )
    row = connection.execute(statement).first()
    return _workload(row) if row else None


def workloads(
    connection: Connection,
    *,
    kind: WorkloadKind | None = None,
    open_: bool | None = None,
    tenant: str | None = None,
    project: str | None = None,
    after: str = "",
    limit: int | None = None,
) -> list[Workload]:
    """Workloads, newest first; ``after`` is the id of the last one of the page before."""
    statement = select(workload).order_by(workload.c.created_at_ms.desc(), workload.c.id.desc()).limit(limit)
    if kind is not None:
        statement = statement.where(workload.c.kind == kind.value)
    if open_ is not None:
        is_open = workload.c.outcome == Outcome.OPEN.value
        statement = statement.where(is_open if open_ else ~is_open)
    if project is not None:
        statement = statement.where(workload.c.project == project)
    if tenant is not None:
        statement = statement.where(workload.c.project.startswith(f"{tenant}/", autoescape=True))
    if after:
        last = rows.one(connection, workload, "workload", id=after)
        statement = statement.where(
            (workload.c.created_at_ms < last.created_at_ms)
            | ((workload.c.created_at_ms == last.created_at_ms) & (workload.c.id < last.id))
        )
    return [_workload(row) for row in rows.all_of(connection, statement)]


def add_run(connection: Connection, value: Run, replica_key: str, why: Placement) -> None:
    """A new run."""
    rows.add(
        connection,
        run,
        value,
        settled=False,
        interrupted=False,
        replica_key=replica_key,
        carry={},
        outputs=[],
        why=codec.dump(why),
    )


def replace_run(connection: Connection, value: Run, **more: object) -> None:
    """Write a run anew; ``more`` are control's own columns."""
    rows.replace(connection, run, value, **more)


def get_run(connection: Connection, run_id: str) -> RunRecord:
    """The run.

    Raises:
        NotFound: there is none of that id.
    """
    return _record(rows.one(connection, run, "run", id=run_id))


def find_run(connection: Connection, run_id: str) -> RunRecord | None:
    """The run, or None."""
    row = connection.execute(select(run).where(run.c.id == run_id)).first()
    return _record(row) if row else None


def runs(
    connection: Connection,
    *,
    site: str | None = None,
    of_workload: str | None = None,
    unsettled: bool = False,
) -> list[RunRecord]:
    """Runs, oldest first."""
    statement = select(run).order_by(run.c.created_at_ms, run.c.id)
    if site is not None:
        statement = statement.where(run.c.site == site)
    if of_workload is not None:
        statement = statement.where(run.c.workload == of_workload)
    if unsettled:
        statement = statement.where(run.c.settled.is_(False))
    return [_record(row) for row in rows.all_of(connection, statement)]


def attempts(connection: Connection, of_workload: str) -> int:
    """How many runs the workload has had."""
    statement = select(func.max(run.c.attempt)).where(run.c.workload == of_workload)
    return int(connection.execute(statement).scalar() or 0)


def settle(connection: Connection, run_id: str) -> None:
    """Take note that the run's end has been taken in."""
    connection.execute(update(run).where(run.c.id == run_id).values(settled=True))


def replace_waiting(connection: Connection, values: tuple[Waiting, ...], now_ms: int) -> bool:
    """What waits now, and why; True if anything differs from before."""
    before = {row.pending: row for row in rows.all_of(connection, select(waiting))}
    after = {
        value.pending: {
            "pending": value.pending,
            "workload": value.workload,
            "reason": codec.dump(value.reason),
            "since_ms": before[value.pending].since_ms if value.pending in before else now_ms,
        }
        for value in values
    }
    if {key: row.reason for key, row in before.items()} == {key: row["reason"] for key, row in after.items()}:
        return False
    connection.execute(delete(waiting))
    if after:
        connection.execute(insert(waiting), list(after.values()))
    return True


def waiting_for(connection: Connection) -> dict[str, Reason]:
    """Workload id to the reason why it (or its first missing replica) waits."""
    found: dict[str, Reason] = {}
    for row in rows.all_of(connection, select(waiting).order_by(waiting.c.pending)):
        found.setdefault(row.workload, codec.load(Reason, row.reason))
    return found
