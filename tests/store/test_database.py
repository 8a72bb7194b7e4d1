"""Transactions, and what is said on days when the disk does not do its part."""

import contextlib
import os
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import event

from bruk.store import counters, records
from bruk.store import sqlite as sqlite_module
from bruk.store.database import Database, StoreDamaged, StoreUnavailable

from .rows import audit_entry, owners


def _path(database: Database) -> Path:
    return Path(str(database.engine.url.database))


def test_a_write_that_raises_leaves_nothing(database: Database) -> None:
    def write_half() -> None:
        with database.write() as connection:
            owners(connection)
            records.append_audit(connection, audit_entry())
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        write_half()
    with database.read() as connection:
        assert records.head(connection, records.AUDIT).seq == 0
        assert connection.exec_driver_sql("SELECT count(*) FROM tenant").scalar() == 0


def test_what_is_written_through_a_read_is_not_kept(database: Database) -> None:
    with contextlib.suppress(StoreUnavailable), database.read() as connection:
        counters.raise_(connection, "sneaked")
    with database.read() as connection:
        assert counters.value(connection, "sneaked") == 0


def test_a_reader_sees_one_state_beside_a_writer(database: Database) -> None:
    with database.write() as connection:
        counters.raise_(connection, "n")
    with database.read() as reader:
        assert counters.value(reader, "n") == 1
        with database.write() as writer:
            counters.raise_(writer, "n")
            assert counters.value(reader, "n") == 1
        assert counters.value(reader, "n") == 1
    with database.read() as reader:
        assert counters.value(reader, "n") == 2


def test_more_readers_than_connections_are_told_to_wait(database: Database) -> None:
    database.engine.pool._timeout = 0.01  # type: ignore[attr-defined]
    with contextlib.ExitStack() as readers:
        for _ in range(15):
            readers.enter_context(database.read())
        with pytest.raises(StoreUnavailable, match="busy"):
            readers.enter_context(database.read())
    with database.read() as connection:
        assert counters.value(connection, "n") == 0


def test_two_threads_write_one_after_the_other(database: Database) -> None:
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(15):
                with database.write() as connection:
                    counters.raise_(connection, "n")
                    records.append_audit(connection, audit_entry())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as connection:
        assert counters.value(connection, "n") == 45
        assert [item.seq for item in records.audit_entries(connection)] == list(range(1, 46))


def test_two_processes_wait_for_each_other(on_sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "BUSY_TIMEOUT_MS", 50)
    other = Database.open(str(on_sqlite.engine.url))
    with on_sqlite.write() as connection:
        counters.raise_(connection, "n")
        with pytest.raises(StoreUnavailable, match="another process holds the database"), other.write():
            pass
    with other.write() as connection:
        assert counters.raise_(connection, "n") == 2
    other.close()


def test_a_full_disk_is_said_and_nothing_is_lost(on_sqlite: Database) -> None:
    @event.listens_for(on_sqlite.engine, "connect")
    def _small(raw: sqlite3.Connection, _record: object) -> None:
        pages = raw.execute("PRAGMA page_count").fetchone()[0]
        raw.execute(f"PRAGMA max_page_count={pages + 2}")

    def write_much() -> None:
        with on_sqlite.write() as connection:
            owners(connection)
            for number in range(2000):
                records.append_audit(connection, audit_entry(text="x" * 200, number=number))

    with pytest.raises(StoreUnavailable, match="free space, then try again"):
        write_much()
    with on_sqlite.write() as connection:
        assert records.append_audit(connection, audit_entry()).seq == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write what is read-only")
def test_a_read_only_file_is_said(on_sqlite: Database) -> None:
    _path(on_sqlite).chmod(0o400)
    with pytest.raises(StoreUnavailable, match="owner and mode"), on_sqlite.write() as connection:
        counters.raise_(connection, "n")


def test_a_database_opened_to_read_is_said_to_be_read_only(on_sqlite: Database) -> None:
    reader = Database.open(f"sqlite:///file:{_path(on_sqlite)}?mode=ro&uri=true")
    with pytest.raises(StoreUnavailable, match="owner and mode"), reader.write() as connection:
        counters.raise_(connection, "n")
    reader.close()


def test_a_home_that_is_not_there_is_said(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/nowhere/bruk.sqlite3")
    with pytest.raises(StoreUnavailable, match="does Bruk's home exist"):
        database.migrate()
    with pytest.raises(StoreUnavailable, match="does Bruk's home exist"):
        database.schema_versions()


def test_a_file_of_something_else_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "bruk.sqlite3"
    path.write_bytes(b"This is a text about Borlange. " * 400)
    database = Database.open(f"sqlite:///{path}")
    with pytest.raises(StoreDamaged, match="newest backup"):
        database.migrate()
    assert path.read_bytes().startswith(b"This is a text")


def test_damage_inside_is_found(on_sqlite: Database) -> None:
    with on_sqlite.write() as connection:
        owners(connection)
        for number in range(300):
            records.append_audit(connection, audit_entry(text="x" * 300, number=number))
        connection.exec_driver_sql("SELECT 1")
    on_sqlite.check()
    with on_sqlite.read() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    on_sqlite.close()
    path = _path(on_sqlite)
    content = bytearray(path.read_bytes())
    size = len(content)
    content[size // 2 : size // 2 + 20_000] = os.urandom(20_000)
    path.write_bytes(bytes(content))
    with pytest.raises(StoreDamaged, match="backup"):
        on_sqlite.check()


def test_a_sound_database_passes_its_check(database: Database) -> None:
    database.check()
    assert database.schema_versions()[0] == database.schema_versions()[1]
