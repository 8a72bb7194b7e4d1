"""The files between engine and supervisor: whole or not at all, also on a full disk."""

import errno
import os
from pathlib import Path

import pytest

from bruk.engines.base import EndCause
from bruk.engines.local import child, records, supervisor

END = records.End(3, 1000, 2000, "", "", 5)
WRONG = b'{"exit_code": "0", "started_at_ms": 1, "ended_at_ms": 2, "cause": "", "detail": "", "cpu_ms": 0}'


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    records.write_end(tmp_path, END)
    assert records.read_end(tmp_path) == END
    assert [path.name for path in tmp_path.iterdir()] == ["end.json"]


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_failed_write_changes_nothing_and_leaves_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    records.write_end(tmp_path, END)
    monkeypatch.setattr(os, call, _no_space)
    with pytest.raises(OSError, match="No space"):
        records.write(tmp_path / records.END, {"exit_code": 9})
    monkeypatch.undo()
    assert records.read_end(tmp_path) == END
    assert [path.name for path in tmp_path.iterdir()] == ["end.json"]


def test_the_end_is_written_on_the_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records.write_reserve(tmp_path)
    assert (tmp_path / records.RESERVE).stat().st_blocks * 512 >= records.RESERVE_BYTES
    write = os.write

    def full_until_the_reserve_goes(file: int, data: bytes) -> int:
        return _no_space() if (tmp_path / records.RESERVE).exists() else write(file, data)

    monkeypatch.setattr(os, "write", full_until_the_reserve_goes)
    records.write_end(tmp_path, END)
    assert records.read_end(tmp_path) == END


def test_a_supervisor_on_a_full_disk_tries_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order = records.Order("run-a", 1, "m", ["true"], {}, "/", [], [], None, 1, 0, 0, [], 1000)
    watch = supervisor.Supervisor(tmp_path, order)
    watch.command, watch.started_at_ms = child.Command(0), 1000
    watch.command.status = 3 << 8
    write, sleeps = os.write, []

    def full_for_a_while(file: int, data: bytes) -> int:
        return write(file, data) if len(sleeps) >= 3 else _no_space()

    monkeypatch.setattr(os, "write", full_for_a_while)
    monkeypatch.setattr(supervisor.time, "sleep", sleeps.append)
    watch.write_end()
    end = records.read_end(tmp_path)
    assert end is not None
    assert end.exit_code == 3
    assert len(sleeps) == 3
    assert "cannot write how the run ended" in capsys.readouterr().out


def test_a_damaged_file_reads_as_absent(tmp_path: Path) -> None:
    for text in (
        b"",
        b"{",
        b"[]",
        b'{"pid": 1}',
        b"\xff\xfe",
        b'{"processes": [[1], 2]}',
        b"9" * 5000,
        WRONG,
    ):
        for name in (records.RECORD, records.END, records.ORDER, records.SEEN):
            (tmp_path / name).write_bytes(text)
        assert records.read_record(tmp_path) is None
        assert records.read_end(tmp_path) is None
        assert records.read_order(tmp_path / records.ORDER) is None
        assert records.read_seen(tmp_path) == []


def test_causes_are_the_protocols() -> None:
    assert tuple(EndCause) == records.CAUSES


def test_wait_statuses_read_as_in_a_shell() -> None:
    assert [supervisor.exit_code(status) for status in (0, 3 << 8, 255 << 8, 9, 15, 139)] == [
        0,
        3,
        255,
        137,
        143,
        139,
    ]


def _no_space(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")
