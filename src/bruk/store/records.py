"""The two records that never change: the ledger and the audit log, as hash chains.

An entry's hash covers its columns under the chain's name (see ``seal.chain``), so the exported
chain can be verified without this database.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update

from bruk.model.ledger import AuditEntry, LedgerEntry, Resource
from bruk.seal import GENESIS_HASH, Entry, Head, extend
from bruk.store import rows
from bruk.store.tables import account, audit, invoice, ledger

LEDGER = "ledger"
AUDIT = "audit"
_TABLES: dict[str, Table] = {LEDGER: ledger, AUDIT: audit}
_HEADS = {
    name: select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)
    for name, table in _TABLES.items()
}
_LAST_MS = select(ledger.c.at_ms).order_by(ledger.c.seq.desc()).limit(1)
_INVOICED_MS = select(func.max(invoice.c.to_ms))
_SPENT = (
    update(account)
    .where(account.c.project == bindparam("of"))
    .values(
        spent_microeur=account.c.spent_microeur + bindparam("spent"),
        device_ms=account.c.device_ms + bindparam("device_time"),
    )
)


def head(connection: Connection, chain: str) -> Head:
    """Where the chain ``ledger`` or ``audit`` stands."""
    row = rows.first(connection, _HEADS[chain])
    return Head(chain, row.seq, row.hash) if row else Head(chain, 0, GENESIS_HASH)


def head_before(connection: Connection, chain: str, at_ms: int) -> Head:
    """Where the chain stood before the first entry of this time or later [ms]."""
    table = _TABLES[chain]
    later = connection.execute(select(func.min(table.c.seq)).where(table.c.at_ms >= at_ms)).scalar()
    if later is None:
        return head(connection, chain)
    if later == 1:
        return Head(chain, 0, GENESIS_HASH)
    found = connection.execute(select(table.c.hash).where(table.c.seq == later - 1)).scalar_one()
    return Head(chain, later - 1, found)


def newest_ms(connection: Connection) -> int:
    """The latest time that an entry of either chain bears; 0 before the first [ms]."""
    found = [connection.execute(select(func.max(table.c.at_ms))).scalar() for table in _TABLES.values()]
    return max((at_ms for at_ms in found if at_ms is not None), default=0)


def first_ms(connection: Connection) -> int | None:
    """The time of the audit log's first entry [ms]."""
    return connection.execute(select(func.min(audit.c.at_ms))).scalar()


def _body(entry: LedgerEntry | AuditEntry) -> dict[str, Any]:
    body = asdict(entry)
    for name in ("seq", "prev", "hash"):
        del body[name]
    return {name: getattr(item, "value", item) for name, item in body.items()}


def append_audit(connection: Connection, entry: AuditEntry) -> AuditEntry:
    """Append an entry; its ``seq``, ``prev`` and ``hash`` are set here."""
    sealed = extend(head(connection, AUDIT), _body(entry))
    entry = replace(entry, seq=sealed.seq, prev=sealed.prev, hash=sealed.hash)
    rows.add(connection, audit, entry)
    return entry


def append_ledger(connection: Connection, entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Append those entries whose ``key`` is new and return them; accounts follow in the same
    transaction. An entry that arrives a second time changes nothing."""
    if not entries:
        return []
    keys = [entry.key for entry in entries]
    known = set(connection.execute(select(ledger.c.key).where(ledger.c.key.in_(keys))).scalars())
    added: list[LedgerEntry] = []
    top = head(connection, LEDGER)
    earliest_ms = _earliest_ms(connection)
    for entry in entries:
        if entry.key in known:
            continue
        known.add(entry.key)
        earliest_ms = max(entry.at_ms, earliest_ms)
        entry = replace(entry, at_ms=earliest_ms)
        sealed = extend(top, _body(entry))
        top = sealed.head
        added.append(replace(entry, seq=sealed.seq, prev=sealed.prev, hash=sealed.hash))
    if added:
        connection.execute(insert(ledger), [rows.to_row(ledger, entry) for entry in added])
        _account(connection, added)
    return added


def _earliest_ms(connection: Connection) -> int:
    """The earliest time that the next entry may bear.

    Invoices cut the ledger by time of entry, so that time never runs back along the chain, nor
    behind an invoice, even when the machine's clock does.
    """
    last_ms = connection.execute(_LAST_MS).scalar()
    invoiced_ms = connection.execute(_INVOICED_MS).scalar()
    return max(last_ms or 0, invoiced_ms or 0)


def _account(connection: Connection, entries: Sequence[LedgerEntry]) -> None:
    sums: dict[str, tuple[int, int]] = {}
    for entry in entries:
        spent, device_ms = sums.get(entry.project, (0, 0))
        device_ms += entry.quantity if entry.resource is Resource.DEVICE_TIME else 0
        sums[entry.project] = (spent + entry.amount_microeur, device_ms)
    for project, (spent, device_ms) in sums.items():
        values = {"of": project, "spent": spent, "device_time": device_ms}
        changed = connection.execute(_SPENT, values)
        assert changed.rowcount == 1, f"project {project} has no account"


def ledger_entries(
    connection: Connection,
    *,
    after: int = 0,
    limit: int = 1000,
    tenant: str | None = None,
    project: str | None = None,
    workload: str | None = None,
    from_ms: int | None = None,
    to_ms: int | None = None,
) -> list[LedgerEntry]:
    """Entries in order, after a sequence number, of a tenant, project or workload, used (by the
    time they were entered) within ``[from_ms, to_ms)``."""
    statement = select(ledger).where(ledger.c.seq > after).order_by(ledger.c.seq).limit(limit)
    for column, wanted in (
        (ledger.c.tenant, tenant),
        (ledger.c.project, project),
        (ledger.c.workload, workload),
    ):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if from_ms is not None:
        statement = statement.where(ledger.c.at_ms >= from_ms)
    if to_ms is not None:
        statement = statement.where(ledger.c.at_ms < to_ms)
    return [rows.to_value(LedgerEntry, row) for row in rows.all_of(connection, statement)]


def audit_entries(connection: Connection, *, after: int = 0, limit: int = 1000) -> list[AuditEntry]:
    """Audit entries in order, after a sequence number."""
    statement = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
    return [rows.to_value(AuditEntry, row) for row in rows.all_of(connection, statement)]


def chain(connection: Connection, name: str) -> Iterator[Entry]:
    """Every entry of a chain as ``seal`` knows it, for export; read in pages."""
    after = 0
    while True:
        page: Sequence[LedgerEntry | AuditEntry]
        if name == LEDGER:
            page = ledger_entries(connection, after=after)
        else:
            page = audit_entries(connection, after=after)
        for entry in page:
            yield Entry(name, entry.seq, entry.prev, entry.hash, _body(entry))
            after = entry.seq
        if not page:
            return


def sums_by_project(connection: Connection) -> dict[str, int]:
    """What the ledger itself says each project spent [EUR * 1e-6]; the doctor compares it with
    the accounts."""
    statement = select(ledger.c.project, func.sum(ledger.c.amount_microeur)).group_by(ledger.c.project)
    return {project: int(spent) for project, spent in rows.all_of(connection, statement)}
