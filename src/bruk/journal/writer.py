"""The writer: one thread that makes everything pending durable with one write and one synchronisation, again
and again.

While the disk is busy with a batch, the next one gathers; nobody waits for a timer. When the disk refuses,
every pending record is given up, its waiters get `JournalFull`, and its number is never used again. The
segment is abandoned even where a repeated synchronisation would claim success (see `disk`), and the next
append begins a new one, whose header says where the readable records before it end.

An error therefore means: not known durable, and not handed over by this process. Should the process die
before the remains of the failed write are cut off, a later opening may find the record whole and keep it.

This module must never publish a number as durable before `disk.sync` has returned.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path

from bruk.journal.errors import JournalClosed, JournalError, JournalFull, JournalOverloaded
from bruk.journal.frame import FRAME_BYTES, Header, Record, pack_frame
from bruk.journal.segment import OpenSegment, Segment

_Waiter = tuple[int, "asyncio.Future[None]"]


@dataclass(frozen=True, slots=True)
class _Failed:
    """A stretch of numbers that the disk refused."""

    first_seq: int
    last_seq: int
    error: OSError


class Writer:
    """Owns the segments' order, the numbers and the thread. Its methods may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        salt: bytes,
        segments: list[Segment],
        last_seq: int,
        segment_bytes: int,
        pending_bytes_max: int,
    ) -> None:
        self.segments = segments  # Guarded by `lock`, as is everything below; oldest first.
        self.lock = threading.Lock()
        self.durable_seq = last_seq
        self.flushes = 0  # Batches made durable, one synchronisation each.
        self._folder = folder
        self._salt = salt
        self._segment_bytes = segment_bytes
        self._pending_bytes_max = pending_bytes_max
        self._next_seq = last_seq + 1
        self._pending: list[Record] = []
        self._pending_bytes = 0
        self._failed: list[_Failed] = []
        self._waiters: dict[asyncio.AbstractEventLoop, list[_Waiter]] = {}
        self._work = threading.Condition(self.lock)
        self._done = threading.Condition(self.lock)
        self._idle = self._waking = False
        self._closing = False
        self._ended = False
        self._defect: BaseException | None = None
        self._open: OpenSegment | None = None  # Touched by the thread alone.
        self._thread = threading.Thread(target=self._run, name=f"journal {folder.name}", daemon=True)
        self._thread.start()

    def append(self, payload: bytes, at_once: bool = True) -> int:
        """Queue a record and return its number; it goes to the disk at once, or with the next wait."""
        with self.lock:
            if self._closing or self._ended:
                raise self._closed()
            if self._pending_bytes + len(payload) > self._pending_bytes_max and self._pending_bytes:
                raise JournalOverloaded(
                    f"{self._pending_bytes} bytes wait to be written to {self._folder}, the disk does not"
                    " keep up."
                    " Wait for a commit before appending more.",
                    folder=str(self._folder),
                )
            seq = self._next_seq
            self._next_seq += 1
            self._pending.append(Record(seq, payload))
            self._pending_bytes += len(payload) + FRAME_BYTES
            if at_once:
                self._wake()
            return seq

    def wait(self, seq: int) -> None:
        """Block until the record is durable."""
        with self.lock:
            while not self._settled(seq):
                self._wake()
                self._done.wait()

    async def wait_async(self, seq: int) -> None:
        """Wait in the running event loop until the record is durable."""
        with self.lock:
            if self._settled(seq):
                return
            loop = asyncio.get_running_loop()
            future: asyncio.Future[None] = loop.create_future()
            self._waiters.setdefault(loop, []).append((seq, future))
            if self._idle and not self._waking:
                # All who wait in this turn of the loop share one waking, and one synchronisation.
                self._waking = True
                loop.call_soon(self._wake_all)
        await future

    def _wake_all(self) -> None:
        with self.lock:
            self._waking = False
            self._wake()

    def _wake(self) -> None:
        """Let the thread write; the caller holds `lock`."""
        if self._idle:
            self._idle = False
            self._work.notify()

    def close(self) -> None:
        """Make everything pending durable and end the thread."""
        with self.lock:
            self._closing = True
            self._work.notify()
        self._thread.join()

    def is_open(self, segment: Segment) -> bool:
        """Whether this segment is being written; the caller holds `lock`."""
        return self._open is not None and self._open.segment is segment

    def _settled(self, seq: int) -> bool:
        """Whether the record is durable; raises if it never will be. The caller holds `lock`."""
        assert 0 < seq < self._next_seq, f"record {seq} was never appended"
        for failed in reversed(self._failed):
            if failed.first_seq <= seq <= failed.last_seq:
                reason = failed.error.strerror or str(failed.error)
                raise JournalFull(
                    f"Record {seq} is not durable, the disk of {self._folder} refused it: {reason}. Free"
                    " space there;"
                    " the journal goes on by itself.",
                    seq=seq,
                    errno=failed.error.errno,
                ) from failed.error
        if seq <= self.durable_seq:
            return True
        if self._ended:
            raise self._closed()
        return False

    def _closed(self) -> JournalClosed:
        error = JournalClosed(f"The journal in {self._folder} is closed.", folder=str(self._folder))
        error.__cause__ = self._defect
        return error

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._flush(batch)
            if self._open is not None:
                # The mark is a precaution; without it the records are just as durable.
                with contextlib.suppress(OSError):
                    self._open.finish(mark=True)
        except BaseException as defect:  # Nobody else would tell the waiters.
            self._defect = defect
            raise
        finally:
            with self.lock:
                self._ended = True
                self._open = None
                self._publish()

    def _next_batch(self) -> list[Record] | None:
        """Return everything pending, waiting for some; None once closed and drained."""
        with self.lock:
            while not self._pending:
                if self._closing:
                    return None
                self._idle = True
                self._work.wait()
            self._idle = False
            batch, self._pending = self._pending, []
            return batch

    def _flush(self, batch: list[Record]) -> None:
        written = 0
        while written < len(batch):
            try:
                written = self._write(batch, written)
            except OSError as error:
                self._give_up(batch[written].seq, error)
                return

    def _write(self, batch: list[Record], start: int) -> int:
        """Make durable what fits into the segment, at least one record; return the index behind it."""
        if self._open is not None and self._open.end >= self._segment_bytes:
            finished, self._open = self._open, None
            finished.finish(mark=False)
        if self._open is None:
            header = Header(first_seq=batch[start].seq, durable_seq=self.durable_seq)
            created = OpenSegment.create(self._folder, header, self._salt)
            with self.lock:
                self._open = created
                self.segments.append(created.segment)
        frames, stop = bytearray(), start
        while stop < len(batch) and (stop == start or self._open.end + len(frames) < self._segment_bytes):
            frames += pack_frame(batch[stop].seq, self.durable_seq, batch[stop].payload, self._salt)
            stop += 1
        self._open.write(frames, batch[stop - 1].seq)
        with self.lock:
            self.durable_seq = batch[stop - 1].seq
            self.flushes += 1
            self._pending_bytes -= len(frames)
            self._publish()
        return stop

    def _give_up(self, first_seq: int, error: OSError) -> None:
        """Abandon the segment and fail this record and every later one that is pending."""
        abandoned = self._open
        if abandoned is not None:
            abandoned.abandon()
        with self.lock:
            self._open = None
            if abandoned is not None and abandoned.segment.last_seq < abandoned.segment.first_seq:
                self.segments.remove(abandoned.segment)
                with contextlib.suppress(OSError):
                    abandoned.segment.path.unlink()
            last_seq = self._next_seq - 1
            if self._failed and self._failed[-1].last_seq == first_seq - 1:
                # One long outage stays one stretch, however many times it was tried.
                first_seq = self._failed.pop().first_seq
            self._failed.append(_Failed(first_seq, last_seq, error))
            self._pending.clear()
            self._pending_bytes = 0
            self._publish()

    def _publish(self) -> None:
        """Wake every waiter whose record is settled; the caller holds `lock`."""
        self._done.notify_all()
        for loop, waiters in list(self._waiters.items()):
            settled: list[tuple[asyncio.Future[None], JournalError | None]] = []
            left: list[_Waiter] = []
            for seq, future in waiters:
                try:
                    if self._settled(seq):
                        settled.append((future, None))
                    else:
                        left.append((seq, future))
                except JournalError as error:
                    settled.append((future, error))
            if left:
                self._waiters[loop] = left
            else:
                del self._waiters[loop]
            if settled:
                # A loop that was closed meanwhile has nobody left to tell.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(_resolve, settled)


def _resolve(settled: list[tuple[asyncio.Future[None], JournalError | None]]) -> None:
    for future, error in settled:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
