"""Queries of prices, accounts, gateways' budget slices and invoices."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from bruk.model.ledger import Price, Resource
from bruk.store import rows
from bruk.store.tables import account, budget_slice, idempotency, invoice, price

_DECAYED = update(account).where(account.c.project == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Account:
    """Sums of a project's ledger entries.

    Attributes:
        decayed_device_ms: use that counts for fair share, as of ``decayed_at_ms`` [device-ms].
    """

    project: str
    spent_microeur: int
    device_ms: int
    decayed_device_ms: int
    decayed_at_ms: int


@dataclass(frozen=True, slots=True)
class Slice:
    """Budget that a gateway may spend for a project, and what the ledger has of it, over all time."""

    gateway: str
    project: str
    granted_microeur: int
    settled_microeur: int


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """An issued invoice."""

    number: str
    tenant: str
    from_ms: int
    to_ms: int
    issued_at_ms: int
    document: dict[str, Any]


def add_price(connection: Connection, value: Price) -> None:
    """A new version of a price."""
    rows.add(connection, price, value)


def prices(connection: Connection) -> list[Price]:
    """Every version of every price."""
    return rows.nouns(connection, Price, price, "resource", "item", "version")


def newest_price(connection: Connection, resource: Resource, item: str) -> Price | None:
    """The newest version of one price, in force or yet to come; None when there is none."""
    statement = (
        select(price)
        .where(price.c.resource == resource.value, price.c.item == item)
        .order_by(price.c.version.desc())
        .limit(1)
    )
    row = rows.first(connection, statement)
    return rows.to_value(Price, row) if row else None


def accounts(connection: Connection) -> dict[str, Account]:
    """Project id to its account."""
    return {found.project: found for found in rows.nouns(connection, Account, account, "project")}


def set_decayed(connection: Connection, project: str, device_ms: int, at_ms: int) -> None:
    """Write the decayed use that counts for fair share."""
    connection.execute(_DECAYED, {"of": project, "decayed_device_ms": device_ms, "decayed_at_ms": at_ms})


def slices(connection: Connection, of_gateway: str | None = None) -> list[Slice]:
    """Every gateway's slice of every project's budget, or one gateway's."""
    key = {} if of_gateway is None else {"gateway": of_gateway}
    return rows.nouns(connection, Slice, budget_slice, "gateway", "project", **key)


def set_slice(connection: Connection, value: Slice) -> None:
    """Write a slice, new or known."""
    rows.put(connection, budget_slice, value)


def add_invoice(connection: Connection, value: InvoiceRow) -> None:
    """Keep an issued invoice."""
    rows.add(connection, invoice, value)


def get_invoice(connection: Connection, number: str) -> InvoiceRow:
    """The invoice.

    Raises:
        NotFound: there is none of that number.
    """
    return rows.to_value(InvoiceRow, rows.one(connection, invoice, "invoice", number=number))


def invoices(connection: Connection, tenant: str | None = None) -> list[InvoiceRow]:
    """Invoices by number."""
    statement = select(invoice).order_by(invoice.c.number)
    if tenant is not None:
        statement = statement.where(invoice.c.tenant == tenant)
    return [rows.to_value(InvoiceRow, row) for row in rows.all_of(connection, statement)]


def find_answer(connection: Connection, caller: str, key: str) -> tuple[str, int, Any] | None:
    """What was answered to a caller's idempotency key: the request's fingerprint, status, body."""
    statement = select(idempotency).where(idempotency.c.caller == caller, idempotency.c.key == key)
    row = rows.first(connection, statement)
    return (row.fingerprint, row.status, row.answer) if row else None


def keep_answer(
    connection: Connection, caller: str, key: str, fingerprint: str, status: int, answer: Any, at_ms: int
) -> None:
    """Keep that a caller's request was carried out under its idempotency key, and with what
    answer; None while that is not known yet."""
    connection.execute(
        insert(idempotency).values(
            caller=caller, key=key, fingerprint=fingerprint, status=status, answer=answer, at_ms=at_ms
        )
    )


def complete_answer(connection: Connection, caller: str, key: str, answer: Any) -> None:
    """Add what was answered to a request that was carried out."""
    connection.execute(
        update(idempotency)
        .where(idempotency.c.caller == caller, idempotency.c.key == key)
        .values(answer=answer)
    )
