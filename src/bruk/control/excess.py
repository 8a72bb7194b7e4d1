"""What a job costs at most: device time that its operator's interruptions add beyond that is credited.

A job is told at submission what it costs at most: its time limit, once for each attempt that fails of its
own. A run that had to give way begins the job anew, and what it does again is used and metered again. Once
the job is closed, the part of that which goes beyond the bound is credited, up to what the runs that gave
way had used. Runs that made room for work of their own tenant are not counted, or a tenant could compute
for nothing behind short jobs of higher priority.
"""

from collections.abc import Iterable

from bruk.control.control import Control
from bruk.model.ledger import LedgerEntry, Resource
from bruk.model.tenant import SYSTEM
from bruk.model.workload import JobSpec, Outcome, Workload
from bruk.store import extracts, records, work
from bruk.store.database import Connection

PAGE = 1000


def credit_excess(control: Control, connection: Connection, job: Workload) -> None:
    """Credit what a closed job used beyond its bound; what is credited already is taken into account.

    Idempotent: called again when use is told late, it credits the rest.
    """
    if not isinstance(job.spec, JobSpec) or job.outcome is Outcome.OPEN:
        return
    sums = extracts.ledger_sums(connection, workload=job.id)
    used_ms = sum(part.quantity for part in sums if part.resource is Resource.DEVICE_TIME)
    excess_ms = used_ms - allowed_device_ms(job.spec, 1 + job.failures)
    if excess_ms <= 0:
        return
    runs = [record.run for record in work.runs(connection, of_workload=job.id)]
    given_way = {run.id for run in runs if run.gave_way}
    entries = _entries(connection, job.id)
    theirs = [entry for entry in reversed(entries) if entry.run in given_way]
    due_microeur = _worth_microeur(theirs, excess_ms)
    # Credits have negative amounts.
    due_microeur += sum(entry.amount_microeur for entry in entries if entry.resource is Resource.CREDIT)
    if due_microeur <= 0:
        return
    booked = records.append_ledger(connection, [_credit(control, job, used_ms, due_microeur)])
    for entry in booked:
        control.audit(connection, SYSTEM, "ledger.credit", job.id, amount_microeur=-entry.amount_microeur)


def allowed_device_ms(spec: JobSpec, attempts: int) -> int:
    """The device time that this many attempts have, each up to its time limit [ms]."""
    return attempts * spec.resources.devices_total * spec.time_limit_s * 1000


def _entries(connection: Connection, job: str) -> list[LedgerEntry]:
    found: list[LedgerEntry] = []
    while page := records.ledger_entries(
        connection, workload=job, after=found[-1].seq if found else 0, limit=PAGE
    ):
        found += page
    return found


def _worth_microeur(entries: Iterable[LedgerEntry], device_ms: int) -> int:
    """What so much of the entries' device time cost, taken in their order [EUR * 1e-6]."""
    worth = 0
    for entry in entries:
        part_ms = min(entry.quantity, device_ms)
        if part_ms:
            worth += entry.amount_microeur * part_ms // entry.quantity
        device_ms -= part_ms
    return worth


def _credit(control: Control, job: Workload, used_ms: int, amount_microeur: int) -> LedgerEntry:
    return LedgerEntry.credit(
        f"{job.id}/{used_ms}",
        control.clock.now_ms(),
        job.project,
        amount_microeur,
        workload=job.id,
        note=f"{job.name}: interrupted by its operator, it had to use more device time than its time limit",
    )
