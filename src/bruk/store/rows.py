"""Between rows and nouns: one generic way for every table whose columns bear the noun's names."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from enum import Enum
from functools import cache, lru_cache
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Insert,
    Row,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    insert,
    select,
    type_coerce,
    update,
)

from bruk.model.errors import NotFound
from bruk.model.jsontext import parse_json
from bruk.store.values import ValueRefused
from bruk.wire import codec

T = TypeVar("T")
# Every database binds so many values in one statement (SQLite before 3.32 no more than 999).
IDS_A_STATEMENT = 900
NOUNS_KEPT = 8192


def to_row(table: Table, value: Any) -> dict[str, Any]:
    """The columns of ``table`` that are fields of ``value``."""
    shape: Any = type(value)
    names = _names(shape)
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
    noun: Any = shape
    names = _names(noun)
    data = {name: item for name, item in zip(row._fields, row, strict=True) if name in names}
    return codec.load(shape, {**data, **more})


def kept(shape: type[T], found: Sequence[Row[Any]], *texts: str) -> list[T]:
    """The nouns of rows that control reads again and again: of the same row, the same noun.

    Args:
        texts: the noun's JSON columns, selected as text (``columns_of``); a row with JSON that was read
            is no key of a cache, and its noun is made each time.
    """
    if not found:
        return []
    noun: Any = shape
    fields = found[0]._fields
    made = []
    for row in found:
        try:
            made.append(_kept(noun, fields, tuple(row), texts))
        except TypeError:
            made.append(to_value(noun, row))
    return made


@lru_cache(maxsize=NOUNS_KEPT)
def _kept(shape: Any, fields: tuple[str, ...], values: tuple[Any, ...], texts: tuple[str, ...]) -> Any:
    names = _names(shape)
    data = {name: item for name, item in zip(fields, values, strict=True) if name in names}
    data |= {name: parse_json(data[name]) for name in texts if data[name] is not None}
    return codec.load(shape, data)


def columns_of(table: Table, but: str = "") -> list[ColumnElement[Any]]:
    """A table's columns, all but one, JSON as the text that SQLite keeps; PostgreSQL's driver reads it
    all the same."""
    return [
        type_coerce(column, Text()).label(column.name) if isinstance(column.type, JSON) else column
        for column in table.columns
        if column.name != but
    ]


def read(said: Any) -> Any:
    """The JSON of such a column."""
    return parse_json(said) if isinstance(said, str) else said


@cache
def _names(shape: Any) -> frozenset[str]:
    return frozenset(field.name for field in fields(shape))


@cache
def _insert(table: Table) -> Insert:
    return insert(table)


@cache
def _update(table: Table) -> Update:
    """By primary key: parameters ``key_NAME`` say which row, those of columns what becomes of it."""
    statement = update(table)
    for column in table.primary_key:
        statement = statement.where(column == bindparam(f"key_{column.name}", type_=column.type))
    return statement


@cache
def _texts(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if isinstance(column.type, JSON))


@cache
def _select(
    table: Table, names: tuple[str, ...], order: tuple[str, ...], texts: tuple[str, ...] = ()
) -> Select[*tuple[Any, ...]]:
    columns = columns_of(table) if texts else table.columns
    statement = select(*columns).order_by(*(table.c[name] for name in order))
    for name in names:
        statement = statement.where(table.c[name] == bindparam(name, type_=table.c[name].type))
    return statement


def add(connection: Connection, table: Table, value: Any, **more: object) -> None:
    """Insert a noun."""
    connection.execute(_insert(table), {**to_row(table, value), **more})


def replace(connection: Connection, table: Table, value: Any, **more: object) -> None:
    """Update the row of a noun, found by its primary key."""
    row = {**to_row(table, value), **more}
    keys = {f"key_{column.name}": row.pop(column.name) for column in table.primary_key}
    changed = connection.execute(_update(table), {**row, **keys}).rowcount
    assert changed == 1, f"{table.name} {list(keys.values())} is not there"


def put(connection: Connection, table: Table, value: Any) -> None:
    """Write a noun, new or known, by its primary key."""
    row = to_row(table, value)
    keys = {f"key_{column.name}": row[column.name] for column in table.primary_key}
    rest = {name: item for name, item in row.items() if f"key_{name}" not in keys}
    if connection.execute(_update(table), {**rest, **keys}).rowcount == 0:
        connection.execute(_insert(table), row)


def one(connection: Connection, table: Table, what: str, **key: object) -> Row[Any]:
    """The one row with this key.

    Raises:
        NotFound: there is none.
    """
    row = find(connection, table, **key)
    if row is None:
        raise _not_found(what, key)
    return row


def find(connection: Connection, table: Table, **key: object) -> Row[Any] | None:
    """The one row with this key, or None."""
    return first(connection, _select(table, tuple(key), ()), **key)


def first(connection: Connection, statement: Select[*tuple[Any, ...]], **values: object) -> Row[Any] | None:
    """The first row, or None; what no row can hold is not there."""
    try:
        return connection.execute(statement, values).first()
    except ValueRefused:
        return None


def all_of(connection: Connection, statement: Select[*tuple[Any, ...]], **values: object) -> Sequence[Any]:
    """Every row, read at once; ``values`` are those of the statement's parameters."""
    return connection.execute(statement, values).fetchall()


def every(connection: Connection, table: Table, *order: str, **key: object) -> Sequence[Any]:
    """Every row (with this key) in the order of these columns, read at once.

    The statement is made once, which costs more than its execution.
    """
    return all_of(connection, _select(table, tuple(key), order), **key)


def nouns(connection: Connection, shape: type[T], table: Table, *order: str, **key: object) -> list[T]:
    """The noun of every row (with this key) in the order of these columns; see ``kept``."""
    texts = _texts(table)
    return kept(shape, all_of(connection, _select(table, tuple(key), order, texts), **key), *texts)


def noun(connection: Connection, shape: type[T], table: Table, what: str, **key: object) -> T:
    """The noun of the one row with this key; see ``kept``.

    Raises:
        NotFound: there is none.
    """
    texts = _texts(table)
    row = first(connection, _select(table, tuple(key), (), texts), **key)
    if row is None:
        raise _not_found(what, key)
    return kept(shape, [row], *texts)[0]


def _not_found(what: str, key: dict[str, object]) -> NotFound:
    named = "/".join(str(item) for item in key.values())
    return NotFound(f"there is no {what} {named!r}", what=what, id=named)


def among(
    connection: Connection, statement: Select[*tuple[Any, ...]], column: Any, ids: Collection[str]
) -> set[str]:
    """What the statement, which selects this column alone, finds of these identifiers."""
    found: set[str] = set()
    wanted = sorted(ids)
    for start in range(0, len(wanted), IDS_A_STATEMENT):
        some = statement.where(column.in_(wanted[start : start + IDS_A_STATEMENT]))
        found.update(connection.execute(some).scalars())
    return found
