"""What is damaged in a SQLite database, in words: which table or index, which page. Reads only.

SQLite's own check names trees by the page at which they begin; the schema says whose they are.
"""

import re
import sqlite3
from pathlib import Path

from bruk.store.copy import look_at
from bruk.store.database import StoreDamaged

FOUND_MAX = 20
_PLACE = re.compile(r"^(Tree|Page) (\d+)")


def damage(file: Path) -> list[str]:
    """What the check of every page found; empty if it is whole.

    Raises:
        StoreDamaged: it cannot be opened at all: its header or its schema is damaged.
        StoreUnavailable: it cannot be read now.
    """
    try:
        with look_at(file) as connection:
            return _check(connection)
    except StoreDamaged as error:
        raise StoreDamaged(
            f"{file.name} cannot be opened, its header or schema is damaged: {error.message}"
        ) from error


def _check(connection: sqlite3.Connection) -> list[str]:
    names = {
        root: f"{kind} {name}"
        for kind, name, root in connection.execute(
            "SELECT type, name, rootpage FROM sqlite_master WHERE rootpage > 0"
        )
    }
    found: list[str] = []
    for row in _said(connection):
        for line in str(row).splitlines():
            if line == "ok" or line.startswith("***"):
                continue
            place = _PLACE.match(line)
            owner = names.get(int(place[2])) if place else None
            found.append(f"{owner}: {line}" if owner else line)
    return found


def _said(connection: sqlite3.Connection) -> list[str]:
    try:
        return [row[0] for row in connection.execute(f"PRAGMA integrity_check({FOUND_MAX})")]
    except sqlite3.DatabaseError as error:
        whole = str(error)
    # A check that cannot go on says nothing of where it stands; table by table it does.
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    said = []
    for table in tables:
        try:
            rows = [row[0] for row in connection.execute(f"PRAGMA integrity_check('{table}')")]
            said += [row for row in rows if row != "ok"]
        except sqlite3.DatabaseError as error:
            said.append(f"table {table} or an index of it: {error}")
    return said or [whole]
