"""Backup and restore: what is in it, what is refused, and that nothing is left half done."""

import hashlib
import io
import json
import os
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bruk.assembly import backup as room
from bruk.assembly.backup.archive import BackupDamaged
from bruk.assembly.backup.restore import AHEAD, RestoreFailed
from bruk.assembly.backup.take import BackupFailed
from bruk.assembly.clock import SystemClock
from bruk.assembly.home import Home, write_secret
from bruk.assembly.platform import open_control
from bruk.control import access, signing, sites, tenancy
from bruk.control.proof import RecordsBroken, prove
from bruk.control.switch import GENERATION
from bruk.journal import Journal
from bruk.journal.snapshot import snapshot
from bruk.model.errors import Conflict, InvalidInput
from bruk.model.tenant import SYSTEM, Actor
from bruk.seal import Keyring, SigningKey
from bruk.store import counters, records
from bruk.store.database import StoreDamaged
from bruk.wire.requests import ProjectBody, SiteBody, TenantBody

from .killed import DONE, KILLED, in_process

CLOCK = SystemClock()
BLOB = b"weights" * 1000


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a little of everything."""
    home = Home(tmp_path_factory.mktemp("template") / "home")
    control = open_control(home, CLOCK)
    access.first_operator(control)
    sites.add_site(control, SYSTEM, SiteBody(name="here", country="FR", grid_zone="FR"))
    tenancy.add_tenant(control, SYSTEM, TenantBody(name="acme"))
    tenancy.add_project(control, SYSTEM, ProjectBody(tenant="acme", name="lab"))
    digest, _ = control.blobs.put("upload", [BLOB])
    with control.database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO artifact (id, project, name, kind, digest, size_bytes, created_at_ms, locations) "
            f"VALUES ('art_1', 'acme/lab', 'w', 'file', '{digest}', {len(BLOB)}, 1, '[]')"
        )
        counters.raise_(connection, "epoch/gw-here", 41)
        counters.raise_(connection, GENERATION, 6)
    control.database.close()
    write_secret(home.site("here") / "token", "the-agents-token")
    write_secret(home.site("here") / "local_hold.json", "{}")
    (home.site("here") / "cache").mkdir()
    (home.site("here") / "cache" / "big").write_bytes(b"cached")
    with Journal.open(home.site("here") / "journal", new_id="journal_1") as journal:
        for number in range(5):
            journal.append_durable_sync(json.dumps({"n": number}).encode())
        journal.acknowledge(2)
    (home.logs / "runs").mkdir(mode=0o700, exist_ok=True)
    (home.logs / "runs" / "run_1.log").write_text("hello\n")
    return home.path


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Home:
    import shutil

    shutil.copytree(template, tmp_path / "home")
    return Home(tmp_path / "home")


def names(file: Path) -> list[str]:
    with tarfile.open(file) as tar:
        return tar.getnames()


@pytest.mark.slow
def test_a_restore_that_is_killed_anywhere_is_done_by_the_next_one(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "b.tar"
    room.take(home, file, CLOCK, with_keys=True)

    def restored(place: Path) -> list[tuple[str, str]]:
        return sorted(
            (str(path.relative_to(place)), oct(path.stat().st_mode))
            for path in place.rglob("*")
            if not path.name.endswith(("-wal", "-shm"))
        )

    status, points = in_process(lambda: room.restore(file, Home(tmp_path / "whole"), CLOCK, None), None)
    assert status == DONE
    expected = restored(tmp_path / "whole")
    numbers = [number for number, name in enumerate(points, 1) if name.startswith(("file", "commit"))]
    assert len(numbers) > 20
    for number in numbers:
        folder = tmp_path / f"at-{number}"
        new = Home(folder / "home")
        act = lambda new=new: room.restore(file, new, CLOCK, None)  # noqa: E731
        assert in_process(act, number)[0] == KILLED
        if not new.path.exists():
            assert in_process(act, None)[0] == DONE, points[number - 1]
        assert restored(new.path) == expected, points[number - 1]
        # The very last ones come after the new home has its name.
        assert {entry.name for entry in folder.iterdir()} <= {"home", ".home.restoring"}
        control = open_control(new, CLOCK)
        with control.read() as connection:
            assert counters.value(connection, GENERATION) == 6 + AHEAD
        control.database.close()


@pytest.mark.slow
def test_taking_a_backup_that_is_killed_leaves_the_one_before_and_no_half_one(
    home: Home, tmp_path: Path
) -> None:
    file = tmp_path / "b.tar"
    act = lambda: room.take(home, file, CLOCK, with_keys=True)  # noqa: E731
    status, points = in_process(act, None)
    assert status == DONE
    file.unlink()
    for number in [number for number, name in enumerate(points, 1) if name.startswith("file")]:
        assert in_process(act, number)[0] == KILLED
        if file.exists():
            room.check(file, None)
            file.unlink()
    assert in_process(act, None)[0] == DONE
    room.check(file, None)
    left = {entry.name for entry in tmp_path.iterdir()} - {"home", "b.tar"}
    assert left == set(), "what the dead left is removed by the next one"


def test_what_is_taken_comes_back(home: Home, tmp_path: Path) -> None:
    taken = room.take(home, tmp_path / "b.tar", CLOCK, with_keys=True)
    assert (taken.missing, taken.damaged, taken.checked) == ([], [], True)
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    new = Home(tmp_path / "new")
    found = room.restore(tmp_path / "b.tar", new, CLOCK, None)
    assert found.entries == taken.entries
    assert found.entries["audit"] > 3
    assert found.waiting == 3
    digest = hashlib.sha256(BLOB).hexdigest()
    assert (new.artifacts / digest[:2] / digest).read_bytes() == BLOB
    assert new.signing_key.read_bytes() == home.signing_key.read_bytes()
    assert (new.site("here") / "token").read_text() == "the-agents-token"
    assert (new.site("here") / "local_hold.json").exists(), "what was off by hand stays off"
    assert (new.logs / "runs" / "run_1.log").read_text() == "hello\n"
    assert not (new.site("here") / "cache").exists()
    with Journal.open(new.site("here") / "journal", new_id="other") as journal:
        assert journal.journal_id == "journal_1"
        assert [record.seq for record in journal.read_from(3)] == [3, 4, 5]
    assert not [path for path in new.path.rglob("*") if path.stat().st_mode & 0o077]
    control = open_control(new, CLOCK)
    with control.read() as connection:
        assert records.audit_entries(connection)[-1].action == "home.restore"
        assert counters.value(connection, "epoch/gw-here") == 41 + AHEAD, "gateways refuse older leases"
        assert counters.value(connection, GENERATION) == 6 + AHEAD, "agents refuse an older switch"
    control.database.close()


def test_without_keys_nothing_secret_is_in_it(home: Home, tmp_path: Path) -> None:
    room.take(home, tmp_path / "b.tar", CLOCK)
    content = (tmp_path / "b.tar").read_bytes()
    assert home.signing_key.read_text().split()[-1].encode() not in content
    assert b"the-agents-token" not in content
    new = Home(tmp_path / "new")
    room.restore(tmp_path / "b.tar", new, CLOCK, Keyring.from_file(home.public_keys))
    with pytest.raises(InvalidInput, match=r"signing\.key"):
        open_control(new, CLOCK)
    new.signing_key.write_bytes(home.signing_key.read_bytes())
    new.signing_key.chmod(0o600)
    open_control(new, CLOCK).database.close()


def test_a_name_that_is_taken_is_left_alone_and_a_folder_gets_a_name(home: Home, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_text("precious")
    with pytest.raises(Conflict, match="exists"):
        room.take(home, tmp_path / "b.tar", CLOCK)
    assert (tmp_path / "b.tar").read_text() == "precious"
    (tmp_path / "many").mkdir()
    taken = room.take(home, tmp_path / "many", CLOCK)
    assert [path.name for path in (tmp_path / "many").iterdir()] == [taken.file.name]


def test_what_is_no_home_and_where_nothing_can_be_written(home: Home, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no home"):
        room.take(Home(tmp_path / "nowhere"), tmp_path / "b.tar", CLOCK)
    with pytest.raises(BackupFailed, match="No such file"):
        room.take(home, tmp_path / "no" / "folder" / "b.tar", CLOCK)


def test_bytes_that_are_gone_or_wrong_are_named(home: Home, tmp_path: Path) -> None:
    digest = hashlib.sha256(BLOB).hexdigest()
    path = home.artifacts / digest[:2] / digest
    path.write_bytes(b"something else")
    assert room.take(home, tmp_path / "a.tar", CLOCK).damaged == [digest]
    path.unlink()
    assert room.take(home, tmp_path / "b.tar", CLOCK).missing == [digest]
    assert room.check(tmp_path / "b.tar", None).missing == [digest]


def altered(home: Home, statement: str) -> None:
    """Change the database as somebody would who has the file and no respect."""
    with closing(sqlite3.connect(home.database_file)) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE audit SET target = 'other' WHERE seq = 3", "entry 3 of the audit"),
        ("DELETE FROM audit WHERE seq = 2", "entry 2 of the audit"),
    ],
)
def test_records_that_were_changed_are_not_backed_up(
    home: Home, tmp_path: Path, statement: str, says: str
) -> None:
    altered(home, statement)
    with pytest.raises(RecordsBroken, match=says):
        room.take(home, tmp_path / "b.tar", CLOCK)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_an_account_that_is_not_what_the_ledger_says_is_not_restored(home: Home, tmp_path: Path) -> None:
    altered(home, "UPDATE account SET spent_microeur = 5")
    room.take(home, tmp_path / "b.tar", CLOCK, with_keys=True)
    with pytest.raises(RecordsBroken, match="account of acme/lab says 5"):
        room.restore(tmp_path / "b.tar", Home(tmp_path / "new"), CLOCK, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "home"]


def test_a_damaged_page_is_not_backed_up(home: Home, tmp_path: Path) -> None:
    with home.database_file.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096)
    with pytest.raises(StoreDamaged):
        room.take(home, tmp_path / "b.tar", CLOCK)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_home_that_is_not_empty_is_refused(home: Home, tmp_path: Path) -> None:
    room.take(home, tmp_path / "b.tar", CLOCK, with_keys=True)
    before = sorted(home.path.rglob("*"))
    with pytest.raises(Conflict, match="not empty"):
        room.restore(tmp_path / "b.tar", home, CLOCK, None)
    assert sorted(home.path.rglob("*")) == before
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict, match="not empty"):
        room.restore(tmp_path / "b.tar", Home(tmp_path / "link"), CLOCK, None)
    (tmp_path / "empty").mkdir()
    room.restore(tmp_path / "b.tar", Home(tmp_path / "empty"), CLOCK, None)


def test_what_fails_half_way_leaves_nothing(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.take(home, tmp_path / "b.tar", CLOCK, with_keys=True)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bruk.store.counters.raise_all", full)
    with pytest.raises(RestoreFailed, match="No space left"):
        room.restore(tmp_path / "b.tar", Home(tmp_path / "new"), CLOCK, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "home"]


def test_another_key_is_not_trusted(home: Home, tmp_path: Path) -> None:
    room.take(home, tmp_path / "b.tar", CLOCK, with_keys=True)
    other = Keyring.of([SigningKey.generate().public_key])
    with pytest.raises(BackupDamaged, match="cannot be trusted"):
        room.check(tmp_path / "b.tar", other)
    assert room.check(tmp_path / "b.tar", Keyring.from_file(home.public_keys)).pinned


@pytest.fixture(scope="module")
def good(template: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("good") / "b.tar"
    room.take(Home(template), file, CLOCK, with_keys=True)
    return file.read_bytes()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(part=st.floats(0, 1, exclude_max=True))
def test_one_that_was_cut_off_is_refused(good: bytes, tmp_path: Path, part: float) -> None:
    file = tmp_path / "cut.tar"
    file.write_bytes(good[: int(part * len(good))])
    with pytest.raises(BackupDamaged):
        room.check(file, None)


@pytest.mark.parametrize("bytes_less", [1, 100, 511, 512, 1024])
def test_one_that_lost_its_last_bytes_is_refused(good: bytes, tmp_path: Path, bytes_less: int) -> None:
    file = tmp_path / "cut.tar"
    file.write_bytes(good[:-bytes_less])
    with pytest.raises(BackupDamaged, match="cut off"):
        room.check(file, None)


def test_one_with_something_behind_its_end_is_refused(good: bytes, tmp_path: Path) -> None:
    file = tmp_path / "long.tar"
    file.write_bytes(good + b"x" * 10_240)
    with pytest.raises(BackupDamaged, match="behind its end"):
        room.check(file, None)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_one_in_which_a_byte_was_changed_is_refused(good: bytes, tmp_path: Path, data: Any) -> None:
    with tarfile.open(fileobj=io.BytesIO(good)) as tar:
        member = data.draw(st.sampled_from([item for item in tar.getmembers() if item.size]))
    at = data.draw(st.integers(member.offset_data, member.offset_data + member.size - 1))
    changed = bytearray(good)
    changed[at] ^= data.draw(st.integers(1, 255))
    file = tmp_path / "changed.tar"
    file.write_bytes(changed)
    with pytest.raises(BackupDamaged):
        room.check(file, None)


def _rewritten(good: bytes, file: Path, change: Any) -> None:
    """The archive with ``change(members)`` instead of its members; members are (info, content)."""
    with tarfile.open(fileobj=io.BytesIO(good)) as tar:
        members = [(item, tar.extractfile(item).read()) for item in tar.getmembers()]  # type: ignore[union-attr]
    with tarfile.open(file, "w") as tar:
        for info, content in change(members):
            tar.addfile(info, io.BytesIO(content))


def _evil(name: str, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    "member",
    [
        _evil("../outside"),
        _evil("sites/../../outside"),
        _evil("/tmp/outside"),
        _evil("sites//x"),
        _evil("sites/./x"),
        _evil("cli.json"),
        _evil("elsewhere/x"),
        _evil("sites/here\nx"),
        _evil("sites/link", type=tarfile.SYMTYPE, linkname="/etc"),
        _evil("sites/hard", type=tarfile.LNKTYPE, linkname="keys/signing.key"),
        _evil("sites/device", type=tarfile.CHRTYPE),
        _evil("sites/pipe", type=tarfile.FIFOTYPE),
        _evil("sites/folder", type=tarfile.DIRTYPE),
        _evil("bruk.sqlite3"),
        _evil("sites/added"),
    ],
    ids=lambda member: f"{member.type.decode()}-{member.name!r}",
)
def test_members_that_have_no_place_in_it_are_refused(
    good: bytes, tmp_path: Path, member: tarfile.TarInfo
) -> None:
    file = tmp_path / "evil.tar"
    _rewritten(good, file, lambda members: [*members[:-1], (member, b""), members[-1]])
    with pytest.raises(BackupDamaged):
        room.restore(file, Home(tmp_path / "a" / "new"), CLOCK, None)
    assert list((tmp_path / "a").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("a", "evil.tar")] == []


@pytest.mark.parametrize("number", range(4))
def test_a_member_that_is_missing_is_missed(good: bytes, tmp_path: Path, number: int) -> None:
    file = tmp_path / "less.tar"
    _rewritten(good, file, lambda members: members[: number + 1] + members[number + 2 :])
    with pytest.raises(BackupDamaged):
        room.check(file, None)


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 20_000, os.urandom(30_000)])
def test_files_of_something_else_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BackupDamaged, match=r"no backup|cannot be used"):
        room.check(tmp_path / "x", None)


def test_a_tar_of_something_else_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.addfile(_evil("bruk.sqlite3"), io.BytesIO(b""))
    with pytest.raises(BackupDamaged, match="not written by"):
        room.check(tmp_path / "x.tar", None)


def test_a_journal_is_copied_while_its_owner_works(tmp_path: Path) -> None:
    import threading

    stop = threading.Event()
    with Journal.open(tmp_path / "live", new_id="j", segment_bytes=2000) as journal:

        def work() -> None:
            while not stop.is_set():
                seq = journal.append_durable_sync(b"x" * 100)
                if seq % 7 == 0:
                    journal.acknowledge(seq - 3)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            for number in range(15):
                before = journal.acknowledged_seq
                report = snapshot(tmp_path / "live", tmp_path / f"copy{number}")
                with Journal.open(tmp_path / f"copy{number}", new_id="k") as copy:
                    assert copy.acknowledged_seq >= before
                    found = [record.seq for record in copy.read_from(copy.acknowledged_seq + 1)]
                    assert found == list(range(copy.acknowledged_seq + 1, report.last_seq + 1))
        finally:
            stop.set()
            thread.join()


def test_a_backup_of_before_a_rotation_is_restored_with_the_key_that_is_left(
    home: Home, tmp_path: Path
) -> None:
    """The old private key is gone; the newest ring verifies the backup and leads to the newest key."""
    room.take(home, tmp_path / "b.tar", CLOCK)
    control = open_control(home, CLOCK)
    user, _, _ = access.first_operator(control)
    signing.rotate(control, Actor("user", user.id, user.role))
    newest = control.keyring
    control.database.close()
    new = Home(tmp_path / "new")
    found = room.restore(tmp_path / "b.tar", new, CLOCK, newest)
    assert found.pinned
    for name in ("signing.key", "public.json"):
        write_secret(new.keys / name, (home.keys / name).read_text())
    again = open_control(new, CLOCK)
    assert again.key.key_id == control.key.key_id
    with again.read() as connection:
        prove(connection, newest)
    again.database.close()


def test_a_backup_of_after_a_rotation_is_verified_with_the_key_of_before(home: Home, tmp_path: Path) -> None:
    """Who pinned a key follows the statements by which it handed over, and no others."""
    before = Keyring.from_file(home.public_keys)
    control = open_control(home, CLOCK)
    user, _, _ = access.first_operator(control)
    for _ in range(2):
        signing.rotate(control, Actor("user", user.id, user.role))
    control.database.close()
    room.take(home, tmp_path / "b.tar", CLOCK)
    assert room.check(tmp_path / "b.tar", before).pinned
    room.restore(tmp_path / "b.tar", Home(tmp_path / "new"), CLOCK, before)
    other = Keyring.of([SigningKey.generate().public_key])
    with pytest.raises(BackupDamaged, match="cannot be trusted"):
        room.check(tmp_path / "b.tar", other)
