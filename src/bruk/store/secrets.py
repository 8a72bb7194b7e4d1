"""Queries of projects' secrets. Values are stored only as ``control.vault`` has sealed them."""

from collections.abc import Collection

from sqlalchemy import Connection, delete, select

from bruk.model.secret import Secret
from bruk.store import rows
from bruk.store.tables import secret


def put(connection: Connection, value: Secret, sealed: str) -> None:
    """A new secret, or a new value of one."""
    if find(connection, value.project, value.name) is None:
        rows.add(connection, secret, value, sealed=sealed)
    else:
        rows.replace(connection, secret, value, sealed=sealed)


def find(connection: Connection, project: str, name: str) -> Secret | None:
    """The secret of this name, without its value."""
    row = rows.find(connection, secret, project=project, name=name)
    return None if row is None else rows.to_value(Secret, row)


def secrets(connection: Connection, project: str | None = None) -> list[Secret]:
    """Secrets without their values, by project and name."""
    key = {} if project is None else {"project": project}
    return [rows.to_value(Secret, row) for row in rows.every(connection, secret, "project", "name", **key)]


def sealed(connection: Connection, project: str, names: Collection[str]) -> dict[str, str]:
    """Sealed values by name; names that there are none of are left out."""
    statement = select(secret.c.name, secret.c.sealed).where(
        secret.c.project == project, secret.c.name.in_(names)
    )
    return {row.name: row.sealed for row in connection.execute(statement)}


def remove(connection: Connection, project: str, name: str) -> None:
    """Forget a secret."""
    connection.execute(delete(secret).where(secret.c.project == project, secret.c.name == name))
