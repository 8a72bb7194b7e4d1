"""Opening the database, and its two kinds of transaction.

``read`` sees one consistent state; ``write`` is the only way to change anything, one at a time.
A write that raises leaves everything as it was. The database refuses to change or delete ledger
and audit entries, whatever this code may try. What is peculiar to one of the two databases stands
in ``sqlite`` and ``postgresql``.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bruk.model.clock import Clock
from bruk.store import counters, postgresql, sqlite
from bruk.store.faults import DatabaseInUse, DatabaseUnfit, SchemaOutdated, StoreDamaged, StoreUnavailable

__all__ = ["Connection", "Database", "StoreDamaged", "StoreUnavailable"]

MIGRATIONS = Path(__file__).parent / "migrations"
_TERM = "control_term"


class Database:
    """One database. Thread-safe: readers run beside the one writer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._writing = threading.Lock()
        self._term: int | None = None
        self._session: Connection | None = None

    @classmethod
    def open(cls, url: str) -> "Database":
        """Open ``sqlite:///PATH``, ``sqlite://`` (memory) or ``postgresql://…``; nothing is connected,
        created or migrated (see ``migrate``).

        Raises:
            DatabaseUnfit: the address cannot be read, or PostgreSQL's driver is not installed.
        """
        return cls(sqlite.engine(url) if url.startswith("sqlite") else postgresql.engine(url))

    @property
    def address(self) -> str:
        """Where it is, without any password."""
        url = self.engine.url
        hidden = url.difference_update_query([name for name in url.query if name not in postgresql.SHOWN])
        return hidden.render_as_string(hide_password=True)

    @classmethod
    def look(cls, file: Path) -> "Database":
        """A SQLite file to read only: nothing is written beside it either, also while Bruk runs."""
        return cls(sqlite.looking_engine(file))

    def migrate(self) -> None:
        """Bring the schema to the newest version; does nothing when it is there already.

        Raises:
            DatabaseUnfit: the server is too old, or the database sorts or is encoded in another way.
            SchemaOutdated: it is of another version, and this role may not change it.
        """
        current, newest = self.schema_versions()
        if current == newest:
            return
        with self._writing, _explained():
            if not self.is_sqlite:
                self._require_fit()
            try:
                command.upgrade(self._alembic(), "head")
            except ProgrammingError as error:
                if getattr(error.orig, "sqlstate", "") != "42501":
                    raise
                raise SchemaOutdated(
                    f"the schema has version {current or 'none'} and needs {newest}, and this role may not "
                    "change it: run 'bruk database migrate' as the owner, then start again"
                ) from None

    def _require_fit(self) -> None:
        with self.engine.connect() as connection:
            wrong = postgresql.unfit(connection)
        if wrong:
            raise DatabaseUnfit(wrong)

    def schema_versions(self) -> tuple[str | None, str | None]:
        """The schema's version in the database and the newest one known here."""
        with _explained(), self.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        return current, ScriptDirectory.from_config(self._alembic()).get_current_head()

    def known_schema(self) -> bool:
        """Whether this version knows the database's schema; a newer one's it does not."""
        current, _ = self.schema_versions()
        script = ScriptDirectory.from_config(self._alembic())
        return current is None or current in {found.revision for found in script.walk_revisions()}

    def _alembic(self) -> Config:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["engine"] = self.engine
        return config

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view. Nothing may be written through it."""
        with _explained(), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The one writing transaction; committed when the block ends, else rolled back.

        Raises:
            DatabaseInUse: another control has taken the database over since.
        """
        with self._writing, _explained(), self.engine.connect() as connection:
            connection.info["writes"] = True
            try:
                with connection.begin():
                    if not self.is_sqlite:
                        postgresql.become_writer(connection)
                        self._require_term(connection)
                    yield connection
            finally:
                connection.info["writes"] = False

    @contextmanager
    def controlled(self) -> Iterator[None]:
        """Be the one control of this database until the block ends, with the newest schema.

        A file is guarded by its home. On a server a session holds a lock; should it break, another
        control may take over, and raises the term. From then on nothing is written here any more.

        Raises:
            DatabaseInUse: another control works on it.
            DatabaseUnfit, SchemaOutdated: see ``migrate``.
        """
        if self.is_sqlite:
            self.migrate()
            yield
            return
        try:
            self._take_control()
            self.migrate()
            with self.write() as connection:
                self._term = counters.raise_(connection, _TERM)
            yield
        finally:
            self._term = None
            self._let_go()

    def keep_control(self) -> None:
        """Take the lock again if the session that held it broke; called now and then by whoever has it.

        Raises:
            DatabaseInUse: another control was faster.
            StoreUnavailable: the server is away.
        """
        if self._term is None:
            return
        try:
            alive = self._session is not None and self._session.exec_driver_sql("SELECT 1")
        except DBAPIError:
            alive = False
        if not alive:
            self._take_control()

    def _take_control(self) -> None:
        self._let_go()
        with _explained():
            session = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._session = session
            if not postgresql.take_control(session):
                raise DatabaseInUse(
                    f"another control works on {self.address}; stop it first, or give another --database"
                )

    def _let_go(self) -> None:
        if self._session is not None:
            # Only the end of the session itself gives its lock up, so it does not go back to the pool.
            self._session.invalidate()
            self._session.close()
        self._session = None

    def _require_term(self, connection: Connection) -> None:
        if self._term is not None and counters.value(connection, _TERM) != self._term:
            raise DatabaseInUse("another control has taken this database over; end this one")

    def grant(self, role: str) -> None:
        """Give a role of PostgreSQL what control needs; call it as the owner.

        Raises:
            DatabaseUnfit: it is SQLite, which has no roles, or the role cannot be control's.
        """
        if self.is_sqlite:
            raise DatabaseUnfit("SQLite has no roles; leave --grant-to out")
        with self.write() as connection:
            postgresql.grant(connection, role)

    def findings(self) -> list[str]:
        """What is not as it should be with the database or with this role; nothing where all is well."""
        current, newest = self.schema_versions()
        found = (
            [] if current == newest else [f"its schema has version {current or 'none'}, and needs {newest}"]
        )
        with self.read() as connection:
            if self.is_sqlite:
                return [*sqlite.damage(connection), *found]
            wrong = postgresql.unfit(connection)
            found += [wrong] if wrong else []
            return found if current is None else [*found, *postgresql.excess(connection)]

    def check(self, *, patience_ms: int | None = None, clock: Clock | None = None) -> None:
        """Ask the database whether its file is sound; a server sees to its files itself.

        Args:
            patience_ms, clock: ask only what is quick (every page, but not whether each index has every
                row), and give up asking after so long [ms]; what was looked at until then is sound.

        Raises:
            StoreDamaged: it is not; the message carries what the database said.
        """
        if not self.is_sqlite:
            return
        with self.read() as connection:
            if clock is None:
                said = sqlite.damage(connection)
            else:
                said = sqlite.quick_damage(connection, patience_ms or 0, clock)
        if said:
            raise StoreDamaged(
                f"the database is damaged ({said[0]}): run 'bruk doctor', restore the newest backup",
                said=said[:5],
            )

    def close(self) -> None:
        """Give up every connection."""
        self.engine.dispose()


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the driver's errors about the disk and the connection into one that says what to do."""
    try:
        yield
    except PoolTimeout:
        raise StoreUnavailable("every connection to the database is busy; try again in a while") from None
    except DBAPIError as error:
        told = sqlite.explain(error.orig, error) if _is_sqlites(error) else _of_server(error)
        if told is error:
            raise
        raise told from error


def _is_sqlites(error: DBAPIError) -> bool:
    return "sqlite3" in type(error.orig).__module__


def _of_server(error: DBAPIError) -> Exception:
    advice = postgresql.advice(error)
    if not advice:
        return error
    said = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    return StoreUnavailable(f"the database could not be used ({said}): {advice}")
