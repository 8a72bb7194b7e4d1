"""Each of the doctor's checks of a home, on real files, journals, runs and clocks: sound, and ill."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bruk.assembly.clock import Line, SystemClock, this_boot
from bruk.assembly.home import Home
from bruk.assembly.platform import open_control
from bruk.cli import doctor
from bruk.cli.doctor import Check, Finding
from bruk.cli.doctor import home as home_checks
from bruk.cli.settings import Settings
from bruk.engines.base import Launch
from bruk.engines.local.engine import LocalEngine
from bruk.engines.local.slots import LocalConfig
from bruk.journal import Journal
from bruk.model.clock import ManualClock
from bruk.model.run import DeviceSet, Observed
from bruk.model.site import Site
from bruk.model.tenant import SYSTEM
from bruk.wire.answers import SiteStatus, Status, SwitchState

from ..control.world import World, migrated  # noqa: TID252 (tests are no installed package)

HOUR_MS = 3_600_000


def wrong(check: Check, *words: str) -> None:
    """It was found, named, and something to do is said."""
    assert check.finding is Finding.WRONG, check
    assert check.advice
    for word in words:
        assert word in f"{check.detail} {check.advice}", check


def fine(check: Check) -> None:
    assert check.finding is Finding.OK, check
    assert not check.advice


def test_a_home_that_is_no_folder_or_is_open_or_is_sound(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    wrong(doctor.check_home(file), "is no folder", "--home")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    fine(doctor.check_home(home))
    home.chmod(0o710)
    wrong(doctor.check_home(home), "0710", f"chmod 700 {home}")
    assert oct(home.stat().st_mode & 0o777) == "0o710", "the doctor mends nothing"


@pytest.mark.parametrize("where", ["cli.json", "sites/here/token", "gateways/gw/token"])
def test_a_secret_that_others_can_read_is_named(tmp_path: Path, where: str) -> None:
    fine(doctor.check_modes(tmp_path))
    file = tmp_path / where
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    fine(doctor.check_modes(tmp_path))
    file.chmod(0o640)
    wrong(doctor.check_modes(tmp_path), str(file), "chmod 600")


def test_a_login_that_lacks_is_open_or_cannot_be_read(tmp_path: Path) -> None:
    chosen = Settings(tmp_path)
    assert doctor.check_remembered(chosen).finding is Finding.LACKS
    fine(doctor.check_remembered(Settings(tmp_path, token="given")))
    chosen.cli_file.write_text(json.dumps({"url": "http://127.0.0.1:1", "token": "t"}))
    chosen.cli_file.chmod(0o600)
    fine(doctor.check_remembered(chosen))
    chosen.cli_file.chmod(0o604)
    wrong(doctor.check_remembered(chosen), "can be read by others", "chmod 600")
    for damage in (b"{", b"[]", b"\xff"):
        chosen.cli_file.write_bytes(damage)
        wrong(doctor.check_remembered(chosen), "bruk login")


def test_a_disk_with_little_room_names_what_is_largest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "home" / "sites" / "here" / "cache"
    cache.mkdir(parents=True)
    (cache / "large").write_bytes(os.urandom(3 << 20))
    monkeypatch.setattr(home_checks, "FREE_BYTES_MIN", 0)
    fine(doctor.check_disk(tmp_path / "home"))
    fine(doctor.check_disk(tmp_path / "not" / "there" / "yet"))
    monkeypatch.setattr(home_checks, "FREE_BYTES_MIN", 1 << 60)
    wrong(doctor.check_disk(tmp_path / "home"), "sites/here/cache 3 MiB", "Make room")


def test_a_database_on_a_server_that_does_not_answer(tmp_path: Path) -> None:
    file = tmp_path / "database_url"
    file.write_text("postgresql://bruk:secret@127.0.0.1:1/bruk")
    file.chmod(0o600)
    found = doctor.check_server(tmp_path)
    wrong(found, "bruk database check")
    assert "secret" not in f"{found.detail} {found.advice}"


@pytest.mark.parametrize("owner", ["sites/here", "gateways/gw"])
def test_journals_in_use_waiting_and_damaged(tmp_path: Path, owner: str) -> None:
    assert doctor.check_journals(tmp_path) == []
    folder = tmp_path / owner / "journal"
    with Journal.open(folder, new_id="one") as journal:
        (check,) = doctor.check_journals(tmp_path)
        fine(check)
        assert (check.what, check.detail) == (f"journal {folder.parent.name}", "whole")
        for number in range(3):
            journal.append_durable_sync(f"record {number}".encode())
        (check,) = doctor.check_journals(tmp_path)
        fine(check)
        assert check.detail == "whole; 3 records wait for control"
        journal.append_durable_sync(b"its owner goes on")
    segment = next(path for path in folder.iterdir() if b"record 1" in path.read_bytes())
    content = bytearray(segment.read_bytes())
    content[content.index(b"record 1") + 2] ^= 0xFF
    segment.write_bytes(content)
    (check,) = doctor.check_journals(tmp_path)
    wrong(check, "Its owner does not start")
    assert segment.read_bytes() == content, "the doctor mends nothing"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "home", migrated(tmp_path))
    yield made
    made.close()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Starts a run of this id by the real engine of a site of the home."""
    engine = LocalEngine(
        tmp_path / "home" / "sites" / "here" / "engine",
        ManualClock(),
        LocalConfig(slots=2, accelerators=False, isolation="none"),
    )
    handles = []

    def start(run: str) -> None:
        folder = tmp_path / "home" / "sites" / "here" / "runs" / run
        folder.mkdir(parents=True)
        launch = Launch(
            run=run,
            command=("sleep", "600"),
            env={"PATH": os.environ["PATH"]},
            folder=folder,
            workdir=folder,
            generation=1,
            placement=(DeviceSet("node-1", (len(handles),)),),
            grace_s=1,
            writable=(folder,),
        )
        handles.append(engine.launch(launch))

    yield start
    for handle in handles:
        engine.stop(handle, 0)
    ends = time.monotonic() + 30
    while (
        any(status.observed not in (Observed.EXITED, Observed.LOST) for status in engine.poll(handles))
        and time.monotonic() < ends
    ):
        time.sleep(0.05)


def test_runs_that_control_knows_has_settled_or_never_heard_of(
    tmp_path: Path, world: World, started: Callable[[str], None]
) -> None:
    home = tmp_path / "home"
    fine(doctor.check_strays(home))
    _, run, site = world.running()
    started(run.id)
    known = doctor.check_strays(home)
    fine(known)
    assert known.detail == "1 live here, all known to control"
    site.end(run.id)
    world.step()
    wrong(doctor.check_strays(home), run.id, "control takes them for ended", "supervisor")
    started("run_of_nobody")
    wrong(doctor.check_strays(home), run.id, "run_of_nobody")
    world.close()
    (home / "bruk.sqlite3").write_bytes(b"nothing that SQLite reads" * 300)
    wrong(doctor.check_strays(home), "2 live here", "check of the database")


@pytest.mark.parametrize(
    ("ahead_ms", "finding"), [(0, Finding.OK), (-HOUR_MS, Finding.OK), (HOUR_MS, Finding.WRONG)]
)
def test_a_clock_behind_the_time_that_bruk_goes_by(tmp_path: Path, ahead_ms: int, finding: Finding) -> None:
    since_boot_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    line = Line(time.time_ns() // 1_000_000 + ahead_ms + 500, since_boot_ms, this_boot())
    (tmp_path / "clock.json").write_text(line.text())
    check = doctor.check_clock(tmp_path)
    assert check.finding is finding
    if finding is Finding.WRONG:
        wrong(check, "3,600 s behind", "Set the clock right")


def test_a_clock_behind_the_newest_record_of_a_boot_before(tmp_path: Path) -> None:
    """After a restart of the machine the line of time is gone, and the records say how late it was."""
    clock = SystemClock()
    clock.not_before(clock.now_ms() + HOUR_MS)
    control = open_control(Home(tmp_path / "home"), clock)
    fine(doctor.check_clock(tmp_path / "not there"))
    with control.database.write() as connection:
        control.audit(connection, SYSTEM, "note", "late")
    control.database.close()
    (tmp_path / "home" / "clock.json").unlink(missing_ok=True)
    wrong(doctor.check_clock(tmp_path / "home"), "behind Bruk's records")


NOW_MS = 1_800_000_000_000
SITE = SiteStatus(Site("essonne", "", "FR", "FR", "x"), True, 1, 1, 0, 0)
GATEWAY = {"name": "gw", "site": "essonne"}
STATUS = Status("0.1", (SITE,), SwitchState(0, (), (), ()), gateways=(GATEWAY,), now_ms=NOW_MS)


def test_clocks_that_agree_or_of_which_nothing_is_known() -> None:
    assert doctor.check_others(None, NOW_MS) == []
    assert doctor.check_others(STATUS, NOW_MS) == []
    assert doctor.check_others(STATUS, NOW_MS + 5_000) == []
    assert doctor.check_others(replace(STATUS, now_ms=0), NOW_MS) == [], "an older control does not say"


@pytest.mark.parametrize(("off_ms", "where"), [(HOUR_MS, "behind"), (-HOUR_MS, "ahead of")])
def test_controls_time_and_this_machines_clock(off_ms: int, where: str) -> None:
    (check,) = doctor.check_others(STATUS, NOW_MS + off_ms)
    wrong(check, f"3,600 s {where} this machine's clock", "Set the clock")


@pytest.mark.parametrize(("off_ms", "where"), [(-90_000, "behind"), (90_000, "ahead of")])
def test_agents_and_gateways_whose_clock_is_not_controls(off_ms: int, where: str) -> None:
    status = replace(
        STATUS,
        sites=(replace(SITE, clock_ahead_ms=off_ms),),
        gateways=({**GATEWAY, "clock_ahead_ms": off_ms},),
    )
    agent, gateway = doctor.check_others(status, NOW_MS)
    wrong(agent, "the agent of essonne", f"90 s {where} control's", "set the clock there")
    wrong(gateway, "the gateway gw", f"90 s {where} control's", "set the clock there")
