"""Between rows and nouns: one generic way for every table whose columns bear the noun's names."""

from collections.abc import Sequence
from dataclasses import fields
from enum import Enum
from typing import Any, TypeVar

from sqlalchemy import JSON, Connection, Row, Select, Table, insert, select, update

from bruk.model.errors import NotFound
from bruk.wire import codec

T = TypeVar("T")


def to_row(table: Table, value: Any) -> dict[str, Any]:
    """The columns of ``table`` that are fields of ``value``."""
    names = {field.name for field in fields(value)}
    row: dict[str, Any] = {}
    for column in table.columns:
        if column.name not in names:
            continue
        item = getattr(value, column.name)
        if isinstance(column.type, JSON) and item is not None:
            item = codec.dump(item)
        elif isinstance(item, Enum):
            item = item.value
        row[column.name] = item
    return row


def to_value(shape: type[T], row: Row[Any], **more: object) -> T:
    """The noun of a row; columns that are not its fields are left out, ``more`` is added."""
    names = {field.name for field in fields(shape)}  # type: ignore[arg-type]
    data = {name: item for name, item in row._mapping.items() if name in names}
    return codec.load(shape, {**data, **more})


def add(connection: Connection, table: Table, value: Any, **more: object) -> None:
    """Insert a noun."""
    connection.execute(insert(table).values(**to_row(table, value), **more))


def replace(connection: Connection, table: Table, value: Any, **more: object) -> None:
    """Update the row of a noun, found by its primary key."""
    row = {**to_row(table, value), **more}
    keys = [column.name for column in table.primary_key]
    statement = update(table).values({name: item for name, item in row.items() if name not in keys})
    for name in keys:
        statement = statement.where(table.c[name] == row[name])
    changed = connection.execute(statement).rowcount
    assert changed == 1, f"{table.name} {[row[name] for name in keys]} is not there"


def one(connection: Connection, table: Table, what: str, **key: object) -> Row[Any]:
    """The one row with this key.

    Raises:
        NotFound: there is none.
    """
    statement = select(table)
    for name, item in key.items():
        statement = statement.where(table.c[name] == item)
    row = connection.execute(statement).first()
    if row is None:
        named = "/".join(str(item) for item in key.values())
        raise NotFound(f"there is no {what} {named!r}", what=what, id=named)
    return row


def all_of(connection: Connection, statement: Select[*tuple[Any, ...]]) -> Sequence[Any]:
    """Every row, read at once."""
    return connection.execute(statement).fetchall()
