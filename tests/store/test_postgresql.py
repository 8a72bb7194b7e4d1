"""What only a server can do, and what may be done there by whom."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from bruk.store import counters, people, postgresql, records
from bruk.store.database import Database
from bruk.store.faults import DatabaseInUse, DatabaseUnfit, SchemaOutdated, StoreUnavailable
from bruk.store.tables import metadata

from ..control.world import World  # noqa: TID252 (tests are no installed package)
from ..postgresql import Server, Template  # noqa: TID252
from .rows import audit_entry, entry, owners

pytestmark = pytest.mark.postgresql
ROLE = "bruk_app"

# The server answers when the session has ended, or after ten seconds.
BREAK_SESSION = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND granted"
)


@pytest.fixture
def copies(postgresql_template: Template) -> Iterator[Template]:
    with postgresql_template.lent() as found:
        yield found


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def _open(stack: ExitStack, url: str) -> Database:
    database = Database.open(url)
    stack.callback(database.close)
    return database


@pytest.fixture
def app_url(copies: Template) -> str:
    """A database that its owner has made ready for the application's role, as that role."""
    owner = copies.copy()
    server = copies.server
    server.run(f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    database = Database.open(owner)
    database.grant(ROLE)
    database.close()
    return owner.replace("//postgres:@", f"//{ROLE}:@")


def test_two_controls_write_one_after_the_other(copies: Template, opened: ExitStack) -> None:
    url = copies.copy()
    databases = [_open(opened, url), _open(opened, url)]
    failures: list[BaseException] = []

    def write(database: Database) -> None:
        try:
            for _ in range(20):
                with database.write() as connection:
                    counters.raise_(connection, "n")
                    records.append_audit(connection, audit_entry())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with databases[0].read() as connection:
        assert counters.value(connection, "n") == 40
        assert [item.seq for item in records.audit_entries(connection)] == list(range(1, 41))


def test_one_control_at_a_time(copies: Template, opened: ExitStack) -> None:
    url = copies.copy()
    first, second = _open(opened, url), _open(opened, url)
    with first.controlled():
        with pytest.raises(DatabaseInUse, match="another control works on"), second.controlled():
            pass
        with first.write() as connection:
            counters.raise_(connection, "n")
    with second.controlled(), second.write() as connection:
        assert counters.raise_(connection, "n") == 2


def test_a_control_whose_session_broke_writes_nothing_once_another_took_over(
    copies: Template, opened: ExitStack
) -> None:
    url = copies.copy()
    first, second = _open(opened, url), _open(opened, url)
    with first.controlled():
        with first.write() as connection:
            counters.raise_(connection, "n")
        copies.server.run(BREAK_SESSION)
        with first.write() as connection:
            counters.raise_(connection, "n")
        with second.controlled():
            with pytest.raises(DatabaseInUse, match="taken this database over"), first.write() as connection:
                counters.raise_(connection, "n")
            with second.read() as connection:
                assert counters.value(connection, "n") == 2


def test_a_control_whose_session_broke_takes_the_lock_again(copies: Template, opened: ExitStack) -> None:
    url = copies.copy()
    first, second = _open(opened, url), _open(opened, url)
    with first.controlled():
        copies.server.run(BREAK_SESSION)
        first.keep_control()
        with pytest.raises(DatabaseInUse), second.controlled():
            pass
        with first.write() as connection:
            counters.raise_(connection, "n")


def test_a_server_that_goes_and_comes_back() -> None:
    server = Server()
    try:
        database = Database.open(server.url(server.fresh()))
        database.migrate()
        with database.write() as connection:
            owners(connection)
            records.append_ledger(connection, [entry("a")])
        server.pause()
        with pytest.raises(StoreUnavailable, match=r"the server (cannot be reached|is going down)"):
            database.schema_versions()
        with pytest.raises(StoreUnavailable), database.write() as connection:
            records.append_ledger(connection, [entry("b")])
        server.resume()
        with database.write() as connection:
            assert [item.key for item in records.append_ledger(connection, [entry("b"), entry("a")])] == ["b"]
        database.close()
    finally:
        server.stop()


def test_a_connection_that_breaks_within_a_write_leaves_nothing(copies: Template, opened: ExitStack) -> None:
    database = _open(opened, copies.copy())

    def write() -> None:
        with database.write() as connection:
            owners(connection)
            copies.server.run(BREAK_SESSION)
            records.append_audit(connection, audit_entry())

    with pytest.raises(StoreUnavailable):
        write()
    with database.read() as connection:
        assert people.tenants(connection) == []
    with database.write() as connection:
        owners(connection)


def test_what_cannot_be_reached_says_what_to_do(
    copies: Template, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = copies.copy()
    for address, words in (
        ("postgresql://bruk:secret@127.0.0.1:1/bruk", "is it up"),
        (copies.server.url("nowhere"), "no such database"),
        (url.replace("//postgres:@", "//nobody:@"), "refuses the role"),
    ):
        with pytest.raises(StoreUnavailable, match=words) as raised:
            _open(opened, address).migrate()
        assert "secret" not in raised.value.message
    for address, words in (
        ("mysql://root@localhost/bruk", "no store on 'mysql'"),
        ("nonsense", "cannot be read"),
        ("", "cannot be read"),
        ("postgresql://bruk:p@ss:w/secret@db/bruk", "%40 for @"),
        ("postgresql://bruk:secret@db:secret/bruk", "cannot be read"),
        ("postgresql://bruk:secret@db/bruk?nonsense=secret", 'invalid connection option "nonsense"'),
    ):
        with pytest.raises(DatabaseUnfit, match=words) as unfit:
            Database.open(address)
        assert "secret" not in unfit.value.message
    monkeypatch.setattr(postgresql, "find_spec", lambda name: None)
    with pytest.raises(DatabaseUnfit, match=r"pip install 'bruk\[postgres\]'"):
        Database.open(url)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://bruk:s3cret@127.0.0.1:1/bruk",
        "postgresql://bruk@127.0.0.1:1/bruk?password=s3cret&sslmode=disable",
        "postgresql://bruk@127.0.0.1:1/bruk?sslpassword=s3cret&options=-ca.b%3Ds3cret",
    ],
)
def test_a_password_is_never_shown(opened: ExitStack, address: str) -> None:
    database = _open(opened, address)
    assert "s3cret" not in database.address
    assert "127.0.0.1" in database.address
    if "sslpassword" not in address:
        assert "s3cret" not in repr(database.engine)
        assert database.engine.url.password == "s3cret"


def test_options_of_an_address_hold_beside_the_stores_own(copies: Template, opened: ExitStack) -> None:
    database = _open(opened, f"{copies.copy()}&options=-c%20application_name%3Dmine")
    with database.read() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("application_name", "lock_timeout", "timezone")
        ]
    assert shown == ["mine", "10s", "UTC"]


def test_the_lock_is_taken_again_after_the_server_was_away(opened: ExitStack) -> None:
    server = Server()
    opened.callback(server.stop)
    url = server.url(server.fresh())
    first, second = _open(opened, url), _open(opened, url)
    with first.controlled():
        server.pause()
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                first.keep_control()
        server.resume()
        first.keep_control()
        with pytest.raises(DatabaseInUse, match="another control works on"), second.controlled():
            pass
        with first.write() as connection:
            counters.raise_(connection, "n")


def test_what_else_a_role_may_is_named(copies: Template, opened: ExitStack) -> None:
    url = copies.copy()
    server = copies.server
    server.run(
        "CREATE ROLE bruk_wide LOGIN CREATEROLE CREATEDB",
        "CREATE ROLE bruk_owner",
        "GRANT bruk_owner TO bruk_wide",
    )
    try:
        owner = _open(opened, url)
        owner.grant("bruk_wide")
        wide = _open(opened, url.replace("//postgres:@", "//bruk_wide:@"))
        assert wide.findings() == [
            "it may make and change roles",
            "it may make databases",
            "it may act as the role bruk_owner",
        ]
        wide.close()
        server.run("GRANT postgres TO bruk_wide")
        with pytest.raises(DatabaseUnfit, match="may become its owner"):
            owner.grant("bruk_wide")
    finally:
        name = url.split("?")[0].rsplit("/", 1)[1]
        server.run("DROP OWNED BY bruk_wide", database=name)
        server.run("DROP ROLE bruk_wide", "DROP ROLE bruk_owner")


def test_a_database_that_sorts_or_is_encoded_otherwise_is_refused(
    copies: Template, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = copies.server
    server.run("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    name = server.fresh()
    try:
        database = _open(opened, server.url("latin"))
        with pytest.raises(DatabaseUnfit, match="ENCODING 'UTF8'"):
            database.migrate()
        assert database.schema_versions()[0] is None
        database.close()
        database = _open(opened, server.url(name))
        # This server may know no other order, so the known ones are taken away.
        monkeypatch.setattr(postgresql, "COLLATIONS", ())
        with pytest.raises(DatabaseUnfit, match="wants code points"):
            database.migrate()
        monkeypatch.setattr(postgresql, "MAJOR_MIN", 999)
        with pytest.raises(DatabaseUnfit, match="999 is the oldest"):
            database.migrate()
        database.close()
    finally:
        server.drop("latin")
        server.drop(name)


FORBIDDEN = [
    "UPDATE ledger SET at_ms = 0",
    "DELETE FROM ledger",
    "UPDATE audit SET at_ms = 0",
    "DELETE FROM audit",
    *(f"TRUNCATE {table.name} CASCADE" for table in metadata.sorted_tables),
    "DROP TABLE tenant CASCADE",
    "DROP TRIGGER ledger_append_only ON ledger",
    "ALTER TABLE ledger DISABLE TRIGGER ALL",
    "ALTER TABLE audit ADD COLUMN mine TEXT",
    "ALTER TABLE tenant RENAME TO mine",
    "CREATE TABLE mine (x INTEGER)",
    "CREATE TRIGGER mine BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION bruk_append_only()",
    "CREATE OR REPLACE FUNCTION bruk_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "DROP FUNCTION bruk_append_only() CASCADE",
    "SET session_replication_role = replica",
    "UPDATE alembic_version SET version_num = '0001'",
    "CREATE SCHEMA mine",
    "COPY ledger TO PROGRAM 'cat'",
    "CREATE TEMPORARY TABLE ledger (x INTEGER)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE RULE mine AS ON INSERT TO ledger DO INSTEAD NOTHING",
    "ALTER ROLE bruk_app SUPERUSER",
    "SET ROLE postgres",
]


@pytest.fixture(scope="module")
def prepared(postgresql_template: Template) -> Iterator[Database]:
    with postgresql_template.lent() as copies:
        owner = copies.copy()
        copies.server.run(
            f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        as_owner = Database.open(owner)
        as_owner.grant(ROLE)
        as_owner.close()
        database = Database.open(owner.replace("//postgres:@", f"//{ROLE}:@"))
        with database.write() as connection:
            owners(connection)
            records.append_audit(connection, audit_entry())
            records.append_ledger(connection, [entry("a")])
        yield database
        database.close()


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_applications_role_may_not(prepared: Database, statement: str) -> None:
    with pytest.raises((StoreUnavailable, DBAPIError)) as raised, prepared.write() as connection:
        connection.exec_driver_sql(statement)
    cause = raised.value.__cause__ if isinstance(raised.value, StoreUnavailable) else raised.value
    assert getattr(cause.orig, "sqlstate", "") == "42501", cause  # insufficient_privilege
    with prepared.read() as connection:
        assert len(records.ledger_entries(connection)) == 1
        assert len(records.audit_entries(connection)) == 1


def test_the_applications_role_has_what_control_needs(app_url: str, tmp_path: Path) -> None:
    class Ready(Template):
        def __init__(self) -> None:
            pass

        def copy(self) -> str:
            return app_url

    world = World(tmp_path / "home", Ready())
    try:
        job, run, site = world.running()
        site.meter(run.id, world.clock.now_ms(), world.clock.now_ms() + 1000)
        world.clock.advance(1000)
        site.end(run.id, 0)
        world.step()
        assert world.workload(job).outcome == "succeeded"
        assert world.database.findings() == []
        world.database.migrate()
    finally:
        world.close()


def test_the_applications_role_does_not_migrate(postgresql: Server, opened: ExitStack) -> None:
    name = postgresql.fresh()
    postgresql.run(f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    try:
        database = _open(opened, postgresql.url(name, ROLE))
        with pytest.raises(SchemaOutdated, match="run 'bruk database migrate' as the owner"):
            database.migrate()
        assert database.schema_versions()[0] is None
        database.close()
    finally:
        postgresql.drop(name)


def test_a_role_that_may_more_is_named(copies: Template, opened: ExitStack) -> None:
    owner = _open(opened, copies.copy())
    found = owner.findings()
    assert "it is a superuser" in found
    assert any("owns tables" in item for item in found)
    for role, words in (("nobody_knows", "no role"), ("postgres", "role of its own")):
        with pytest.raises(DatabaseUnfit, match=words):
            owner.grant(role)


def test_both_databases_give_rows_in_the_same_order(
    on_sqlite: Database, copies: Template, opened: ExitStack
) -> None:
    names = ["B", "a", "_", "Z", "ä", "z", "Å", "1", "-", "aB", "ab", "a-b", "a.b"]
    orders = []
    for database in (on_sqlite, _open(opened, copies.copy())):
        with database.write() as connection:
            for name in names:
                counters.set_setting(connection, name, 1)
        with database.read() as connection:
            found = connection.exec_driver_sql("SELECT name FROM setting ORDER BY name")
            orders.append([row[0] for row in found])
    assert orders[0] == orders[1] == sorted(names)
