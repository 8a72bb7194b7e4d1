"""Queries of holds, acknowledgements and switch receipts."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, select

from bruk.model.switch import Acknowledgement, Hold
from bruk.store import rows
from bruk.store.tables import acknowledgement, hold, receipt


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A receipt, from the command until every enforcer has answered.

    Attributes:
        baseline: ``kind/id`` of each enforcer to its acknowledgement when the command came.
        document: the sealed document as last written; newest when ``complete``.
    """

    id: str
    hold: str
    action: str
    generation: int
    created_at_ms: int
    complete: bool = False
    baseline: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] | None = None


def add_hold(connection: Connection, value: Hold) -> None:
    """A new hold."""
    rows.add(connection, hold, value)


def replace_hold(connection: Connection, value: Hold) -> None:
    """Write a hold anew."""
    rows.replace(connection, hold, value)


def get_hold(connection: Connection, hold_id: str) -> Hold:
    """The hold, standing or released."""
    return rows.to_value(Hold, rows.one(connection, hold, "hold", id=hold_id))


def holds(connection: Connection, *, standing: bool = True) -> list[Hold]:
    """Holds in the order they were raised; only those that stand, or all."""
    statement = select(hold).order_by(hold.c.generation)
    if standing:
        statement = statement.where(hold.c.released_at_ms.is_(None))
    return [rows.to_value(Hold, row) for row in rows.all_of(connection, statement)]


def acknowledge(connection: Connection, value: Acknowledgement) -> None:
    """What an enforcer says now."""
    known = connection.execute(
        select(acknowledgement.c.id).where(
            acknowledgement.c.enforcer == value.enforcer.value, acknowledgement.c.id == value.id
        )
    ).first()
    if known:
        rows.replace(connection, acknowledgement, value)
    else:
        connection.execute(insert(acknowledgement).values(**rows.to_row(acknowledgement, value)))


def acknowledgements(connection: Connection) -> list[Acknowledgement]:
    """What every enforcer said last."""
    statement = select(acknowledgement).order_by(acknowledgement.c.enforcer, acknowledgement.c.id)
    return [rows.to_value(Acknowledgement, row) for row in rows.all_of(connection, statement)]


def add_receipt(connection: Connection, value: ReceiptRow) -> None:
    """A new receipt."""
    rows.add(connection, receipt, value)


def replace_receipt(connection: Connection, value: ReceiptRow) -> None:
    """Write a receipt anew."""
    rows.replace(connection, receipt, value)


def get_receipt(connection: Connection, receipt_id: str) -> ReceiptRow:
    """The receipt.

    Raises:
        NotFound: there is none of that id.
    """
    return rows.to_value(ReceiptRow, rows.one(connection, receipt, "receipt", id=receipt_id))


def receipts(connection: Connection, *, open_only: bool = False) -> list[ReceiptRow]:
    """Receipts, oldest first."""
    statement = select(receipt).order_by(receipt.c.generation)
    if open_only:
        statement = statement.where(receipt.c.complete.is_(False))
    return [rows.to_value(ReceiptRow, row) for row in rows.all_of(connection, statement)]
