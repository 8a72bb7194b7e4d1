"""Every schema that was ever released upgrades to the newest, on both databases, with everything in it.

``schemas/VERSION.sql`` is a store as that version left it, with a little of everything.
"""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Boolean, MetaData, Table, event, func, select
from sqlalchemy.exc import DBAPIError

from bruk.seal import check_next, empty_head
from bruk.store import goods, money, people, places, records, switch, work
from bruk.store.database import Database

from ..postgresql import Server  # noqa: TID252 (tests are no installed package)

SCHEMAS = Path(__file__).parent / "schemas"
CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
RELEASES = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", CHANGELOG.read_text("utf-8"), re.M)
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


def _kept(version: str, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((SCHEMAS / f"{version}.sql").read_text("utf-8"))


def _rows(file: Path) -> dict[str, list[dict[str, Any]]]:
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')] for (name,) in names
        }


def _revision(rows: dict[str, list[dict[str, Any]]]) -> str:
    return str(rows["alembic_version"][0]["version_num"])


def _value(column: Any, item: Any) -> Any:
    if item is None:
        return None
    if isinstance(column.type, JSON):
        return json.loads(item)
    return bool(item) if isinstance(column.type, Boolean) else item


@pytest.fixture(params=BOTH)
def old(request: pytest.FixtureRequest, version: str, tmp_path: Path) -> Iterator[Database]:
    """The store of that version."""
    file = tmp_path / "old.sqlite3"
    _kept(version, file)
    if request.param == "sqlite":
        database = Database.open(f"sqlite:///{file}")
        yield database
        database.close()
        return
    server: Server = request.getfixturevalue("postgresql")
    name = server.fresh()
    database = Database.open(server.url(name))
    with ExitStack() as stack:
        stack.callback(server.drop, name)
        stack.callback(database.close)
        rows = _rows(file)
        command.upgrade(database._alembic(), _revision(rows))
        then = MetaData()
        then.reflect(database.engine)
        with database.engine.begin() as connection:
            for table in then.sorted_tables:
                content = [
                    {column.name: _value(column, row[column.name]) for column in table.columns}
                    for row in rows[table.name]
                ]
                if content and table.name != "alembic_version":
                    connection.execute(table.insert(), content)
        yield database


@pytest.mark.parametrize("version", RELEASES)
def test_a_released_schema_is_kept(version: str) -> None:
    """Write ``schemas/VERSION.sql`` with the last commit of a version before it is released."""
    assert (SCHEMAS / f"{version}.sql").is_file()


@pytest.mark.parametrize("version", RELEASES)
def test_what_was_kept_is_a_store_with_something_of_everything(version: str, tmp_path: Path) -> None:
    _kept(version, tmp_path / "old.sqlite3")
    rows = _rows(tmp_path / "old.sqlite3")
    script = ScriptDirectory.from_config(Database.open("sqlite://")._alembic())
    assert _revision(rows) in {item.revision for item in script.walk_revisions()}
    empty = {name for name, content in rows.items() if not content}
    assert empty <= {"idempotency", "setting"}, "each table has something that an upgrade could break"


@pytest.mark.parametrize("version", RELEASES)
def test_it_upgrades_and_nothing_is_lost(old: Database, version: str, tmp_path: Path) -> None:
    tmp_path.mkdir(exist_ok=True)
    _kept(version, tmp_path / "before.sqlite3")
    before = _rows(tmp_path / "before.sqlite3")
    old.migrate()
    assert old.schema_versions()[0] == old.schema_versions()[1]
    now = MetaData()
    now.reflect(old.engine)
    with old.read() as connection:
        for name, content in before.items():
            counted = connection.execute(select(func.count()).select_from(now.tables[name])).scalar()
            assert counted == len(content), name
        for chain in (records.LEDGER, records.AUDIT):
            head = empty_head(chain)
            for entry in records.chain(connection, chain):
                head = check_next(head, entry)
            assert head.seq == len(before[chain])
            assert head == records.head(connection, chain)
        _read_everything(connection)


def _killed_migration(url: str, at: int) -> bool:
    """Migrate in a process that ends before its ``at``-th statement; whether it came so far."""
    child = os.fork()
    if not child:
        try:
            left = iter(range(at - 1))
            database = Database.open(url)
            event.listen(
                database.engine,
                "before_cursor_execute",
                lambda *_: next(left, None) is None and os._exit(137),
            )
            database.migrate()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 137), "the migration fails"
    return status == 137


@pytest.mark.slow
@pytest.mark.parametrize("version", RELEASES)
def test_an_upgrade_that_is_killed_anywhere_is_done_whole_by_the_next_start(
    old: Database, version: str, tmp_path: Path
) -> None:
    url = old.engine.url.render_as_string(hide_password=False)
    released = old.schema_versions()[0]
    old.engine.dispose()
    at, step = 1, 1 if old.is_sqlite else 9
    while _killed_migration(url, at):
        at += step
        # In the last statements it is done already, and only says so.
        assert old.schema_versions()[0] in (released, old.schema_versions()[1]), at
        old.engine.dispose()
    assert at > 20, "an upgrade is many statements"
    test_it_upgrades_and_nothing_is_lost(old, version, tmp_path / "again")


def _read_everything(connection: Any) -> None:
    """Everything is still what the code takes it for."""
    assert {site.name for site in places.sites(connection)} == {"essonne", "borlange"}
    assert people.tenants(connection)
    assert people.users(connection)
    assert people.keys(connection)
    assert people.projects(connection)
    assert places.nodes(connection)
    assert places.agents(connection)
    assert places.gateways(connection)
    assert goods.models(connection)[0].evaluations
    assert {item.kind.value for item in work.workloads(connection)} == {"job", "endpoint"}
    assert work.runs(connection)
    assert work.waiting_for(connection)
    assert money.prices(connection)
    assert money.invoices(connection)
    assert money.slices(connection)
    assert switch.holds(connection)
    assert switch.receipts(connection)
    assert switch.acknowledgements(connection)


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("table", ["ledger", "audit"])
def test_records_are_kept_from_change_afterwards(old: Database, table: str) -> None:
    old.migrate()
    for verb in (f"UPDATE {table} SET at_ms = 0", f"DELETE FROM {table}"):
        with pytest.raises(DBAPIError), old.write() as connection:
            connection.exec_driver_sql(verb)
    found = Table(table, MetaData(), autoload_with=old.engine)
    with old.read() as connection:
        assert connection.execute(select(func.count()).select_from(found).where(found.c.at_ms > 0)).scalar()
