"""SQLite: how a file is opened, what may be done through it, and what its errors mean.

Outside of a migration a connection refuses to change the schema, to attach other files, and to change or
delete records, whatever statement is tried. Look next at ``database``.
"""

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool, StaticPool

from bruk.model.clock import Clock
from bruk.store.faults import StoreDamaged, StoreUnavailable
from bruk.store.tables import APPEND_ONLY

BUSY_TIMEOUT_MS = 10_000
PROGRESS_STEPS = 10_000

ADVICE = {
    "full": "the disk is full; free space, then try again",
    "readonly": "the database is read-only; check the owner and mode of Bruk's home",
    "locked": "another process holds the database; stop it, then try again",
    "unable to open": "the database file cannot be opened; does Bruk's home exist, and is it yours?",
    "disk I/O error": "the disk refuses; look at the machine's log, then try again",
}
DAMAGED = ("malformed", "not a database")

# What an application never does; migrations lift the guard. Numbers as sqlite3.h has them.
_SCHEMA = {
    getattr(sqlite3, f"SQLITE_{verb}")
    for verb in (
        *("ALTER_TABLE", "ATTACH", "DETACH", "CREATE_INDEX", "CREATE_TABLE", "CREATE_TRIGGER", "CREATE_VIEW"),
        *("CREATE_VTABLE", "DROP_INDEX", "DROP_TABLE", "DROP_TRIGGER", "DROP_VIEW", "DROP_VTABLE", "REINDEX"),
        *("CREATE_TEMP_INDEX", "CREATE_TEMP_TABLE", "CREATE_TEMP_TRIGGER", "CREATE_TEMP_VIEW"),
        *("DROP_TEMP_INDEX", "DROP_TEMP_TABLE", "DROP_TEMP_TRIGGER", "DROP_TEMP_VIEW"),
    )
}
_PRAGMAS = {
    *("integrity_check", "quick_check", "foreign_key_check", "wal_checkpoint", "page_count", "data_version"),
    *("table_info", "table_xinfo", "index_list", "index_info", "index_xinfo", "foreign_key_list"),
    *("user_version", "freelist_count", "page_size", "encoding", "max_page_count"),
    *("synchronous", "busy_timeout", "defer_foreign_keys"),
}


def engine(url: str) -> Engine:
    """An engine on ``sqlite:///PATH``, or on ``sqlite://`` in memory."""
    if url == "sqlite://":
        made = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        made = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(made, "connect", _prepare)
    event.listen(made, "begin", _begin)
    return made


def looking_engine(file: Path) -> Engine:
    """An engine that can only read, and writes nothing beside the file either."""

    def connect() -> sqlite3.Connection:
        uri = f"{file.absolute().as_uri()}?mode=ro"
        wal = file.with_name(file.name + "-wal")
        if not os.access(file.parent, os.W_OK) and not (wal.exists() and wal.stat().st_size):
            uri += "&immutable=1"  # It could not make its index of the log, and needs none.
        return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_MS / 1000, check_same_thread=False)

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def lift_guard(connection: Connection) -> None:
    """Let this connection change the schema: for a migration alone."""
    _driver(connection).set_authorizer(None)


def set_guard(connection: Connection) -> None:
    """Let this connection change rows only."""
    _driver(connection).set_authorizer(_allowed)


def damage(connection: Connection) -> list[str]:
    """What SQLite's own check finds; nothing when the file is sound."""
    said = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
    return [] if said == ["ok"] else said


def quick_damage(connection: Connection, patience_ms: int, clock: Clock) -> list[str]:
    """As ``damage``, but only what is quick, and for so long at most [ms]; then it has found nothing."""
    driver, ends_ms = _driver(connection), clock.monotonic_ms() + patience_ms
    driver.set_progress_handler(lambda: clock.monotonic_ms() > ends_ms, PROGRESS_STEPS)
    try:
        said = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check")]
    except OperationalError as error:
        if "interrupted" not in str(error.orig):
            raise
        return []
    finally:
        driver.set_progress_handler(None, 0)
    return [] if said == ["ok"] else said


def explain(said: object, error: Exception) -> Exception:
    """What the driver said as an error of Bruk's; ``error`` itself where it is about something else."""
    words = str(said)
    if any(word in words for word in DAMAGED):
        return StoreDamaged(
            f"the database is damaged ({words}); stop Bruk, run 'bruk doctor', restore the newest backup"
        )
    if not isinstance(error, OperationalError | sqlite3.OperationalError):
        return error
    hint = next((advice for word, advice in ADVICE.items() if word in words), "see 'bruk doctor'")
    return StoreUnavailable(f"the database could not be used ({words}): {hint}")


def _driver(connection: Connection) -> sqlite3.Connection:
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def _allowed(action: int, first: str | None, _second: str | None, *_rest: object) -> int:
    if action in _SCHEMA:
        return sqlite3.SQLITE_DENY
    if action in (sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE) and first in APPEND_ONLY:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and first not in _PRAGMAS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _prepare(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling is turned off: ``_begin`` opens them itself.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "trusted_schema=OFF",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    connection.set_authorizer(_allowed)


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once, so that it never fails half-way through with "locked".
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("writes") else "BEGIN")
