"""The journal's interface: open, append, commit, read, acknowledge, close.

A folder holds `journal.json` (the journal's id), `lock`, `position` and segments. Opening reads every record
that is left, so that damage is found before work begins, cuts off a torn tail and says so. Hand-over is at
least once: after a crash the records behind the last acknowledged one are read again, and the receiver drops
those whose (journal id, sequence number) it has. Numbers rise by one, save for stretches that the disk
refused, which stay unused.

It must never be opened by two processes: an exclusive `flock` sees to that. Look next at `writer` for group
commit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from bruk.journal import disk
from bruk.journal.errors import (
    JournalClosed,
    JournalCorrupt,
    JournalFull,
    JournalRecordGone,
    JournalRecordTooLarge,
)
from bruk.journal.frame import RECORD_BYTES_MAX, Record
from bruk.journal.position import Position
from bruk.journal.segment import Segment, TornTail, cut_behind_last, list_segments, read_records, recover
from bruk.journal.writer import Writer
from bruk.model.jsontext import parse_json

SEGMENT_BYTES = 16 * 1024 * 1024
PENDING_BYTES_MAX = 64 * 1024 * 1024
# What owners of usage keep of what was handed over: days of it, for a control that was restored from a
# backup [bytes].
KEEP_BYTES = 64 * 1024 * 1024
KEPT_SEGMENTS_MAX = 256
_ID_FILE = "journal.json"


@dataclass(frozen=True, slots=True)
class OpenReport:
    """What opening found: whether the journal is new, what waits for hand-over, what was cut off."""

    created: bool
    records_waiting: int
    last_seq: int
    torn_tail: TornTail | None


class Journal:
    """One durable append-only log in one folder; every method may be called from any thread.

    `journal_id` never changes; `report` says what opening found.
    """

    def __init__(
        self,
        folder: Path,
        journal_id: str,
        lock: int,
        position: Position,
        writer: Writer,
        salt: bytes,
        report: OpenReport,
        keep_bytes: int,
    ) -> None:
        self.folder = folder
        self.journal_id = journal_id
        self.report = report
        self._lock = lock
        self._position = position
        self._writer = writer
        self._salt = salt
        self._keep_bytes = keep_bytes
        self._closing = threading.Lock()
        self._closed = False

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        new_id: str,
        segment_bytes: int = SEGMENT_BYTES,
        pending_bytes_max: int = PENDING_BYTES_MAX,
        keep_bytes: int = 0,
    ) -> Journal:
        """Open the journal in this folder, creating both if they are missing.

        :param new_id: becomes the journal's id if it is created now, and is ignored otherwise; take it from
            the Clock.
        :param segment_bytes: size at which a new file is begun [bytes].
        :param pending_bytes_max: how much may wait in memory to be written [bytes].
        :param keep_bytes: how much of what was handed over is kept for a receiver that was set back to an
            older state and asks again [bytes]; see `oldest_seq`.
        :raises JournalLocked: if it is open already.
        :raises JournalCorrupt: if a record that was durable cannot be read.
        :raises JournalFull: if the disk refuses what opening has to write.
        """
        assert new_id, "a journal has an id"
        assert segment_bytes > 0, "a segment has a size"
        assert pending_bytes_max > 0, "something may wait"
        with contextlib.ExitStack() as undo:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = disk.lock(folder / "lock")
                undo.callback(os.close, lock)
                for draft in folder.glob("*.new"):
                    draft.unlink()
                created = not (folder / _ID_FILE).exists()
                journal_id = _create(folder, new_id) if created else _read_id(folder / _ID_FILE)
                salt = _salt(journal_id)
                position = Position.open(folder / "position", salt)
                undo.callback(position.close)
                segments, report = _recover(folder, salt, position.seq, created, keep_bytes)
            except OSError as error:
                raise _refused(folder, error) from error
            writer = Writer(folder, salt, segments, report.last_seq, segment_bytes, pending_bytes_max)
            undo.pop_all()
        return cls(folder, journal_id, lock, position, writer, salt, report, keep_bytes)

    @property
    def durable_seq(self) -> int:
        """The number of the newest durable record, 0 when there was none yet."""
        return self._writer.durable_seq

    @property
    def acknowledged_seq(self) -> int:
        """The handed-over position: every record up to it has been acknowledged."""
        return self._position.seq

    @property
    def oldest_seq(self) -> int:
        """The number from which on every durable record can still be read, handed over or not."""
        with self._writer.lock:
            segments = self._writer.segments
            return segments[0].first_seq if segments else self.acknowledged_seq + 1

    @property
    def flushes(self) -> int:
        """How many batches were made durable since opening, one synchronisation each."""
        return self._writer.flushes

    def append(self, payload: bytes, at_once: bool = True) -> int:
        """Queue a record and return its sequence number; it is durable only after `commit`.

        :param at_once: whether it is on its way to the disk from now on, or only once somebody waits for it.
        :raises JournalRecordTooLarge: beyond 16 MiB.
        :raises JournalOverloaded: if too much waits to be written.
        :raises JournalClosed: after `close`.
        """
        if len(payload) > RECORD_BYTES_MAX:
            raise JournalRecordTooLarge(
                f"A record of {len(payload)} bytes is longer than {RECORD_BYTES_MAX} bytes. Split it.",
                length_bytes=len(payload),
            )
        return self._writer.append(bytes(payload), at_once)

    async def commit(self, seq: int) -> None:
        """Wait until the record is durable; one synchronisation serves all who wait.

        :raises JournalFull: if the disk refused it; the record will not be handed over, append it anew.
        :raises JournalClosed: if the writer ended before.
        """
        await self._writer.wait_async(seq)

    async def append_durable(self, payload: bytes) -> int:
        """Append and commit; raises what both raise."""
        seq = self.append(payload)
        await self.commit(seq)
        return seq

    def commit_sync(self, seq: int) -> None:
        """As `commit`, blocking the calling thread; never call it inside an event loop."""
        self._writer.wait(seq)

    def append_durable_sync(self, payload: bytes) -> int:
        """As `append_durable`, blocking the calling thread; never call it inside an event loop."""
        seq = self.append(payload)
        self.commit_sync(seq)
        return seq

    def read_from(self, seq: int) -> Iterator[Record]:
        """Yield the records from number `seq` on that are durable now, in order.

        Hand-over reads from `acknowledged_seq + 1`. One segment is held in memory at a time.

        :raises JournalRecordGone: if `seq` was acknowledged and deleted.
        :raises JournalCorrupt: naming file and offset, if a record cannot be read.
        """
        with self._writer.lock:
            durable_seq = self._writer.durable_seq
            segments = [(segment, min(segment.last_seq, durable_seq)) for segment in self._writer.segments]
        if seq <= self.acknowledged_seq and (not segments or seq < segments[0][0].first_seq):
            raise self._gone(seq)
        return self._read(seq, segments)

    def _read(self, seq: int, segments: list[tuple[Segment, int]]) -> Iterator[Record]:
        for segment, last_seq in segments:
            if last_seq < seq:
                continue
            try:
                for record in read_records(segment, self._salt, last_seq):
                    if record.seq >= seq:
                        yield record
            except FileNotFoundError as error:
                if segment.last_seq <= self.acknowledged_seq:
                    raise self._gone(segment.first_seq) from error
                raise JournalCorrupt(segment.path, 0, "the file is missing") from error

    def _gone(self, seq: int) -> JournalRecordGone:
        return JournalRecordGone(
            f"Record {seq} was acknowledged and deleted; read from {self.acknowledged_seq + 1}.", seq=seq
        )

    def acknowledge(self, seq: int) -> None:
        """Note durably that every record up to `seq` was handed over, and delete segments that are done with.

        A number at or below the present position changes nothing. Works on a full disk.

        :raises JournalFull: if the disk refuses; the position is then unchanged.
        """
        with self._closing:
            if self._closed:
                raise JournalClosed(f"The journal in {self.folder} is closed.", folder=str(self.folder))
            assert seq <= self.durable_seq, f"record {seq} is not durable, so it cannot have been handed over"
            if seq <= self._position.seq:
                return
            try:
                self._position.store(seq)
            except OSError as error:
                raise _refused(self.folder, error) from error
            with self._writer.lock:
                segments, done = self._writer.segments, 0
                while done < len(segments) and segments[done].last_seq <= seq:
                    if self._writer.is_open(segments[done]):
                        break
                    done += 1
                done -= _kept(segments[:done], self._keep_bytes)
                deleted = segments[:done]
                del segments[:done]
            for segment in deleted:
                # One that cannot be deleted now is deleted when the journal is opened next.
                with contextlib.suppress(OSError):
                    segment.path.unlink()

    def close(self) -> None:
        """Make all that was appended durable, end the writer, give up the lock; a second call is idle."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._writer.close()
            self._position.close()
            os.close(self._lock)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _kept(done: list[Segment], keep_bytes: int) -> int:
    """How many of these segments, counted from the newest, together are within ``keep_bytes`` [bytes]."""
    count, total_bytes = 0, 0
    for segment in reversed(done[-KEPT_SEGMENTS_MAX:]):
        with contextlib.suppress(OSError):
            total_bytes += segment.path.stat().st_size
        if total_bytes > keep_bytes:
            break
        count += 1
    return count


def _recover(
    folder: Path, salt: bytes, acknowledged_seq: int, created: bool, keep_bytes: int
) -> tuple[list[Segment], OpenReport]:
    """Check every record that waits, cut off a torn tail, and delete what was handed over and is not kept."""
    segments = list_segments(folder, salt)
    torn_tail = None
    last_seq = acknowledged_seq
    if segments:
        first = segments[0]
        if first.durable_seq_before > acknowledged_seq:
            missing = f"records from {acknowledged_seq + 1} on stood in a file before it that is missing"
            raise JournalCorrupt(first.path, 0, missing)
        torn_tail = recover(segments[-1], salt, acknowledged_seq)
        last_seq = max([acknowledged_seq, *(segment.last_seq for segment in segments if not segment.empty)])
    waiting = 0
    for segment in segments:
        if segment.last_seq <= acknowledged_seq:
            continue  # Its damage would be no reason not to begin: the receiver has all of it.
        for record in read_records(segment, salt, segment.last_seq):
            waiting += record.seq > acknowledged_seq
    if segments and segments[-1].empty:
        # Without it nothing would say any more where the segment before it ends.
        for segment in [segment for segment in segments if not segment.empty][-1:]:
            cut_behind_last(segment, salt)
    full = [segment for segment in segments if not segment.empty]
    done = [segment for segment in full if segment.last_seq <= acknowledged_seq]
    kept = full[len(done) - _kept(done, keep_bytes) :]
    for segment in segments:
        if segment not in kept:
            segment.path.unlink()
    return kept, OpenReport(created, waiting, last_seq, torn_tail)


def _create(folder: Path, journal_id: str) -> str:
    """Write the files of a new journal, the id last, so that an attempt cut short is simply repeated."""
    stray = next(folder.glob("*.seg"), None)
    if stray is not None:
        raise JournalCorrupt(folder / _ID_FILE, 0, f"the file is missing, while {stray.name} holds records")
    Position.create(folder / "position", _salt(journal_id))
    document = json.dumps({"format": 1, "journal_id": journal_id}).encode()
    os.close(disk.create(folder / _ID_FILE, document))
    # The folder itself may be new, and its name is durable only once its parent is.
    disk.sync_folder(folder.parent)
    return journal_id


def _read_id(path: Path) -> str:
    try:
        document = parse_json(path.read_bytes())
        if document["format"] == 1 and isinstance(document["journal_id"], str) and document["journal_id"]:
            return str(document["journal_id"])
    except (ValueError, TypeError, KeyError) as error:
        raise JournalCorrupt(path, 0, "it does not hold the journal's id") from error
    raise JournalCorrupt(path, 0, "it is of a format this version does not read")


def _salt(journal_id: str) -> bytes:
    return hashlib.sha256(journal_id.encode()).digest()[:12]


def _refused(folder: Path, error: OSError) -> JournalFull:
    reason = error.strerror or str(error)
    return JournalFull(
        f"The disk of {folder} refused: {reason}. Free space or mend it, then try again.",
        folder=str(folder),
        errno=error.errno,
    )
