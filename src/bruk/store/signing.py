"""Queries of the signing keys' public halves: which signs now, which did before, and who handed over."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from bruk.store import rows
from bruk.store.tables import signing_key

_NEWEST = select(signing_key).order_by(signing_key.c.number.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class SigningKeyRow:
    """A key that signs, or signed.

    Attributes:
        number: from 1 on, in the order of use.
        public_key: its text.
        until_ms: when the next one followed it; None: it signs now [ms].
        handover: the statement by which it followed the one before; None for the first.
    """

    number: int
    public_key: str
    from_ms: int
    until_ms: int | None = None
    handover: dict[str, Any] | None = None


def signing_keys(connection: Connection) -> list[SigningKeyRow]:
    """Every key, the oldest first."""
    return [rows.to_value(SigningKeyRow, row) for row in rows.every(connection, signing_key, "number")]


def newest(connection: Connection) -> SigningKeyRow | None:
    """The key that signs now; None before the first start is done."""
    row = rows.first(connection, _NEWEST)
    return rows.to_value(SigningKeyRow, row) if row else None


def add(connection: Connection, value: SigningKeyRow) -> None:
    """A key that signs from now on."""
    rows.add(connection, signing_key, value)


def retire(connection: Connection, number: int, until_ms: int) -> None:
    """Note when a key was followed by the next [ms]."""
    connection.execute(update(signing_key).where(signing_key.c.number == number).values(until_ms=until_ms))
