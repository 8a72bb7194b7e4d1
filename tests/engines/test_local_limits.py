"""Disk, memory and output of a run are bounded, and the run says which bound it met."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bruk.engines.base import EndCause
from bruk.engines.local import limits
from bruk.engines.local.log import Log
from bruk.engines.local.processes import process
from bruk.engines.local.slots import LocalConfig
from bruk.model.run import Observed

from .conftest import Works

WRITES = "trap 'exit 143' TERM; head -c 3000000 /dev/urandom > big; while :; do sleep 0.05; done"


def test_a_run_that_writes_too_much_is_ended(works: Works) -> None:
    engine = works.engine()
    folder = works.folder / "run-a"
    handle = engine.launch(works.shell(WRITES, writable=(folder,), disk_bytes=1_000_000))
    status = works.end(engine, handle)
    assert (status.observed, status.exit_code, status.cause) == (Observed.EXITED, 143, EndCause.DISK)
    assert "1000000" in status.detail


def test_what_stood_there_before_is_not_counted(works: Works) -> None:
    engine = works.engine()
    folder = works.folder / "run-a"
    folder.mkdir()
    (folder / "checkpoint").write_bytes(os.urandom(3_000_000))
    launch = works.shell("sleep 2.2; exit 0", writable=(folder,), disk_bytes=1_000_000)
    status = works.end(engine, engine.launch(launch))
    assert (status.exit_code, status.cause) == (0, EndCause.NONE)


def test_a_run_that_holds_too_much_memory_is_ended(works: Works) -> None:
    engine = works.engine()
    script = "import time; held = bytearray(200_000_000); print('held', flush=True); time.sleep(300)"
    handle = engine.launch(works.launch(script, memory_bytes=100_000_000))
    assert works.record().memory_by == "watch"
    status = works.end(engine, handle)
    assert (status.exit_code, status.cause) == (143, EndCause.MEMORY)
    assert "100000000" in status.detail


def test_a_run_with_too_many_processes_is_ended(works: Works) -> None:
    works.config = replace(works.config, processes_max=10)
    engine = works.engine()
    few = engine.launch(
        works.shell("for i in 1 2 3 4 5 6 7 8; do sleep 0.1 & done; sleep 2.5; exit 3", "run-b")
    )
    assert works.end(engine, few).exit_code == 3
    handle = engine.launch(works.shell("for i in $(seq 30); do setsid sleep 300 & done; sleep 300"))
    status = works.end(engine, handle)
    assert (status.cause, status.processes) == (EndCause.PROCESSES, 0)
    assert status.exit_code in (137, 143)  # SIGKILL follows SIGTERM at once.
    assert "where 10 were allowed" in status.detail
    assert works.left(handle) == []


def test_many_empty_files_are_a_full_disk_too(works: Works) -> None:
    engine = works.engine()
    script = "import time\nfor n in range(3000): open(str(n), 'w').close()\ntime.sleep(300)"
    handle = engine.launch(works.launch(script, disk_bytes=2_000_000))
    assert works.end(engine, handle).cause is EndCause.DISK


def test_what_is_hidden_deep_down_ends_the_run(works: Works) -> None:
    engine = works.engine()
    script = "import os, time\nfor n in range(300): os.mkdir('d'); os.chdir('d')\ntime.sleep(300)"
    handle = engine.launch(works.launch(script, disk_bytes=100_000_000))
    status = works.end(engine, handle)
    assert status.cause is EndCause.DISK
    assert "more than 200 deep" in status.detail


def test_shared_pages_count_once(tmp_path: Path) -> None:
    me = process(os.getpid())
    assert me is not None
    assert limits.over_memory([me], 1)
    assert not limits.over_memory([me], 2**50)


def test_disk_counts_a_file_with_two_names_once_and_follows_no_link(tmp_path: Path) -> None:
    counted, outside = tmp_path / "counted", tmp_path / "outside"
    (counted / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "large").write_bytes(os.urandom(1_000_000))
    (counted / "deep" / "file").write_bytes(os.urandom(100_000))
    os.link(counted / "deep" / "file", counted / "again")
    (counted / "link").symlink_to(outside)
    with open(counted / "sparse", "wb") as file:
        file.truncate(10**12)
    assert 100_000 <= limits.disk_bytes([str(counted)]) < 200_000
    assert limits.disk_bytes([str(counted), str(counted)]) < 200_000
    assert limits.disk_bytes([str(tmp_path / "gone")]) == 0


def test_output_is_bounded_and_ends_with_a_clear_line(works: Works) -> None:
    works.config = LocalConfig(slots=2, accelerators=False, log_bytes=10_000)
    engine = works.engine()
    handle = engine.launch(works.shell("yes | head -c 3000000; exit 5"))
    assert works.end(engine, handle).exit_code == 5
    data, size = engine.logs(handle, 0, 10**7)
    assert size <= 10_000
    assert data.startswith(b"y\ny\n")
    assert data.splitlines()[-1].startswith(b"[bruk] the log has reached its limit of 10000 bytes")


def test_a_log_on_a_full_disk_says_what_it_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, write = Log(tmp_path / "log", 10_000), os.write

    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    log.append(b"before\n")
    monkeypatch.setattr(os, "write", full)
    log.append(b"never written\n")
    monkeypatch.setattr(os, "write", write)
    log.append(b"after\n")
    log.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == ["before", "", "[bruk] 14 bytes of output could not be written (disk full?)", "after"]


def test_a_cgroup_that_cannot_be_made_leaves_watching(tmp_path: Path) -> None:
    assert limits.make_cgroup(str(tmp_path / "absent"), "run", 1000) == ""
    folder = limits.make_cgroup(str(tmp_path), "run", 1000)
    assert (Path(folder) / "memory.max").read_text() == "1000"
    assert not limits.cgroup_out_of_memory(folder)
    (Path(folder) / "memory.events").write_text("low 0\noom 1\noom_kill 2\n")
    assert limits.cgroup_out_of_memory(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.root
def test_a_disk_filled_by_the_run_itself_does_not_hide_its_end(small_disk: Path) -> None:
    works = Works(small_disk)
    engine = works.engine()
    handle = engine.launch(works.shell("cat /dev/zero > fill 2>/dev/null; cat /dev/zero > more; exit 7"))
    status = works.end(engine, handle)
    assert (status.observed, status.exit_code, status.cause) == (Observed.EXITED, 7, EndCause.NONE)
    assert works.engine().recover(handle) == status
