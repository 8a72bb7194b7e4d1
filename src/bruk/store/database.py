"""Opening the database, and its two kinds of transaction.

``read`` sees one consistent state; ``write`` is the only way to change anything, one at a time.
A write that raises leaves everything as it was. The database refuses to change or delete ledger
and audit entries, whatever this code may try.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import StaticPool

from bruk.model.errors import BrukError, ErrorKind

__all__ = ["Connection", "Database", "StoreDamaged", "StoreUnavailable"]

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 10_000


class StoreUnavailable(BrukError):
    """The database cannot be read or written now: disk full, locked, read-only, away."""

    code = "store_unavailable"
    kind = ErrorKind.UNAVAILABLE


class StoreDamaged(BrukError):
    """The database's own check says that its file is damaged."""

    code = "store_damaged"
    kind = ErrorKind.INTERNAL


class Database:
    """One database. Thread-safe: readers run beside the one writer (WAL mode on SQLite)."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writing = threading.Lock()

    @classmethod
    def open(cls, url: str) -> "Database":
        """Open ``sqlite:///PATH``, ``sqlite://`` (memory) or a PostgreSQL URL; nothing is created
        or migrated (see ``migrate``)."""
        if url == "sqlite://":
            engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        elif url.startswith("sqlite"):
            engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
        else:
            engine = create_engine(url, pool_pre_ping=True)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return cls(engine)

    def migrate(self) -> None:
        """Bring the schema to the newest version; does nothing when it is there already."""
        with self._writing, _explained():
            command.upgrade(self._alembic(), "head")

    def schema_versions(self) -> tuple[str | None, str | None]:
        """The schema's version in the database and the newest one known here."""
        with _explained(), self.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        return current, ScriptDirectory.from_config(self._alembic()).get_current_head()

    def _alembic(self) -> Config:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["engine"] = self.engine
        return config

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view. Nothing may be written through it."""
        with _explained(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The one writing transaction; committed when the block ends, else rolled back."""
        with self._writing, _explained(), self.engine.connect() as connection:
            connection.info["writes"] = True
            try:
                with connection.begin():
                    yield connection
            finally:
                connection.info["writes"] = False

    def check(self) -> None:
        """Ask the database whether its file is sound.

        Raises:
            StoreDamaged: it is not; the message carries what the database said.
        """
        if self.engine.dialect.name != "sqlite":
            return
        with self.read() as connection:
            said = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check")]
        if said != ["ok"]:
            raise StoreDamaged(
                f"the database is damaged ({said[0]}); stop Bruk and restore the newest backup", said=said[:5]
            )

    def close(self) -> None:
        """Give up every connection."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling is turned off: ``_begin_sqlite`` opens them itself.
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


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once, so that it never fails half-way through with "locked".
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("writes") else "BEGIN")


_ADVICE = {
    "full": "the disk is full; free space, then try again",
    "readonly": "the database is read-only; check the owner and mode of Bruk's home",
    "locked": "another process holds the database; stop it, then try again",
    "unable to open": "the database file cannot be opened; does Bruk's home exist, and is it yours?",
    "disk I/O error": "the disk refuses; look at the machine's log, then try again",
}
_DAMAGED = ("malformed", "not a database")


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the driver's errors about the disk and the connection into one that says what to do."""
    try:
        yield
    except DatabaseError as error:
        said = str(error.orig)
        if any(word in said for word in _DAMAGED):
            raise StoreDamaged(
                f"the database is damaged ({said}); stop Bruk, run 'bruk doctor', restore the newest backup"
            ) from error
        if not isinstance(error, OperationalError):
            raise
        hint = next((text for word, text in _ADVICE.items() if word in said), "see 'bruk doctor'")
        raise StoreUnavailable(f"the database could not be used ({said}): {hint}") from error
