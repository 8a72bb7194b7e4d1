"""Segments: the files that hold the records, named after the first record to come.

A finished segment ends where the header of the next one says; bytes behind that are left from a failed write
and are not read. Only the last segment may have a torn tail. This module must never change a finished
segment. Look next at `frame` for the bytes and at `writer` for who writes them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bruk.journal import disk
from bruk.journal.errors import JournalCorrupt
from bruk.journal.frame import (
    HEADER_BYTES,
    Frame,
    Header,
    Record,
    frames_behind,
    pack_frame,
    pack_header,
    read_frame,
    unpack_header,
)


@dataclass(slots=True)
class Segment:
    """A segment; `last_seq` is its last durable record, `first_seq` - 1 while it has none."""

    path: Path
    first_seq: int
    last_seq: int
    durable_seq_before: int

    @property
    def empty(self) -> bool:
        """Whether the segment holds no durable record."""
        return self.last_seq < self.first_seq


@dataclass(frozen=True, slots=True)
class TornTail:
    """What opening a journal cut off: bytes of a write that never became durable.

    `copy_path` names a copy of them, kept when whole records stood among them.
    """

    path: Path
    offset: int
    length_bytes: int
    copy_path: Path | None


class OpenSegment:
    """The one segment that is being written; `end` is the offset behind its last durable record."""

    def __init__(self, segment: Segment, descriptor: int, salt: bytes) -> None:
        self.segment = segment
        self.end = HEADER_BYTES
        self._descriptor = descriptor
        self._salt = salt

    @classmethod
    def create(cls, folder: Path, header: Header, salt: bytes) -> OpenSegment:
        """Create a segment durably.

        :raises OSError: when the disk refuses; nothing is left behind.
        """
        path = segment_path(folder, header.first_seq)
        descriptor = disk.create(path, pack_header(header, salt))
        return cls(
            Segment(path, header.first_seq, header.first_seq - 1, header.durable_seq), descriptor, salt
        )

    def write(self, frames: bytes | bytearray, last_seq: int) -> None:
        """Append frames and make them durable.

        :raises OSError: when the disk refuses; then the segment must be abandoned.
        """
        disk.write_at(self._descriptor, frames, self.end)
        disk.sync(self._descriptor)
        self.end += len(frames)
        self.segment.last_seq = last_seq

    def abandon(self) -> None:
        """Stop using the segment after a failure: cut off what is not durable and close.

        Cutting may fail as well; the next segment's header then says where this one ends.
        """
        try:
            os.ftruncate(self._descriptor, self.end)
            disk.sync(self._descriptor)
        except OSError:
            pass
        finally:
            os.close(self._descriptor)

    def finish(self, mark: bool) -> None:
        """Close the segment, all of which is durable; a mark vouches for its last records."""
        try:
            if mark and self.segment.last_seq >= self.segment.first_seq:
                last_seq = self.segment.last_seq
                self.write(pack_frame(last_seq, last_seq, None, self._salt), last_seq)
        finally:
            os.close(self._descriptor)


def segment_path(folder: Path, first_seq: int) -> Path:
    """Return the path of the segment whose first record has this number."""
    return folder / f"{first_seq:020d}.seg"


def list_segments(folder: Path, salt: bytes) -> list[Segment]:
    """Return the folder's segments in order; each but the last ends where the next one's header says.

    The last one's `last_seq` is left at `first_seq` - 1, for `recover` to find.

    :raises JournalCorrupt: if a header is damaged or contradicts its file's name.
    """
    segments: list[Segment] = []
    for path in sorted(folder.glob("*.seg")):
        with path.open("rb") as file:
            header = unpack_header(file.read(HEADER_BYTES), salt)
        if header is None or path != segment_path(folder, header.first_seq):
            raise JournalCorrupt(path, 0, "its header is damaged, or it belongs to another journal")
        if segments:
            before = segments[-1]
            before.last_seq = max(header.durable_seq, before.first_seq - 1)
        segments.append(Segment(path, header.first_seq, header.first_seq - 1, header.durable_seq))
    return segments


def read_records(segment: Segment, salt: bytes, last_seq: int) -> Iterator[Record]:
    """Yield the segment's records up to `last_seq`, all of which must be there.

    :raises JournalCorrupt: naming file and offset of the first that is not.
    :raises FileNotFoundError: if the segment was deleted.
    """
    for frame in _frames(segment, salt, last_seq):
        if frame.payload is not None:
            yield Record(frame.seq, frame.payload)


def cut_behind_last(segment: Segment, salt: bytes) -> None:
    """Cut off, durably, what a failed write left behind the segment's last durable record.

    :raises JournalCorrupt: if a record before it cannot be read.
    """
    _cut(segment.path, max(frame.end for frame in _frames(segment, salt, segment.last_seq)))


def _frames(segment: Segment, salt: bytes, last_seq: int) -> Iterator[Frame]:
    due, offset = segment.first_seq, HEADER_BYTES
    if due > last_seq:
        return
    data = memoryview(segment.path.read_bytes())
    while due <= last_seq:
        frame = read_frame(data, offset, salt)
        if frame is None:
            raise JournalCorrupt(segment.path, offset, f"record {due} cannot be read")
        if frame.seq != (due if frame.payload is not None else due - 1):
            raise JournalCorrupt(segment.path, offset, f"record {due} was due, {frame.seq} stands there")
        yield frame
        due, offset = frame.seq + 1, frame.end


def _cut(path: Path, length_bytes: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, length_bytes)
        disk.sync(descriptor)
    finally:
        os.close(descriptor)


def recover(segment: Segment, salt: bytes, known_durable_seq: int) -> TornTail | None:
    """Find the end of the last segment, cut off a torn tail, make the rest durable, and set `last_seq`.

    :param known_durable_seq: a record that was durable by other evidence; one missing up to it is damage.
    :raises JournalCorrupt: if a record that was durable once cannot be read.
    """
    data = segment.path.read_bytes()
    view = memoryview(data)
    due, offset = segment.first_seq, HEADER_BYTES
    while (frame := read_frame(view, offset, salt)) is not None:
        if frame.seq != (due if frame.payload is not None else due - 1):
            raise JournalCorrupt(segment.path, offset, f"record {due} was due, {frame.seq} stands there")
        due, offset = frame.seq + 1, frame.end
    segment.last_seq = due - 1
    behind = [frame.durable_seq for frame in frames_behind(data, offset, salt)]
    if max([known_durable_seq, *behind]) >= due:
        raise JournalCorrupt(segment.path, offset, f"record {due} cannot be read, but was durable once")
    torn = None
    if offset < len(data):
        copy_path = segment.path.with_name(f"{segment.path.name}.{offset}.torn") if behind else None
        if copy_path is not None:
            os.close(disk.create(copy_path, data[offset:]))
        torn = TornTail(segment.path, offset, len(data) - offset, copy_path)
    # Also when nothing is cut: a killed process leaves records in the page cache that no synchronisation
    # has made durable yet.
    _cut(segment.path, offset)
    return torn
