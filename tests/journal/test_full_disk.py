"""The disk refuses: every waiter hears of it, nothing false is acknowledged, the journal goes on."""

import asyncio
import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bruk.journal import Journal, JournalClosed, JournalFull, disk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


class BadDisk:
    """Makes the acts of `disk` fail while `failing` names them; may write half before it fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing: set[str] = set()
        self.errno = errno.ENOSPC
        for name in ("write_at", "sync", "sync_folder", "create"):
            monkeypatch.setattr(disk, name, self._wrap(name, getattr(disk, name)))

    def _wrap(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def act(*args: Any) -> object:
            if name in self.failing:
                if name == "write_at":
                    descriptor, data, offset = args
                    half = bytes(data)[: len(data) // 2]
                    real(descriptor, half, offset)
                raise OSError(self.errno, os.strerror(self.errno))
            return real(*args)

        return act


@pytest.fixture
def bad_disk(monkeypatch: pytest.MonkeyPatch) -> BadDisk:
    return BadDisk(monkeypatch)


def payloads(journal: Journal) -> list[bytes]:
    return [record.payload for record in journal.read_from(journal.acknowledged_seq + 1)]


@pytest.mark.parametrize("act", ["write_at", "sync", "sync_folder", "create"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_every_waiter_hears_and_the_journal_goes_on(
    folder: Path, bad_disk: BadDisk, act: str, number: int
) -> None:
    async def all_fail(journal: Journal) -> None:
        results = await asyncio.gather(
            *(journal.append_durable(b"lost") for _ in range(20)), return_exceptions=True
        )
        assert all(isinstance(result, JournalFull) for result in results)
        assert {result.detail["errno"] for result in results if isinstance(result, JournalFull)} == {number}

    with Journal.open(folder, new_id="j", segment_bytes=1) as journal:
        journal.append_durable_sync(b"before")
        bad_disk.errno, bad_disk.failing = number, {act}
        asyncio.run(all_fail(journal))
        lost = journal.append(b"lost too")
        with pytest.raises(JournalFull):
            journal.commit_sync(lost)
        assert journal.durable_seq == 1
        bad_disk.failing = set()
        after = journal.append_durable_sync(b"after")
        assert after > lost, "a refused number is never used again"
        with pytest.raises(JournalFull):
            journal.commit_sync(lost)
        assert payloads(journal) == [b"before", b"after"]
    with Journal.open(folder, new_id="j") as journal:
        assert payloads(journal) == [b"before", b"after"]
        assert journal.append_durable_sync(b"more") == after + 1


def test_a_failed_synchronisation_is_never_repeated_on_the_same_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The page cache forgets what it could not write: a second fsync succeeds although the data is gone.
    with Journal.open(folder, new_id="j") as journal:
        journal.append_durable_sync(b"before")
        before = sorted(folder.glob("*.seg"))
        size = before[0].stat().st_size
        real, refused = disk.sync, []

        def refuse_once(descriptor: int) -> None:
            if not refused:
                refused.append(descriptor)
                raise OSError(errno.EIO, "Input/output error")
            real(descriptor)

        monkeypatch.setattr(disk, "sync", refuse_once)
        with pytest.raises(JournalFull):
            journal.append_durable_sync(b"lost")
        assert before[0].stat().st_size == size, "what was refused is cut off"
        journal.append_durable_sync(b"after")
        assert before[0].stat().st_size == size
        assert len(list(folder.glob("*.seg"))) == 2
        assert payloads(journal) == [b"before", b"after"]


def test_remains_that_cannot_be_cut_off_are_never_read(
    folder: Path, bad_disk: BadDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    real = os.ftruncate
    with Journal.open(folder, new_id="j") as journal:
        journal.append_durable_sync(b"before")
        monkeypatch.setattr(os, "ftruncate", refuse)
        bad_disk.failing = {"sync"}
        with pytest.raises(JournalFull):
            journal.append_durable_sync(b"lost, yet whole in the file")
        bad_disk.failing = set()
        journal.append_durable_sync(b"after")
        assert payloads(journal) == [b"before", b"after"]
        monkeypatch.setattr(os, "ftruncate", real)
    with Journal.open(folder, new_id="j") as journal:
        assert payloads(journal) == [b"before", b"after"]


def test_a_refused_acknowledgement_changes_nothing(folder: Path, bad_disk: BadDisk) -> None:
    with Journal.open(folder, new_id="j", segment_bytes=1) as journal:
        for payload in (b"a", b"b", b"c"):
            journal.append_durable_sync(payload)
        bad_disk.failing = {"sync"}
        with pytest.raises(JournalFull):
            journal.acknowledge(2)
        assert journal.acknowledged_seq == 0
        assert payloads(journal) == [b"a", b"b", b"c"]
        bad_disk.failing = set()
        journal.acknowledge(2)
    with Journal.open(folder, new_id="j") as journal:
        assert payloads(journal) == [b"c"]


def test_a_creation_cut_short_is_repeated(folder: Path, bad_disk: BadDisk) -> None:
    for act in ("create", "sync", "write_at", "sync_folder"):
        bad_disk.failing = {act}
        with pytest.raises(JournalFull):
            Journal.open(folder, new_id="first")
    bad_disk.failing = set()
    with Journal.open(folder, new_id="second") as journal:
        assert journal.journal_id == "second"
        journal.append_durable_sync(b"x")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_in_the_writer_leaves_nobody_waiting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(descriptor: int) -> None:
        raise MemoryError("no memory")

    with Journal.open(folder, new_id="j") as journal:
        journal.append_durable_sync(b"before")
        monkeypatch.setattr(disk, "sync", defect)
        with pytest.raises(JournalClosed) as caught:
            asyncio.run(journal.append_durable(b"lost"))
        assert isinstance(caught.value.__cause__, MemoryError)
        with pytest.raises(JournalClosed):
            journal.append(b"refused")
        assert payloads(journal) == [b"before"]


acts = st.sampled_from(["write_at", "sync", "sync_folder", "create"])


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.one_of(st.binary(max_size=80), st.sets(acts), st.just("reopen")), max_size=25),
    segment_bytes=st.integers(1, 300),
)
def test_whatever_fails_exactly_what_was_acknowledged_is_there(
    tmp_path_factory: pytest.TempPathFactory, steps: list[object], segment_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("bad")
    acknowledged: list[bytes] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        bad_disk = BadDisk(monkeypatch)
        journal = Journal.open(folder, new_id="j", segment_bytes=segment_bytes)
        for step in steps:
            if isinstance(step, bytes):
                try:
                    journal.append_durable_sync(step)
                    acknowledged.append(step)
                except JournalFull:
                    assert bad_disk.failing
            elif isinstance(step, set):
                bad_disk.failing = step
            else:
                journal.close()
                bad_disk.failing = set()
                journal = Journal.open(folder, new_id="j", segment_bytes=segment_bytes)
            assert payloads(journal) == acknowledged
        journal.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "small"
    mount.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)]
    try:
        made = subprocess.run(options, capture_output=True)
    except FileNotFoundError:
        pytest.skip("mount is not installed")
    if made.returncode != 0:
        pytest.skip("a small tmpfs needs root")
    try:
        yield mount
    finally:
        # Lazily, so that a failing test that still holds a file leaves no mount behind.
        subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(journal: Journal, acknowledged: list[int]) -> None:
    while len(acknowledged) < 10_000:
        acknowledged.append(journal.append_durable_sync(b"x" * 1000))


@pytest.mark.root
def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    acknowledged: list[int] = []
    with Journal.open(small_disk / "journal", new_id="j", segment_bytes=32_768) as journal:
        with pytest.raises(JournalFull, match="No space left"):
            fill(journal, acknowledged)
        assert 100 < len(acknowledged) < 256
        assert [record.seq for record in journal.read_from(1)] == acknowledged
        more: list[int] = []
        with pytest.raises(JournalFull):
            fill(journal, more)
        acknowledged += more
        half = acknowledged[len(acknowledged) // 2]
        journal.acknowledge(half)
        later = journal.append_durable_sync(b"space is back")
        last = [record.seq for record in journal.read_from(half + 1)]
        assert last[-1] == later
        assert last[: len(acknowledged) - half] == acknowledged[half:]
    with Journal.open(small_disk / "journal", new_id="j") as journal:
        assert [record.seq for record in journal.read_from(half + 1)] == last
