"""The bytes of a segment: a header, then records in frames.

Header [40 bytes, little-endian]: magic, sequence number of the first record to come, the last durable
sequence number before this segment, the journal's salt, CRC-32 of all that. It is written before the segment
gets its name.

Frame [28 bytes and the payload]: magic, CRC-32 of the rest, payload length, sequence number, and
`durable_seq`: the newest record known durable when this frame was written. Checksums start from the journal's
salt, so that a frame of another journal, or one smuggled in as payload, does not read as ours.

`durable_seq` is what tells a torn tail from damage. A record that cannot be read is a torn tail only while no
readable frame behind it vouches that it was durable once. Frames of kind MARK carry no payload: closing a
journal writes one to vouch for the last batch. This module must never repair; it says what it reads.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

RECORD_BYTES_MAX = 16 * 1024 * 1024

_HEADER = struct.Struct("<8sQQ12s")
_CRC = struct.Struct("<I")
_FRAME = struct.Struct("<4sIIQQ")
_CHECKED = struct.Struct("<IQQ")
_HEADER_MAGIC = b"BRUKJRN1"
_FRAME_MAGIC = b"\xb7BRj"
_MARK_LENGTH = 0xFFFFFFFF

HEADER_BYTES = _HEADER.size + _CRC.size
FRAME_BYTES = _FRAME.size


@dataclass(frozen=True, slots=True)
class Record:
    """One durable record: its sequence number and its payload."""

    seq: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as read: a record, or a mark (`payload` None) with the number of the record before it."""

    seq: int
    durable_seq: int
    payload: bytes | None
    end: int  # offset of the byte after the frame


@dataclass(frozen=True, slots=True)
class Header:
    """A segment's header."""

    first_seq: int
    durable_seq: int


def pack_header(header: Header, salt: bytes) -> bytes:
    """Return the header's bytes."""
    data = _HEADER.pack(_HEADER_MAGIC, header.first_seq, header.durable_seq, salt)
    return data + _CRC.pack(zlib.crc32(data))


def unpack_header(data: bytes, salt: bytes) -> Header | None:
    """Return the header at the start of these bytes, or None if it is damaged or another journal's."""
    if len(data) < HEADER_BYTES:
        return None
    magic, first_seq, durable_seq, found = _HEADER.unpack_from(data)
    (crc,) = _CRC.unpack_from(data, _HEADER.size)
    if magic != _HEADER_MAGIC or found != salt or crc != zlib.crc32(data[: _HEADER.size]):
        return None
    return Header(first_seq, durable_seq)


def pack_frame(seq: int, durable_seq: int, payload: bytes | None, salt: bytes) -> bytes:
    """Return the bytes of a record's frame, or of a mark when `payload` is None."""
    checked = _CHECKED.pack(_MARK_LENGTH if payload is None else len(payload), seq, durable_seq)
    crc = zlib.crc32(payload or b"", zlib.crc32(checked, zlib.crc32(salt)))
    return _FRAME_MAGIC + _CRC.pack(crc) + checked + (payload or b"")


def read_frame(data: memoryview, offset: int, salt: bytes) -> Frame | None:
    """Return the frame at the offset, or None if no whole, undamaged frame stands there."""
    if offset + FRAME_BYTES > len(data):
        return None
    magic, crc, length, seq, durable_seq = _FRAME.unpack_from(data, offset)
    mark = length == _MARK_LENGTH
    end = offset + FRAME_BYTES + (0 if mark else length)
    if magic != _FRAME_MAGIC or (not mark and length > RECORD_BYTES_MAX) or end > len(data):
        return None
    if crc != zlib.crc32(data[offset + 8 : end], zlib.crc32(salt)):
        return None
    return Frame(seq, durable_seq, None if mark else bytes(data[offset + FRAME_BYTES : end]), end)


def frames_behind(data: bytes, offset: int, salt: bytes) -> Iterator[Frame]:
    """Yield every readable frame that stands anywhere behind the offset; used to judge an unreadable one."""
    view = memoryview(data)
    while (offset := data.find(_FRAME_MAGIC, offset + 1)) >= 0:
        frame = read_frame(view, offset, salt)
        if frame is not None:
            yield frame
            offset = frame.end - 1
