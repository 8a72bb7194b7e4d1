"""The schema: migrations make what ``tables`` says, and the database itself keeps its rules."""

import sqlite3
from contextlib import closing

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from bruk.store import people, records
from bruk.store.database import Database
from bruk.store.tables import APPEND_ONLY, metadata

from .rows import audit_entry, entry, owners

WORKLOAD = {
    "id": "job_1",
    "name": "train",
    "project": "acme/lab",
    "kind": "job",
    "spec": "{}",
    "created_at_ms": 1,
    "created_by": "user_1",
    "priority": 50,
    "wanted": "run",
    "outcome": "open",
    "outcome_detail": "",
    "ended_at_ms": None,
    "not_before_ms": 0,
    "failures": 0,
}
RUN = {
    "id": "run_1",
    "workload": "job_1",
    "project": "acme/lab",
    "site": "essonne",
    "attempt": 1,
    "placement": "[]",
    "accelerator": "h100-sxm",
    "created_at_ms": 1,
    "generation": 1,
    "wanted": "start",
    "stop_reason": None,
    "observed": "running",
    "exit_code": None,
    "detail": "",
    "ended_at_ms": None,
    "address": "",
    "ready": False,
    "software": "",
    "settled": False,
    "replica_key": "",
    "interrupted": False,
    "carry": "{}",
}
HOLD = {
    "id": "hold_1",
    "scope": "site",
    "target": "essonne",
    "generation": 1,
    "raised_by": "user_1",
    "raised_at_ms": 1,
    "reason": "",
    "released_by": None,
    "released_at_ms": None,
    "released_generation": None,
}
RECEIPT = {
    "id": "rcpt_1",
    "hold": "hold_1",
    "action": "off",
    "generation": 1,
    "created_at_ms": 1,
    "complete": False,
    "baseline": "{}",
    "document": None,
}

USER = {"id": "user_1", "name": "Ada", "role": "operator", "disabled": False, "created_at_ms": 1}
CREDENTIAL = {
    "secret_hash": "0" * 64,
    "id": "cred_1",
    "kind": "token",
    "user_id": "user_1",
    "source": "login link",
    "created_at_ms": 1,
    "expires_at_ms": 2,
    "used": False,
}
API_KEY = {
    "id": "key_1",
    "project": "acme/lab",
    "name": "",
    "prefix": "bk_",
    "secret_hash": "0" * 64,
    "created_at_ms": 1,
    "disabled": False,
}
SIGNING_KEY = {"number": 1, "public_key": "ed25519:a", "from_ms": 5}


def _insert(database: Database, table: str, row: dict[str, object]) -> None:
    with database.write() as connection:
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)


@pytest.fixture
def filled(database: Database) -> Database:
    with database.write() as connection:
        owners(connection)
    _insert(database, "workload", WORKLOAD)
    _insert(database, "hold", HOLD)
    _insert(database, "user_account", USER)
    _insert(database, "credential", CREDENTIAL)
    _insert(database, "api_key", API_KEY)
    _insert(database, "signing_key", SIGNING_KEY)
    return database


def test_migrations_make_exactly_what_the_tables_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_checks_of_the_tables_are_in_the_database(on_sqlite: Database) -> None:
    """Alembic does not compare CHECK constraints, so they are compared here by name."""
    with on_sqlite.read() as connection:
        made = " ".join(
            row[0]
            for row in connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        )
    for table in metadata.tables.values():
        columns = [item for column in table.columns for item in column.constraints]
        for constraint in [*table.constraints, *columns]:
            if type(constraint).__name__ == "CheckConstraint":
                name = str(constraint.name)
                text = str(getattr(constraint, "sqltext", ""))
                full = name if name.startswith("ck_") else f"ck_{table.name}_{name}"
                assert full in made, full
                assert text in made, f"{full} is {text} in the tables and something else in the database"


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.write() as connection:
        owners(connection)
    database.migrate()
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT name FROM tenant").fetchall() == [("acme",)]


def test_credentials_of_an_earlier_version_get_names_and_work_on() -> None:
    database = Database.open("sqlite://")
    command.upgrade(database._alembic(), "0002")
    _insert(database, "user_account", USER)
    for number, kind in enumerate(("login", "session", "token")):
        _insert(
            database,
            "credential",
            {
                "secret_hash": str(number) * 64,
                "kind": kind,
                "user_id": "user_1",
                "created_at_ms": 1,
                "expires_at_ms": 10**13,
                "used": False,
            },
        )
    database.migrate()
    with database.read() as connection:
        found = people.credentials(connection, "user_1")
    assert {item.kind for item in found} == {"login", "session", "token"}
    assert len({item.id for item in found}) == 3
    assert {item.source for item in found} == {"an earlier version"}
    assert {item.secret_hash for item in found} == {"0" * 64, "1" * 64, "2" * 64}


CHANGES = ["UPDATE {} SET at_ms = 0", "DELETE FROM {}"]
CHANGES_OF_SQLITE = [*CHANGES, "REPLACE INTO {} SELECT * FROM {}"]
CHANGES_OF_POSTGRESQL = [*CHANGES, "TRUNCATE {}", "TRUNCATE {} CASCADE"]


@pytest.fixture
def recorded(filled: Database) -> Database:
    with filled.write() as connection:
        records.append_audit(connection, audit_entry())
        records.append_ledger(connection, [entry("a")])
    return filled


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_records_never_change(recorded: Database, table: str) -> None:
    """Whatever statement is tried through the application's own connection."""
    with recorded.read() as connection:
        before = connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall()
    for verb in CHANGES_OF_SQLITE if recorded.is_sqlite else CHANGES_OF_POSTGRESQL:
        with pytest.raises(DBAPIError), recorded.write() as connection:
            connection.exec_driver_sql(verb.replace("{}", table))
        with recorded.read() as connection:
            assert connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall() == before, verb


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_database_itself_keeps_records(recorded: Database, table: str) -> None:
    """Also for whoever comes with a connection of their own: on PostgreSQL, here, the superuser."""
    verbs = CHANGES_OF_SQLITE if recorded.is_sqlite else CHANGES_OF_POSTGRESQL
    if not recorded.is_sqlite:
        for verb in verbs:
            with pytest.raises(DBAPIError, match="never changed"), recorded.write() as connection:
                connection.exec_driver_sql(verb.replace("{}", table))
        return
    with closing(sqlite3.connect(str(recorded.engine.url.database))) as stranger:
        for verb in verbs:
            with pytest.raises(sqlite3.Error, match="never changed"):
                stranger.execute(verb.replace("{}", table))


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE tenant",
        "DROP TRIGGER ledger_no_update",
        "DROP TRIGGER audit_no_delete",
        "CREATE TABLE mine (x INTEGER)",
        "CREATE TEMP TABLE mine (x INTEGER)",
        "CREATE TRIGGER mine AFTER INSERT ON ledger BEGIN DELETE FROM tenant; END",
        "CREATE VIEW mine AS SELECT * FROM tenant",
        "ALTER TABLE ledger RENAME TO old",
        "ALTER TABLE tenant ADD COLUMN mine TEXT",
        "ATTACH DATABASE ':memory:' AS mine",
        "PRAGMA writable_schema=ON",
        "PRAGMA journal_mode=OFF",
        "PRAGMA foreign_keys=OFF",
        "PRAGMA recursive_triggers=OFF",
        "UPDATE sqlite_master SET sql = ''",
    ],
)
def test_through_a_connection_of_the_application_the_schema_never_changes(
    on_sqlite: Database, statement: str
) -> None:
    with on_sqlite.read() as connection:
        before = connection.exec_driver_sql("SELECT * FROM sqlite_master").fetchall()
    with pytest.raises(DBAPIError), on_sqlite.engine.connect() as connection:
        connection.exec_driver_sql(statement)
    with on_sqlite.read() as connection:
        assert connection.exec_driver_sql("SELECT * FROM sqlite_master").fetchall() == before


@pytest.mark.parametrize(
    ("table", "base", "change"),
    [
        ("workload", WORKLOAD, {"kind": "cron"}),
        ("workload", WORKLOAD, {"priority": 101}),
        ("workload", WORKLOAD, {"priority": -1}),
        ("workload", WORKLOAD, {"ended_at_ms": 5}),
        ("workload", WORKLOAD, {"outcome": "failed"}),
        ("workload", WORKLOAD, {"outcome": "cancelled", "ended_at_ms": 5}),
        ("workload", WORKLOAD, {"project": "acme/none"}),
        ("run", RUN, {"observed": "exited", "ended_at_ms": 5}),
        ("run", RUN, {"exit_code": 0}),
        ("run", RUN, {"observed": "exited", "exit_code": 0}),
        ("run", RUN, {"observed": "lost"}),
        ("run", RUN, {"ended_at_ms": 5}),
        ("run", RUN, {"wanted": "stop"}),
        ("run", RUN, {"stop_reason": "held"}),
        ("run", RUN, {"observed": "starting", "ready": True}),
        ("run", RUN, {"settled": True}),
        ("run", RUN, {"site": "nowhere"}),
        ("hold", HOLD, {"target": "other", "released_by": "user_1"}),
        ("hold", HOLD, {"target": "other", "released_at_ms": 1}),
        ("hold", HOLD, {"target": "other", "released_by": "user_1", "released_at_ms": 1}),
        ("hold", HOLD, {}),
        ("receipt", RECEIPT, {"action": "out"}),
        ("receipt", RECEIPT, {"complete": True}),
        ("receipt", RECEIPT, {"hold": "none"}),
        ("credential", CREDENTIAL, {"kind": "key"}),
        ("credential", CREDENTIAL, {"used": True}),
        ("credential", CREDENTIAL, {"expires_at_ms": 1}),
        ("credential", CREDENTIAL, {"user_id": "user_none"}),
        ("credential", CREDENTIAL, {}),
        ("api_key", API_KEY, {"secret_hash": "1" * 64, "old_secret_hash": "2" * 64}),
        ("api_key", API_KEY, {"secret_hash": "1" * 64, "old_until_ms": 5}),
        ("api_key", API_KEY, {"secret_hash": "1" * 64, "old_secret_hash": "1" * 64, "old_until_ms": 5}),
        ("api_key", API_KEY, {}),
        ("signing_key", SIGNING_KEY, {"number": 0}),
        ("signing_key", SIGNING_KEY, {"until_ms": 4}),
        ("signing_key", SIGNING_KEY, {"number": 2}),
        ("signing_key", SIGNING_KEY, {"handover": "{}"}),
        ("signing_key", SIGNING_KEY, {"number": 2, "handover": "{}"}),
        ("site", {"name": "x", "pue_milli": 999}, {}),
        (
            "price",
            {"resource": "device_time", "item": "*", "version": 1, "effective_from_ms": 1, "created_by": ""},
            {"price_microeur": -1},
        ),
    ],
)
def test_the_database_refuses_what_cannot_be(
    filled: Database, table: str, base: dict[str, object], change: dict[str, object]
) -> None:
    row = {**base, **change, "id": "other"} if "id" in base else {**base, **change}
    with pytest.raises(IntegrityError):
        _insert(filled, table, row)


def test_what_can_be_is_kept(filled: Database) -> None:
    _insert(filled, "run", RUN)
    _insert(filled, "receipt", RECEIPT)
    ended = {**RUN, "id": "run_2", "attempt": 2, "observed": "exited", "exit_code": 0, "ended_at_ms": 5}
    _insert(filled, "run", {**ended, "settled": True})
    with pytest.raises(IntegrityError):
        _insert(filled, "run", {**RUN, "id": "run_3"})


def test_only_one_open_endpoint_has_a_name(filled: Database) -> None:
    endpoint = {**WORKLOAD, "kind": "endpoint", "name": "chat"}
    closed = {"outcome": "cancelled", "wanted": "stop", "ended_at_ms": 5}
    _insert(filled, "workload", {**endpoint, "id": "ep_1", **closed})
    _insert(filled, "workload", {**endpoint, "id": "ep_2"})
    with pytest.raises(IntegrityError):
        _insert(filled, "workload", {**endpoint, "id": "ep_3"})
