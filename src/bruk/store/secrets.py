"""Queries of projects' secrets. Values are stored only as ``control.vault`` has sealed them.

One that no key opens is *set aside*: kept as it is, under a mark, and not there for anybody until it is
opened again or set anew.
"""

from collections.abc import Collection

from sqlalchemy import Connection, delete, select, update

from bruk.model.secret import Secret
from bruk.store import rows
from bruk.store.tables import secret

# What stands before a sealed value that is set aside; no sealed value begins so.
_ASIDE = "!"


def put(connection: Connection, value: Secret, sealed: str) -> None:
    """A new secret, or a new value of one."""
    if rows.find(connection, secret, project=value.project, name=value.name) is None:
        rows.add(connection, secret, value, sealed=sealed)
    else:
        rows.replace(connection, secret, value, sealed=sealed)


def find(connection: Connection, project: str, name: str) -> Secret | None:
    """The secret of this name, without its value."""
    row = rows.find(connection, secret, project=project, name=name)
    return None if row is None or row.sealed.startswith(_ASIDE) else rows.to_value(Secret, row)


def secrets(connection: Connection, project: str | None = None) -> list[Secret]:
    """Secrets without their values, by project and name."""
    key = {} if project is None else {"project": project}
    found = rows.every(connection, secret, "project", "name", **key)
    return [rows.to_value(Secret, row) for row in found if not row.sealed.startswith(_ASIDE)]


def all_sealed(connection: Connection) -> list[tuple[str, str, str, bool]]:
    """Every secret's project, name and sealed value, and whether it is set aside."""
    return [
        (row.project, row.name, row.sealed.removeprefix(_ASIDE), row.sealed.startswith(_ASIDE))
        for row in rows.every(connection, secret, "project", "name")
    ]


def set_aside(connection: Connection, project: str, name: str, sealed: str, aside: bool) -> None:
    """Set a secret aside, or take it back."""
    connection.execute(
        update(secret)
        .where(secret.c.project == project, secret.c.name == name)
        .values(sealed=_ASIDE + sealed if aside else sealed)
    )


def sealed(connection: Connection, project: str, names: Collection[str]) -> dict[str, str]:
    """Sealed values by name; names that there are none of are left out."""
    statement = select(secret.c.name, secret.c.sealed).where(
        secret.c.project == project, secret.c.name.in_(names)
    )
    found = connection.execute(statement)
    return {row.name: row.sealed for row in found if not row.sealed.startswith(_ASIDE)}


def remove(connection: Connection, project: str, name: str) -> None:
    """Forget a secret."""
    connection.execute(delete(secret).where(secret.c.project == project, secret.c.name == name))
