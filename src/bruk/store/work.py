"""Queries of workloads, runs and what waits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select, update

from bruk.model.errors import NotFound
from bruk.model.plan import Placement, Waiting
from bruk.model.reason import Reason
from bruk.model.run import Observed, Run
from bruk.model.workload import Outcome, Wanted, Workload, WorkloadKind
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
    """

    run: Run
    settled: bool = False
    replica_key: str = ""
    interrupted: bool = False
    progress: dict[str, Any] | None = None
    carry: dict[str, int] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)


# Why each run was placed where it is, is long and seldom asked for: see ``why``.
_RUN = rows.columns_of(run, but="why")
_WORKLOAD = rows.columns_of(workload)
_RUNS = select(*_RUN).order_by(run.c.created_at_ms, run.c.id)
_RUN_OF_ID = select(*_RUN).where(run.c.id == bindparam("run_id"))
_WORKLOADS = select(*_WORKLOAD).order_by(workload.c.created_at_ms.desc(), workload.c.id.desc())
_WORKLOAD_OF_ID = select(*_WORKLOAD).where(workload.c.id == bindparam("workload_id"))
_OPEN = workload.c.outcome == Outcome.OPEN.value
_ENDPOINT = select(*_WORKLOAD).where(
    workload.c.kind == WorkloadKind.ENDPOINT.value, workload.c.name == bindparam("endpoint"), _OPEN
)
_LAST_SITES = (
    select(run.c.workload, run.c.site)
    .join(workload, workload.c.id == run.c.workload)
    .where(_OPEN)
    .order_by(run.c.attempt)
)
_ATTEMPTS = select(func.max(run.c.attempt)).where(run.c.workload == bindparam("workload_id"))


def _workloads_of(found: Sequence[Row[Any]]) -> list[Workload]:
    return rows.kept(Workload, found, "spec")


def _records(found: Sequence[Row[Any]]) -> list[RunRecord]:
    return [
        RunRecord(
            value,
            row.settled,
            row.replica_key,
            row.interrupted,
            rows.read(row.progress),
            rows.read(row.carry) or {},
            rows.read(row.outputs) or [],
        )
        for value, row in zip(rows.kept(Run, found, "placement"), found, strict=True)
    ]


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
    row = rows.first(connection, _WORKLOAD_OF_ID, workload_id=workload_id)
    if row is None:
        raise NotFound(f"there is no workload {workload_id!r}", what="workload", id=workload_id)
    return _workloads_of([row])[0]


def find_endpoint(connection: Connection, name: str) -> Workload | None:
    """The open endpoint of this name."""
    row = rows.first(connection, _ENDPOINT, endpoint=name)
    return _workloads_of([row])[0] if row else None


@cache
def _workloads(
    kind: WorkloadKind | None, open_: bool | None, wanted: Wanted | None
) -> Select[*tuple[Any, ...]]:
    statement = _WORKLOADS
    if wanted is not None:
        statement = statement.where(workload.c.wanted == wanted.value)
    if kind is not None:
        statement = statement.where(workload.c.kind == kind.value)
    if open_ is not None:
        statement = statement.where(_OPEN if open_ else ~_OPEN)
    return statement


def workloads(
    connection: Connection,
    *,
    kind: WorkloadKind | None = None,
    open_: bool | None = None,
    wanted: Wanted | None = None,
    tenant: str | None = None,
    project: str | None = None,
    after: str = "",
    limit: int | None = None,
) -> list[Workload]:
    """Workloads, newest first; ``after`` is the id of the last one of the page before."""
    statement = _workloads(kind, open_, wanted)
    if limit is not None:
        statement = statement.limit(limit)
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
    return _workloads_of(rows.all_of(connection, statement))


def open_among(connection: Connection, ids: Collection[str]) -> set[str]:
    """Which of these identifiers are open workloads'."""
    return rows.among(connection, select(workload.c.id).where(_OPEN), workload.c.id, ids)


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
    found = find_run(connection, run_id)
    if found is None:
        raise NotFound(f"there is no run {run_id!r}", what="run", id=run_id)
    return found


def find_run(connection: Connection, run_id: str) -> RunRecord | None:
    """The run, or None."""
    row = rows.first(connection, _RUN_OF_ID, run_id=run_id)
    return _records([row])[0] if row else None


def runs(
    connection: Connection,
    *,
    site: str | None = None,
    of_workload: str | None = None,
    unsettled: bool = False,
    ended: bool = False,
) -> list[RunRecord]:
    """Runs, oldest first; only those that are unsettled, or that have ended."""
    key = {"site": site, "workload": of_workload}
    given = {name: item for name, item in key.items() if item is not None}
    statement = _runs(tuple(given), unsettled, ended)
    return _records(rows.all_of(connection, statement, **given))


@cache
def _runs(names: tuple[str, ...], unsettled: bool, ended: bool) -> Select[*tuple[Any, ...]]:
    statement = _RUNS
    for name in names:
        statement = statement.where(run.c[name] == bindparam(name))
    if unsettled:
        statement = statement.where(run.c.settled.is_(False))
    if ended:
        statement = statement.where(run.c.observed.in_([Observed.EXITED.value, Observed.LOST.value]))
    return statement


def why(connection: Connection, of_workload: str) -> dict[str, Placement]:
    """Run id to the plan's placement, with what was filtered and the leading candidates."""
    found = rows.all_of(connection, select(run.c.id, run.c.why).where(run.c.workload == of_workload))
    return {row.id: codec.load(Placement, row.why) for row in found if row.why}


def under_way(connection: Connection, site: str | None = None) -> dict[str, Workload]:
    """The workloads of all unsettled runs (at a site), by id: one statement, however many runs."""
    given = {} if site is None else {"site": site}
    found = rows.all_of(connection, _under_way(tuple(given)), **given)
    return {item.id: item for item in _workloads_of(found)}


@cache
def _under_way(names: tuple[str, ...]) -> Select[*tuple[Any, ...]]:
    theirs = select(run.c.workload).where(run.c.settled.is_(False))
    for name in names:
        theirs = theirs.where(run.c[name] == bindparam(name))
    return select(*_WORKLOAD).where(workload.c.id.in_(theirs))


def last_sites(connection: Connection) -> dict[str, str]:
    """Where the newest attempt of each open workload was made; none where there was none."""
    return {row.workload: row.site for row in rows.all_of(connection, _LAST_SITES)}


def attempts(connection: Connection, of_workload: str) -> int:
    """How many runs the workload has had."""
    return int(connection.execute(_ATTEMPTS, {"workload_id": of_workload}).scalar() or 0)


def settle(connection: Connection, run_id: str) -> None:
    """Take note that the run's end has been taken in."""
    connection.execute(update(run).where(run.c.id == run_id).values(settled=True))


def waits_as(connection: Connection, values: tuple[Waiting, ...]) -> bool:
    """Whether exactly these wait already, for these reasons."""
    before = {row.pending: row.reason for row in rows.all_of(connection, select(waiting))}
    return before == {value.pending: codec.dump(value.reason) for value in values}


def replace_waiting(connection: Connection, values: tuple[Waiting, ...], now_ms: int) -> bool:
    """What waits now, and why; True if anything differs from before."""
    if waits_as(connection, values):
        return False
    since = {row.pending: row.since_ms for row in rows.all_of(connection, select(waiting))}
    after = {
        value.pending: {
            "pending": value.pending,
            "workload": value.workload,
            "reason": codec.dump(value.reason),
            "since_ms": since.get(value.pending, now_ms),
        }
        for value in values
    }
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
