"""A home that cannot be written: said at once, by whom it concerns, and nothing is changed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bruk.assembly.clock import SystemClock
from bruk.assembly.home import Home
from bruk.assembly.platform import open_control
from bruk.cli.doctor import check_accounts, check_database, check_records
from bruk.cli.doctor.check import Finding

from .conftest import bruk


@pytest.fixture
def read_only(small_disk: Path) -> Path:
    """A home that was used, on a file system that is mounted read-only now."""
    home = small_disk / "home"
    open_control(Home(home), SystemClock()).database.close()
    done = subprocess.run(
        ["mount", "-o", "remount,ro", small_disk], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"it cannot be mounted read-only here: {done.stderr.strip()}")
    return home


@pytest.mark.root
def test_up_says_that_its_home_is_read_only(read_only: Path) -> None:
    done = bruk("--home", str(read_only), "up", "--once", "--port", "0", "--gateway-port", "0")
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr or "read-only" in done.stderr
    assert str(read_only) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.root
def test_the_doctor_reads_everything_there_all_the_same(read_only: Path) -> None:
    told = bruk("--home", str(read_only), "doctor", "--json")
    checks = {check["what"]: check for check in json.loads(told.stdout)["checks"]}
    assert checks["home"]["finding"] == "wrong"
    assert "read-only" in checks["home"]["detail"]
    for what in ("database", "records", "accounts"):
        assert checks[what]["finding"] == "ok", checks[what]


@pytest.mark.root
def test_a_backup_can_be_made_of_it(read_only: Path, tmp_path: Path) -> None:
    done = bruk("--home", str(read_only), "backup", str(tmp_path / "b.tar"), "--with-keys")
    assert done.returncode == 0, done.stderr
    assert bruk("restore", str(tmp_path / "b.tar"), "--home", str(tmp_path / "new")).returncode == 0


def test_mode_bits_that_forbid_writing(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    open_control(home, SystemClock()).database.close()
    if os.geteuid() == 0:
        pytest.skip("root may write whatever the mode bits say")
    for path in (*home.path.rglob("*"), home.path):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        done = bruk("--home", str(home.path), "up", "--once", "--port", "0", "--gateway-port", "0")
        assert done.returncode != 0
        assert "Permission denied" in done.stderr
        assert "Traceback" not in done.stderr
        assert check_database(home.database_file).finding is Finding.OK
        assert check_records(home.path).finding is Finding.OK
        assert check_accounts(home.path).finding is Finding.OK
    finally:
        for path in (home.path, *home.path.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
        shutil.rmtree(home.path)
