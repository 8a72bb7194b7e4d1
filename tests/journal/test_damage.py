"""Torn tails are cut off with a report; damage to what was durable is an error that names file and offset."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bruk.journal import Journal, JournalCorrupt, disk
from bruk.journal.frame import FRAME_BYTES, HEADER_BYTES, Header, pack_frame, pack_header
from bruk.journal.journal import _salt

COUNT = 5
PAYLOAD = b"p" * 20
STEP = FRAME_BYTES + len(PAYLOAD)


def killed_copy(tmp_path: Path, segment_bytes: int = 10_000) -> Path:
    """A journal as a killed process leaves it: every record committed by itself, and never closed."""
    folder = tmp_path / "live"
    with Journal.open(folder, new_id="j", segment_bytes=segment_bytes) as journal:
        for _ in range(COUNT):
            journal.append_durable_sync(PAYLOAD)
        return shutil.copytree(folder, tmp_path / "killed")


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.seg"))


def seqs(folder: Path) -> list[int]:
    with Journal.open(folder, new_id="j") as journal:
        return [record.seq for record in journal.read_from(journal.acknowledged_seq + 1)]


def test_every_torn_tail_is_cut_to_the_last_whole_record(tmp_path: Path) -> None:
    source = killed_copy(tmp_path)
    whole = segments(source)[0].read_bytes()
    last = HEADER_BYTES + (COUNT - 1) * STEP
    for length in range(last, len(whole)):
        folder = shutil.copytree(source, tmp_path / f"torn{length}")
        segments(folder)[0].write_bytes(whole[:length])
        with Journal.open(folder, new_id="j") as journal:
            torn = journal.report.torn_tail
            if length == last:
                assert torn is None
            else:
                assert torn is not None
                assert (torn.offset, torn.length_bytes, torn.copy_path) == (last, length - last, None)
            assert journal.durable_seq == COUNT - 1
            assert journal.append_durable_sync(b"again") == COUNT
        assert seqs(folder) == [1, 2, 3, 4, 5]
        shutil.rmtree(folder)


@pytest.mark.parametrize("tail", [b"\x00" * 4096, b"\xff" * 33, b"\xb7BRj" * 20])
def test_any_other_tail_is_cut_as_well(tmp_path: Path, tail: bytes) -> None:
    folder = killed_copy(tmp_path)
    with segments(folder)[0].open("ab") as file:
        file.write(tail)
    with Journal.open(folder, new_id="j") as journal:
        assert journal.report.torn_tail is not None
        assert journal.report.torn_tail.length_bytes == len(tail)
    assert seqs(folder) == [1, 2, 3, 4, 5]


def test_every_damaged_byte_in_the_middle_is_an_error_that_names_file_and_offset(tmp_path: Path) -> None:
    folder = killed_copy(tmp_path)
    path = segments(folder)[0]
    whole = path.read_bytes()
    for position in range(HEADER_BYTES, HEADER_BYTES + (COUNT - 1) * STEP):
        changed = bytearray(whole)
        changed[position] ^= 0x10
        path.write_bytes(changed)
        with pytest.raises(JournalCorrupt) as caught:
            Journal.open(folder, new_id="j")
        start = HEADER_BYTES + (position - HEADER_BYTES) // STEP * STEP
        assert (caught.value.path, caught.value.offset) == (path, start)
        assert path.read_bytes() == changed, "an error changes nothing"


def test_a_clean_close_vouches_for_the_last_record_too(tmp_path: Path) -> None:
    killed_copy(tmp_path)
    folder = tmp_path / "live"
    path = segments(folder)[0]
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + (COUNT - 1) * STEP + FRAME_BYTES] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalCorrupt, match="record 5"):
        Journal.open(folder, new_id="j")


def test_a_damaged_header_is_an_error(tmp_path: Path) -> None:
    folder = killed_copy(tmp_path)
    path = segments(folder)[0]
    whole = path.read_bytes()
    for position in range(HEADER_BYTES):
        changed = bytearray(whole)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(JournalCorrupt):
            Journal.open(folder, new_id="j")


def test_finished_segments_have_no_torn_tails_only_damage(tmp_path: Path) -> None:
    folder = killed_copy(tmp_path, segment_bytes=100)
    paths = segments(folder)
    assert len(paths) > 2
    whole = paths[0].read_bytes()
    paths[0].write_bytes(whole[:-1])
    with pytest.raises(JournalCorrupt) as caught:
        Journal.open(folder, new_id="j")
    assert caught.value.path == paths[0]
    paths[0].write_bytes(whole)
    assert seqs(folder) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("index", [0, 1])
def test_a_missing_segment_is_an_error(tmp_path: Path, index: int) -> None:
    folder = killed_copy(tmp_path, segment_bytes=100)
    segments(folder)[index].unlink()
    with pytest.raises(JournalCorrupt):
        Journal.open(folder, new_id="j")


def test_a_segment_of_another_journal_is_refused(tmp_path: Path) -> None:
    folder = killed_copy(tmp_path)
    with Journal.open(tmp_path / "other", new_id="other") as other:
        other.append_durable_sync(b"x")
    shutil.copy(segments(tmp_path / "other")[0], segments(folder)[0])
    with pytest.raises(JournalCorrupt, match="another journal"):
        Journal.open(folder, new_id="j")


@pytest.mark.parametrize("name", ["journal.json", "position"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"\xff"])
def test_a_damaged_or_missing_side_file_is_an_error(tmp_path: Path, name: str, content: bytes | None) -> None:
    folder = killed_copy(tmp_path)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(JournalCorrupt, match=name):
        Journal.open(folder, new_id="j")


def test_one_torn_slot_leaves_the_position_before_it(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    with Journal.open(folder, new_id="j") as journal:
        for _ in range(3):
            journal.acknowledge(journal.append_durable_sync(b"x"))
    data = bytearray((folder / "position").read_bytes())
    for page, seq in ((4096, 2), (0, None)):
        data[page + 16] ^= 0xFF
        (folder / "position").write_bytes(data)
        if seq is None:
            with pytest.raises(JournalCorrupt, match="position"):
                Journal.open(folder, new_id="j")
        else:
            copy = shutil.copytree(folder, tmp_path / "copy")
            with Journal.open(copy, new_id="j") as journal:
                assert journal.acknowledged_seq == seq
                assert [record.seq for record in journal.read_from(seq + 1)] == [3]


def test_an_unvouched_hole_is_cut_and_a_copy_kept(tmp_path: Path) -> None:
    # After a loss of power, pages of a batch that was never acknowledged may have reached the disk out of
    # order.
    folder = killed_copy(tmp_path)
    path = segments(folder)[0]
    salt = _salt("j")
    hole = b"\x00" * STEP + pack_frame(7, 5, b"reached the disk", salt)
    with path.open("ab") as file:
        file.write(hole)
    with Journal.open(folder, new_id="j") as journal:
        torn = journal.report.torn_tail
        assert torn is not None
        assert torn.copy_path is not None
        assert torn.copy_path.read_bytes() == hole
        assert journal.durable_seq == 5


def test_a_payload_that_looks_like_a_frame_is_only_a_payload(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    inner = pack_frame(99, 98, b"smuggled", _salt("another journal"))
    with Journal.open(folder, new_id="j") as journal:
        journal.append_durable_sync(b"first")
        journal.append_durable_sync(inner + b"tail")
        copy = shutil.copytree(folder, tmp_path / "copy")
    path = segments(copy)[0]
    path.write_bytes(path.read_bytes()[:-2])
    assert seqs(copy) == [1]


def test_acknowledged_records_missing_at_the_tail_are_damage(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "live", new_id="j") as journal:
        for _ in range(3):
            journal.append_durable_sync(PAYLOAD)
        journal.acknowledge(2)
        folder = shutil.copytree(tmp_path / "live", tmp_path / "killed")
    path = segments(folder)[0]
    path.write_bytes(path.read_bytes()[: HEADER_BYTES + STEP])
    with pytest.raises(JournalCorrupt, match="record 2 cannot be read, but was durable once"):
        Journal.open(folder, new_id="j")


def test_opening_cuts_the_file_and_makes_what_it_keeps_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = killed_copy(tmp_path)
    path = segments(folder)[0]
    length = path.stat().st_size
    synced: list[tuple[int, int]] = []
    real = disk.sync

    def watch(descriptor: int) -> None:
        status = os.fstat(descriptor)
        synced.append((status.st_ino, status.st_size))
        real(descriptor)

    monkeypatch.setattr(disk, "sync", watch)
    for tail in (b"", b"torn"):
        with path.open("ab") as file:
            file.write(tail)
        synced.clear()
        Journal.open(folder, new_id="j").close()
        assert path.stat().st_size == length
        assert (path.stat().st_ino, length) in synced


def test_remains_of_a_failed_write_stay_hidden_before_an_empty_segment(tmp_path: Path) -> None:
    folder = killed_copy(tmp_path)
    salt = _salt("j")
    # Refused records that could not be cut off, then a new segment, then the process died before its first
    # record.
    with segments(folder)[0].open("ab") as file:
        file.write(pack_frame(COUNT + 1, COUNT, b"refused", salt))
    header = pack_header(Header(first_seq=COUNT + 2, durable_seq=COUNT), salt)
    (folder / f"{COUNT + 2:020d}.seg").write_bytes(header)
    for _ in range(2):
        assert seqs(folder) == [1, 2, 3, 4, 5]


@settings(max_examples=40, deadline=None)
@given(position=st.integers(0), mask=st.integers(1, 255))
def test_no_flipped_byte_ever_yields_a_wrong_record(
    tmp_path_factory: pytest.TempPathFactory, position: int, mask: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("flip")
    folder = killed_copy(tmp_path)
    path = segments(folder)[0]
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= mask
    path.write_bytes(data)
    try:
        with Journal.open(folder, new_id="j") as journal:
            records = [(record.seq, record.payload) for record in journal.read_from(1)]
            assert journal.report.torn_tail is not None
    except JournalCorrupt:
        return
    assert records == [(seq, PAYLOAD) for seq in range(1, COUNT)]
