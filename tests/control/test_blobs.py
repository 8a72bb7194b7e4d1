"""Bytes, logs and waiting: what control keeps beside the database."""

import asyncio
import errno
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bruk.control.blobs import BlobStore, BlobTooLarge, DiskFull
from bruk.control.control import Changes
from bruk.control.logs import LogStore, OffsetGap, Stream
from bruk.model.errors import InvalidInput, NotFound


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_bytes_come_back_as_they_were(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    digest, size = store.put("a", [b"one", b"", b"two"])
    assert (digest, size) == (hashlib.sha256(b"onetwo").hexdigest(), 6)
    assert store.has(digest)
    assert store.size_bytes(digest) == 6
    assert store.read(digest, 6) == b"onetwo"
    with pytest.raises(BlobTooLarge):
        store.read(digest, 5)
    assert store.put("b", [b"onetwo"])[0] == digest
    assert len(_files(tmp_path)) == 1
    store.remove(digest)
    store.remove(digest)
    with pytest.raises(NotFound):
        store.open(digest)


@pytest.mark.parametrize("digest", ["", "x", "../" * 22, "A" * 64, "0" * 63, "0" * 65, "0" * 63 + "\n"])
def test_only_a_digest_is_a_digest(tmp_path: Path, digest: str) -> None:
    with pytest.raises(InvalidInput):
        BlobStore(tmp_path).has(digest)


def _breaking(error: BaseException) -> Iterator[bytes]:
    yield b"begun"
    raise error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), DiskFull),
        (OSError(errno.EIO, "Input/output error"), OSError),
        (RuntimeError("the line broke"), RuntimeError),
    ],
)
def test_an_upload_that_breaks_leaves_nothing(
    tmp_path: Path, error: BaseException, expected: type[BaseException]
) -> None:
    store = BlobStore(tmp_path)
    with pytest.raises(expected):
        store.put("a", _breaking(error))
    assert _files(tmp_path) == []


def test_what_a_crash_left_goes_at_the_next_start(tmp_path: Path) -> None:
    BlobStore(tmp_path)
    (tmp_path / "incoming" / "half").write_bytes(b"half")
    BlobStore(tmp_path)
    assert _files(tmp_path) == []


def test_the_same_bytes_at_once_are_kept_once(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    threads = [threading.Thread(target=store.put, args=(str(n), [b"x" * 10_000] * 20)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_files(tmp_path)) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), max_size=12))
def test_pieces_in_any_order_make_the_log_or_nothing(
    tmp_path: Path, whole: bytes, pieces: list[tuple[int, int]]
) -> None:
    store = LogStore(tmp_path / "logs")
    for path in store.folder.iterdir():
        path.unlink()
    for start, end in pieces:
        have = store.size("run_1", Stream.LOG)
        if start > have:
            with pytest.raises(OffsetGap) as gap:
                store.append("run_1", Stream.LOG, start, whole[start:end])
            assert gap.value.detail["next_offset"] == have
        else:
            following = store.append("run_1", Stream.LOG, start, whole[start:end])
            assert following == store.size("run_1", Stream.LOG) == max(have, min(end, len(whole)))
        data, _ = store.read("run_1", Stream.LOG)
        assert data == whole[: len(data)]


@pytest.mark.parametrize("run", ["../x", "", "a/b", "a\0", "run_1\n", "."])
def test_a_log_is_of_a_run(tmp_path: Path, run: str) -> None:
    with pytest.raises(InvalidInput):
        LogStore(tmp_path).append(run, Stream.LOG, 0, b"x")
    assert _files(tmp_path) == []


def test_a_full_disk_stops_a_log_and_not_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LogStore(tmp_path)
    store.append("run_1", Stream.LOG, 0, b"before")
    real_open = Path.open

    def full(self: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
        if "a" in mode:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_open(self, mode, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(DiskFull):
            store.append("run_1", Stream.LOG, 6, b"after")
    assert store.append("run_1", Stream.LOG, 6, b"after") == 11


def test_waiting_ends_with_a_change_and_not_before(tmp_path: Path) -> None:
    changes = Changes()

    async def play() -> list[int]:
        known = changes.version
        waiters = [asyncio.create_task(changes.wait_past(known, 60_000)) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiters)
        await asyncio.to_thread(changes.bump)
        return list(await asyncio.gather(*waiters))

    assert asyncio.run(play()) == [2, 2, 2]
    assert asyncio.run(changes.wait_past(1, 60_000)) == 2
    assert asyncio.run(changes.wait_past(2, 1)) == 2
    # Waiters of a loop that is gone hold nothing up.
    changes.bump()
    assert changes.version == 3
