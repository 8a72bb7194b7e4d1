"""What bad days need: a machine with Bruk on it, small disks, and processes that are really there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.assembly.test_up import Machine

BRUK = [sys.executable, "-m", "bruk"]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "home")
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()
    for process in made.runs():
        process.terminate()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 4 MiB that is nobody else's; its mount goes with the test."""
    yield from mounted(tmp_path / "small", "4m")


def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A file system of this size (as mount writes it) in a new folder, and nobody else's."""
    folder.mkdir(mode=0o700)
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root may mount a file system")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, leave_bytes: int = 0) -> Path:
    """Fill the file system, but for so much [bytes]; remove the file to make room again."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            pass
        try:
            while True:
                file.write(b"\0" * 512)
        except OSError:
            pass
        if leave_bytes:
            file.truncate(max(0, file.tell() - leave_bytes))
    return ballast


def bruk(*words: str, timeout_s: float = 90) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end."""
    return subprocess.run(
        [*BRUK, *words],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        stdin=subprocess.DEVNULL,
    )
