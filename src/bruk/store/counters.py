"""Numbers that only rise, and the platform's settings."""

from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from bruk.store.tables import counter, setting

_VALUE = select(counter.c.value).where(counter.c.name == bindparam("of"))
_RAISE = update(counter).where(counter.c.name == bindparam("of"))
_SETTING = select(setting.c.value).where(setting.c.name == bindparam("of"))


def value(connection: Connection, name: str) -> int:
    """The counter's value; 0 when it was never raised."""
    found = connection.execute(_VALUE, {"of": name}).scalar()
    return int(found or 0)


def raise_(connection: Connection, name: str, by: int = 1) -> int:
    """Raise the counter and return its new value."""
    assert by > 0
    after = value(connection, name) + by
    if connection.execute(_RAISE, {"of": name, "value": after}).rowcount == 0:
        connection.execute(insert(counter).values(name=name, value=after))
    return after


def raise_all(connection: Connection, prefix: str, by: int) -> None:
    """Raise every counter whose name begins so."""
    known = connection.execute(
        select(counter.c.name).where(counter.c.name.startswith(prefix, autoescape=True))
    )
    for name in list(known.scalars()):
        raise_(connection, name, by)


def setting_of(connection: Connection, name: str) -> Any:
    """A setting's JSON value, or None."""
    return connection.execute(_SETTING, {"of": name}).scalar()


def set_setting(connection: Connection, name: str, content: Any) -> None:
    """Write a setting."""
    if connection.execute(update(setting).where(setting.c.name == name).values(value=content)).rowcount == 0:
        connection.execute(insert(setting).values(name=name, value=content))
