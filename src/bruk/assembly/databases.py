"""The store's place: which database a home uses, and what its owner does to it beforehand."""

from pathlib import Path

from bruk.assembly.home import Home, read_secret, write_secret
from bruk.model.errors import Conflict
from bruk.store.database import Database


def address(given: str) -> str:
    """A database's address as it was given: itself, or ``@FILE`` that holds it.

    Raises:
        InvalidInput: the file cannot be read.
    """
    return read_secret(Path(given[1:]).expanduser(), "database's address") if given.startswith("@") else given


def open_database(home: Home, given: str = "") -> Database:
    """The database of a home, which is made already, or the one that is given; see ``remember_database``.

    Raises:
        Conflict: the home keeps its store in a file, and nothing carries that over.
        DatabaseUnfit: the address cannot be read, or its driver is missing.
    """
    if not given:
        return Database.open(home.database_url)
    url = address(given)
    database = Database.open(url)
    if not database.is_sqlite and home.database_file.exists():
        raise Conflict(
            f"{home.path} keeps its store in {home.database_file.name}, and nothing carries that over to "
            "a server: give another --home with --database"
        )
    return database


def remember_database(home: Home, database: Database) -> None:
    """Let the home know its server, once that was reached and is fit."""
    if not database.is_sqlite:
        url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        write_secret(home.server_file, url)


def migrate(given: str, grant_to: str = "") -> tuple[str | None, str | None]:
    """Bring a database's schema to the newest version, as its owner, and let control's role use it.

    Returns:
        The schema's version before and after.

    Raises:
        BrukError: it cannot be; the message says what to do.
    """
    database = Database.open(address(given))
    try:
        before, _ = database.schema_versions()
        database.migrate()
        if grant_to:
            database.grant(grant_to)
        return before, database.schema_versions()[0]
    finally:
        database.close()


def findings(given: str) -> tuple[str, list[str]]:
    """Where a database is, without a password, and what is not as it should be there.

    Raises:
        BrukError: it cannot be reached.
    """
    database = Database.open(address(given))
    try:
        return database.address, database.findings()
    finally:
        database.close()
