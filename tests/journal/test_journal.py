"""The journal in one process: append, group commit, hand-over, locks, and a round trip through everything."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bruk.journal import (
    RECORD_BYTES_MAX,
    Journal,
    JournalClosed,
    JournalFull,
    JournalLocked,
    JournalOverloaded,
    JournalRecordGone,
    JournalRecordTooLarge,
    disk,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def contents(journal: Journal, seq: int | None = None) -> list[tuple[int, bytes]]:
    start = journal.acknowledged_seq + 1 if seq is None else seq
    return [(record.seq, record.payload) for record in journal.read_from(start)]


def test_records_come_back_in_order_after_reopening(folder: Path) -> None:
    with Journal.open(folder, new_id="journal_1") as journal:
        assert journal.report.created
        assert [journal.append_durable_sync(payload) for payload in (b"one", b"", b"three")] == [1, 2, 3]
    with Journal.open(folder, new_id="journal_2") as journal:
        assert not journal.report.created
        assert journal.journal_id == "journal_1"
        assert journal.report.records_waiting == 3
        assert journal.report.torn_tail is None
        assert contents(journal) == [(1, b"one"), (2, b""), (3, b"three")]
        assert journal.append_durable_sync(b"four") == 4
        assert contents(journal, 3) == [(3, b"three"), (4, b"four")]


def test_one_synchronisation_serves_all_who_wait(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, release = threading.Event(), threading.Event()
    synced = 0
    real = disk.sync

    def slow_sync(descriptor: int) -> None:
        nonlocal synced
        synced += 1
        entered.set()
        assert release.wait(30)
        real(descriptor)

    async def work(journal: Journal) -> None:
        first = asyncio.create_task(journal.append_durable(b"first"))
        await asyncio.to_thread(entered.wait, 30)
        rest = [asyncio.create_task(journal.append_durable(b"rest")) for _ in range(500)]
        await asyncio.sleep(0)
        release.set()
        assert sorted(await asyncio.gather(first, *rest)) == list(range(2, 503))

    with Journal.open(folder, new_id="j") as journal:
        journal.append_durable_sync(b"so that the segment exists")
        monkeypatch.setattr(disk, "sync", slow_sync)
        asyncio.run(work(journal))
        assert synced == 2
        assert journal.flushes == 3


def test_nothing_is_acknowledged_before_the_disk_answers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    real = disk.sync

    def slow_sync(descriptor: int) -> None:
        assert release.wait(30)
        real(descriptor)

    async def work(journal: Journal) -> None:
        task = asyncio.create_task(journal.append_durable(b"x"))
        done, _ = await asyncio.wait([task], timeout=0.05)
        assert not done
        assert journal.durable_seq == 0
        assert contents(journal) == []
        release.set()
        assert await task == 1

    with Journal.open(folder, new_id="j") as journal:
        monkeypatch.setattr(disk, "sync", slow_sync)
        asyncio.run(work(journal))


def test_threads_and_tasks_share_a_journal(folder: Path) -> None:
    async def tasks(journal: Journal) -> list[int]:
        return await asyncio.gather(*(journal.append_durable(b"task") for _ in range(200)))

    with Journal.open(folder, new_id="j", segment_bytes=500) as journal:
        seqs: list[int] = []
        threads = [
            threading.Thread(target=lambda: seqs.extend(journal.append_durable_sync(b"t") for _ in range(50)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        seqs.extend(asyncio.run(tasks(journal)))
        for thread in threads:
            thread.join()
        assert sorted(seqs) == list(range(1, 401))
        assert [seq for seq, _ in contents(journal)] == list(range(1, 401))


def test_a_cancelled_waiter_disturbs_nobody(folder: Path) -> None:
    async def work(journal: Journal) -> None:
        tasks = [asyncio.create_task(journal.append_durable(b"x")) for _ in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(result, int) for result in results) >= 9

    with Journal.open(folder, new_id="j") as journal:
        asyncio.run(work(journal))
        journal.append_durable_sync(b"after")
        assert len(contents(journal)) == 11


def test_acknowledging_deletes_whole_segments_and_survives_reopening(folder: Path) -> None:
    with Journal.open(folder, new_id="j", segment_bytes=100) as journal:
        for number in range(10):
            journal.append_durable_sync(bytes([number]) * 50)
        before = len(list(folder.glob("*.seg")))
        journal.acknowledge(7)
        journal.acknowledge(3)
        assert journal.acknowledged_seq == 7
        assert len(list(folder.glob("*.seg"))) < before
        assert [seq for seq, _ in contents(journal)] == [8, 9, 10]
        with pytest.raises(JournalRecordGone, match="read from 8"):
            journal.read_from(1)
    with Journal.open(folder, new_id="j") as journal:
        assert [seq for seq, _ in contents(journal)] == [8, 9, 10]
        journal.acknowledge(10)
    with Journal.open(folder, new_id="j") as journal:
        assert list(folder.glob("*.seg")) == []
        assert contents(journal) == []
        assert journal.append_durable_sync(b"goes on") == 11


def test_a_reader_is_not_disturbed_by_appends(folder: Path) -> None:
    with Journal.open(folder, new_id="j", segment_bytes=100) as journal:
        for _ in range(5):
            journal.append_durable_sync(b"x" * 40)
        reader = journal.read_from(1)
        seen = [next(reader).seq]
        journal.append_durable_sync(b"later")
        seen += [record.seq for record in reader]
        assert seen == [1, 2, 3, 4, 5]


def test_two_openers_are_refused_in_one_process(folder: Path) -> None:
    with Journal.open(folder, new_id="j") as journal:
        with pytest.raises(JournalLocked, match="open already"):
            Journal.open(folder, new_id="j")
        journal.append_durable_sync(b"still mine")
    Journal.open(folder, new_id="j").close()


OPENER = """
import sys, pathlib
from bruk.journal import Journal, JournalLocked
try:
    Journal.open(pathlib.Path(sys.argv[1]), new_id="j").close()
    print("opened")
except JournalLocked:
    print("refused")
"""


def test_two_openers_are_refused_across_processes(folder: Path) -> None:
    command = [sys.executable, "-c", OPENER, str(folder)]
    with Journal.open(folder, new_id="j"):
        assert subprocess.run(command, capture_output=True, text=True).stdout == "refused\n"
    assert subprocess.run(command, capture_output=True, text=True).stdout == "opened\n"


def test_a_closed_journal_says_so(folder: Path) -> None:
    journal = Journal.open(folder, new_id="j")
    seq = journal.append(b"x")
    journal.close()
    journal.close()
    journal.commit_sync(seq)
    with pytest.raises(JournalClosed):
        journal.append(b"y")
    with pytest.raises(JournalClosed):
        journal.acknowledge(1)


def test_a_record_too_large_is_refused_and_leaves_everything_as_it_was(folder: Path) -> None:
    with Journal.open(folder, new_id="j") as journal:
        with pytest.raises(JournalRecordTooLarge):
            journal.append(bytes(RECORD_BYTES_MAX + 1))
        assert journal.append_durable_sync(b"x") == 1


def test_what_waits_in_memory_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    real = disk.sync

    def slow_sync(descriptor: int) -> None:
        assert release.wait(30)
        real(descriptor)

    with Journal.open(folder, new_id="j", pending_bytes_max=1000) as journal:
        monkeypatch.setattr(disk, "sync", slow_sync)
        taken: list[int] = []

        def append_many() -> None:
            while len(taken) < 100:
                taken.append(journal.append(b"x" * 100))

        with pytest.raises(JournalOverloaded):
            append_many()
        assert 5 <= len(taken) <= 10
        release.set()
        journal.commit_sync(taken[-1])
        journal.append_durable_sync(b"x" * 100)


def test_a_journal_whose_disk_refuses_at_opening_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalFull, match="refused"):
        Journal.open(tmp_path / "file" / "journal", new_id="j")


def test_files_are_private(folder: Path) -> None:
    with Journal.open(folder, new_id="j") as journal:
        journal.append_durable_sync(b"x")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        assert not any(name.endswith(".new") for name in os.listdir(folder))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.binary(max_size=300)),
        st.tuples(st.just("batch"), st.lists(st.binary(max_size=60), min_size=1, max_size=8)),
        st.tuples(st.just("reopen"), st.integers(1, 600)),
        st.tuples(st.just("acknowledge"), st.integers(0, 100)),
    ),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(steps=steps, segment_bytes=st.integers(1, 600))
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]], segment_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("round")
    expected: list[tuple[int, bytes]] = []
    acknowledged = 0
    journal = Journal.open(folder, new_id="j", segment_bytes=segment_bytes)
    try:
        for kind, value in steps:
            if kind == "append":
                assert isinstance(value, bytes)
                expected.append((journal.append_durable_sync(value), value))
            elif kind == "batch":
                assert isinstance(value, list)
                expected += [(journal.append(payload), payload) for payload in value]
                journal.commit_sync(expected[-1][0])
            elif kind == "reopen":
                assert isinstance(value, int)
                journal.close()
                journal = Journal.open(folder, new_id="j", segment_bytes=value)
                assert journal.report.torn_tail is None
            else:
                assert isinstance(value, int)
                acknowledged = max(acknowledged, len(expected) * value // 100)
                journal.acknowledge(acknowledged)
            assert [seq for seq, _ in expected] == list(range(1, len(expected) + 1))
            assert contents(journal) == expected[acknowledged:]
    finally:
        journal.close()
