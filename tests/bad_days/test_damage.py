"""A page of the database that is not what was written: found, named, refused, and mended by a restore."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bruk.assembly import backup as room
from bruk.assembly.clock import SystemClock
from bruk.assembly.home import Home
from bruk.assembly.platform import open_control
from bruk.cli.doctor import check_accounts, check_database, check_records
from bruk.cli.doctor.check import Finding
from bruk.control import evidence, tenancy
from bruk.model.errors import BrukError
from bruk.model.tenant import SYSTEM
from bruk.seal import ChainBroken
from bruk.store import records
from bruk.store.database import Database, StoreDamaged
from bruk.wire.requests import ProjectBody, TenantBody

from .conftest import bruk

CLOCK = SystemClock()
PAGE_BYTES = 4096


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose audit log has pages of its own in the table's interior and in its index."""
    home = Home(tmp_path_factory.mktemp("template") / "home")
    control = open_control(home, CLOCK)
    tenancy.add_tenant(control, SYSTEM, TenantBody(name="acme"))
    tenancy.add_project(control, SYSTEM, ProjectBody(tenant="acme", name="lab"))
    with control.database.write() as connection:
        for number in range(300):
            control.audit(connection, SYSTEM, "note", f"n{number}", text="x" * 200)
    control.database.close()
    return home.path


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Home:
    shutil.copytree(template, tmp_path / "home")
    return Home(tmp_path / "home")


def root_page(home: Home, name: str) -> int:
    with closing(sqlite3.connect(home.database_file)) as connection:
        row = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    return int(row[0])


def child_page(home: Home, page: int) -> int:
    """The rightmost page below an interior one (its pointer stands at byte 8 of the page)."""
    content = home.database_file.read_bytes()[(page - 1) * PAGE_BYTES :]
    assert content[0] in (2, 5), "an interior page of an index or a table"
    return int.from_bytes(content[8:12], "big")


def overwrite(home: Home, offset: int, data: bytes) -> None:
    with home.database_file.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def header(home: Home) -> None:
    overwrite(home, 0, b"\0" * 32)


def schema(home: Home) -> None:
    overwrite(home, 100, b"\xff" * 8)


def interior(home: Home) -> None:
    overwrite(home, (root_page(home, "audit") - 1) * PAGE_BYTES, b"\xff" * 12)


def leaf(home: Home) -> None:
    overwrite(home, (child_page(home, root_page(home, "audit")) - 1) * PAGE_BYTES, b"\xff" * 100)


def index(home: Home) -> None:
    overwrite(home, (root_page(home, "sqlite_autoindex_audit_1") - 1) * PAGE_BYTES, b"\xff" * 12)


def ledger(home: Home) -> None:
    overwrite(home, (root_page(home, "ledger") - 1) * PAGE_BYTES, b"\xff" * 12)


def cut(home: Home) -> None:
    size = home.database_file.stat().st_size
    with home.database_file.open("r+b") as file:
        file.truncate(size // PAGE_BYTES // 2 * PAGE_BYTES)


DAMAGES: list[tuple[Callable[[Home], None], str]] = [
    (header, "header"),
    (schema, "header or schema"),
    (interior, "audit"),
    (leaf, "audit"),
    (index, "audit"),
    (ledger, "ledger"),
    (cut, ""),
]


@pytest.mark.parametrize(("damage", "named"), DAMAGES, ids=lambda value: getattr(value, "__name__", None))
def test_a_damaged_page_is_refused_at_the_start_and_named_by_the_doctor(
    home: Home, tmp_path: Path, damage: Callable[[Home], None], named: str
) -> None:
    room.take(home, tmp_path / "before.tar", CLOCK, with_keys=True)
    damage(home)
    before = home.database_file.read_bytes()
    with pytest.raises(StoreDamaged, match="doctor"):
        open_control(home, CLOCK)
    found = check_database(home.database_file)
    assert found.finding is Finding.WRONG
    assert named in found.detail
    assert "bruk restore" in found.advice
    assert home.database_file.read_bytes() == before, "nothing was changed by looking"
    with pytest.raises(BrukError):
        room.take(home, tmp_path / "after.tar", CLOCK)
    assert not (tmp_path / "after.tar").exists(), "damage is not kept as if it were a backup"
    new = Home(tmp_path / "new")
    room.restore(tmp_path / "before.tar", new, CLOCK, None)
    control = open_control(new, CLOCK)
    with control.read() as connection:
        assert records.head(connection, records.AUDIT).seq == 303
    control.database.close()


def test_content_that_was_changed_in_silence_is_found_by_the_chain(home: Home) -> None:
    """The database is whole for SQLite; only the chain knows better."""
    content = home.database_file.read_bytes()
    at = content.index(b'{"text": "' + b"x" * 200)
    overwrite(home, at + 12, b"y")
    assert check_database(home.database_file).finding is Finding.OK
    found = check_records(home.path)
    assert found.finding is Finding.WRONG
    assert "of the audit was changed" in found.detail
    control = open_control(home, CLOCK)
    try:
        with pytest.raises(ChainBroken, match=r"[Ee]ntry"):
            evidence.export(control, SYSTEM, records.AUDIT)
    finally:
        control.database.close()


def test_an_account_that_was_changed_is_found_by_the_ledger(home: Home) -> None:
    database = Database.open(home.database_url)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE account SET spent_microeur = 1500000")
    database.close()
    found = check_accounts(home.path)
    assert found.finding is Finding.WRONG
    assert "acme/lab: its account says 1.500000 EUR, the ledger 0.000000 EUR" in found.detail


def test_the_check_at_the_start_is_bounded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the database is: when its time is up the check ends, without a verdict."""
    monkeypatch.setattr("bruk.store.sqlite.PROGRESS_STEPS", 1)
    database = Database.open(home.database_url)
    asked: list[str] = []

    class Hurried(SystemClock):
        def monotonic_ms(self) -> int:
            asked.append("now")
            return len(asked)

    try:
        database.check(patience_ms=10, clock=Hurried())
        assert 11 <= len(asked) <= 20, "it was asked until its time was up"
        with database.read() as connection:
            assert records.head(connection, records.AUDIT).seq == 302, "and the connection is as before"
    finally:
        database.close()


@pytest.mark.slow
def test_up_and_doctor_at_the_command_line(home: Home) -> None:
    leaf(home)
    came_up = bruk("--home", str(home.path), "up", "--once", "--port", "0", "--gateway-port", "0")
    assert came_up.returncode == 1
    assert "store_damaged" in came_up.stderr
    assert "restore the newest backup" in came_up.stderr
    assert "Traceback" not in came_up.stderr
    told = bruk("--home", str(home.path), "doctor", "--json")
    assert told.returncode == 1
    checks = {check["what"]: check for check in json.loads(told.stdout)["checks"]}
    assert checks["database"]["finding"] == "wrong"
    assert "audit" in checks["database"]["detail"]
