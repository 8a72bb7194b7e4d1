"""The schema: migrations make what ``tables`` says, and the database itself keeps its rules."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import DBAPIError, IntegrityError

from bruk.store import records
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


def _insert(database: Database, table: str, row: dict[str, object]) -> None:
    with database.write() as connection:
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))


@pytest.fixture
def filled(database: Database) -> Database:
    with database.write() as connection:
        owners(connection)
    _insert(database, "workload", WORKLOAD)
    _insert(database, "hold", HOLD)
    return database


def test_migrations_make_exactly_what_the_tables_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_checks_of_the_tables_are_in_the_database(database: Database) -> None:
    """Alembic does not compare CHECK constraints, so they are compared here by name."""
    with database.read() as connection:
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


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize(
    "verb", ["UPDATE {} SET at_ms = 0", "DELETE FROM {}", "REPLACE INTO {} SELECT * FROM {}"]
)
def test_records_never_change(filled: Database, table: str, verb: str) -> None:
    with filled.write() as connection:
        records.append_audit(connection, audit_entry())
        records.append_ledger(connection, [entry("a")])
    with filled.read() as connection:
        before = connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall()
    with pytest.raises(DBAPIError, match="never changed"), filled.write() as connection:
        connection.exec_driver_sql(verb.replace("{}", table))
    with filled.read() as connection:
        assert connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall() == before


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
