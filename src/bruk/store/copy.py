"""One consistent copy of a SQLite database while others write to it, and a look at one without them.

The copy is made by SQLite's own backup, in one step under one read transaction: writers go on beside
it. Must never write to the database that it copies. Look next at ``assembly.backup``.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bruk.store.sqlite import BUSY_TIMEOUT_MS, explain

__all__ = ["copy_sqlite", "look_at"]


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy the database into a new file of mode 0600.

    Raises:
        StoreDamaged: a page of it cannot be read.
        StoreUnavailable: it cannot be opened.
        OSError: the target's disk is full.
    """
    target.touch(mode=0o600, exist_ok=False)
    with look_at(source) as from_, closing(sqlite3.connect(target)) as into:
        try:
            from_.backup(into)
        except sqlite3.Error as error:
            if "full" in str(error):  # It is the target that is written to, not the database.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target)) from error
            raise explain(error, error) from error


@contextmanager
def look_at(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read, also where the folder cannot be written.

    Raises:
        StoreDamaged: what is there is no database, or a page cannot be read.
        StoreUnavailable: it cannot be opened.
    """
    uri = f"{file.absolute().as_uri()}?mode=ro"
    wal = file.with_name(file.name + "-wal")
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
            try:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except sqlite3.OperationalError:
                # Without the right to make its index of the log beside it, a database can still be read as
                # it lies there, if nobody has left anything in that log.
                if wal.exists() and wal.stat().st_size:
                    raise
                with closing(sqlite3.connect(f"{uri}&immutable=1", uri=True)) as still:
                    still.execute("SELECT count(*) FROM sqlite_master").fetchone()
                    yield still
                    return
            yield connection
    except sqlite3.Error as error:
        raise explain(error, error) from error
