"""The database and what is written in it: whole, chained, signed, and adding up. Read only."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bruk.cli.doctor.check import Check, Finding
from bruk.model.errors import BrukError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bruk.store.database import Connection

FILE = "bruk.sqlite3"
RESTORE = (
    "Stop Bruk, move the file away and keep it, and restore the newest backup: bruk restore FILE --home NEW. "
    "Agents and gateways hand over again what it lacks."
)


def check_database(file: Path) -> Check:
    """Whether the database is there and whole, page by page; damage is named by table."""
    if not file.exists():
        return Check("database", Finding.LACKS, f"{file.name} is not there yet", "'bruk up' makes it")
    from bruk.store.damage import damage

    try:
        found = damage(file)
    except BrukError as error:
        return Check("database", Finding.WRONG, error.message, RESTORE)
    if found:
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        return Check("database", Finding.WRONG, "; ".join(found[:3]) + more, RESTORE)
    return Check("database", Finding.OK, "readable and whole")


def check_server(home: Path) -> Check:
    """Whether the database on a server can be reached and is as it should be."""
    from bruk.assembly import databases

    try:
        address, found = databases.findings(f"@{home / 'database_url'}")
    except BrukError as error:
        return Check("database", Finding.WRONG, error.message, "'bruk database check' says more.")
    if found:
        return Check("database", Finding.WRONG, f"{address}: {'; '.join(found[:3])}", "See 'bruk database'.")
    return Check("database", Finding.OK, address)


def check_records(home: Path) -> Check:
    """Whether both chains hold together, and every receipt and invoice agrees with them."""
    from bruk.control.proof import RecordsBroken, prove
    from bruk.seal import Keyring, SealError

    try:
        with _reading(home / FILE) as connection:
            proof = prove(connection, Keyring.from_file(home / "keys" / "public.json"))
    except RecordsBroken as error:
        advice = (
            "Somebody changed the records, or the disk did. Keep the file, and compare with an export, a "
            f"receipt or an invoice that is kept elsewhere. {RESTORE}"
        )
        return Check("records", Finding.WRONG, error.message, advice)
    except (BrukError, SealError) as error:
        return Check("records", Finding.WRONG, error.message, "See the checks of the database and the keys.")
    entries = ", ".join(f"{head.seq:,} of the {head.chain}" for head in proof.heads)
    return Check("records", Finding.OK, f"verified: {entries}; {proof.documents} signed documents agree")


def check_accounts(home: Path) -> Check:
    """Whether each project's account is what the ledger adds up to."""
    from bruk.control.proof import accounts_that_differ

    try:
        with _reading(home / FILE) as connection:
            different = accounts_that_differ(connection)
    except BrukError as error:
        return Check("accounts", Finding.WRONG, error.message, "See the check of the database.")
    if different:
        project, (account, ledger) = next(iter(different.items()))
        detail = f"{project}: its account says {account / 1e6:.6f} EUR, the ledger {ledger / 1e6:.6f} EUR"
        if len(different) > 1:
            detail += f" (and {len(different) - 1} more)"
        return Check("accounts", Finding.WRONG, detail, f"The ledger is what counts. {RESTORE}")
    return Check("accounts", Finding.OK, "what projects spent is what the ledger says")


@contextmanager
def _reading(file: Path) -> "Iterator[Connection]":
    from bruk.store.database import Database

    database = Database.look(file)
    try:
        with database.read() as connection:
            yield connection
    finally:
        database.close()
