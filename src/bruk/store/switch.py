"""Queries of holds, acknowledgements and switch receipts."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from bruk.model.switch import Acknowledgement, EnforcerKind, Hold
from bruk.store import rows
from bruk.store.tables import acknowledgement, hold, receipt

_HOLDS = select(hold).order_by(hold.c.generation, hold.c.id)
_STANDING = _HOLDS.where(hold.c.released_at_ms.is_(None))


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
    found = rows.all_of(connection, _STANDING if standing else _HOLDS)
    return rows.kept(Hold, found)


def acknowledge(connection: Connection, value: Acknowledgement) -> None:
    """What an enforcer says now."""
    rows.put(connection, acknowledgement, value)


def acknowledged(connection: Connection, enforcer: EnforcerKind, identifier: str) -> Acknowledgement | None:
    """What this enforcer said last; None if it never said anything."""
    row = rows.find(connection, acknowledgement, enforcer=enforcer.value, id=identifier)
    return rows.to_value(Acknowledgement, row) if row else None


def acknowledgements(connection: Connection) -> list[Acknowledgement]:
    """What every enforcer said last."""
    found = rows.every(connection, acknowledgement, "enforcer", "id")
    return [rows.to_value(Acknowledgement, row) for row in found]


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
    key = {"complete": False} if open_only else {}
    found = rows.every(connection, receipt, "generation", "created_at_ms", "id", **key)
    return [rows.to_value(ReceiptRow, row) for row in found]
