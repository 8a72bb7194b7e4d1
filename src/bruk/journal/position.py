"""How far the journal was handed over: one number, durable, in a file that never grows.

Two slots on two pages are written in turn, each with a generation and a checksum, so that a torn write leaves
the other one. They are overwritten in place because a full disk must not keep the journal from noting what
may be deleted. This module must never move the position back.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

from bruk.journal import disk
from bruk.journal.errors import JournalCorrupt

_SLOT = struct.Struct("<8sQQ")
_CRC = struct.Struct("<I")
_MAGIC = b"BRUKPOS1"
_PAGE_BYTES = 4096


class Position:
    """The handed-over position of one journal."""

    def __init__(self, descriptor: int, generation: int, seq: int, salt: bytes) -> None:
        self._descriptor = descriptor
        self._generation = generation
        self._salt = salt
        self.seq = seq

    @classmethod
    def create(cls, path: Path, salt: bytes) -> None:
        """Create the file durably at position 0, replacing one left from a creation that was cut short."""
        page = _pack(0, 0, salt).ljust(_PAGE_BYTES, b"\x00")
        os.close(disk.create(path, page + page))

    @classmethod
    def open(cls, path: Path, salt: bytes) -> Position:
        """Open the file at its newest whole slot.

        :raises JournalCorrupt: if it is missing or neither slot can be read.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise JournalCorrupt(path, 0, "the file is missing") from error
        slots = [_unpack(os.pread(descriptor, _SLOT.size + 4, page), salt) for page in (0, _PAGE_BYTES)]
        whole = [slot for slot in slots if slot is not None]
        if not whole:
            os.close(descriptor)
            raise JournalCorrupt(path, 0, "neither copy of the handed-over position can be read")
        generation, seq = max(whole)
        return cls(descriptor, generation, seq, salt)

    def store(self, seq: int) -> None:
        """Make the new position durable.

        :raises OSError: when the disk refuses; the position is then unchanged.
        """
        assert seq > self.seq, "the position only moves forward"
        generation = self._generation + 1
        disk.write_at(self._descriptor, _pack(generation, seq, self._salt), generation % 2 * _PAGE_BYTES)
        disk.sync(self._descriptor)
        self._generation, self.seq = generation, seq

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _pack(generation: int, seq: int, salt: bytes) -> bytes:
    data = _SLOT.pack(_MAGIC, generation, seq)
    return data + _CRC.pack(zlib.crc32(data, zlib.crc32(salt)))


def _unpack(data: bytes, salt: bytes) -> tuple[int, int] | None:
    if len(data) != _SLOT.size + _CRC.size:
        return None
    magic, generation, seq = _SLOT.unpack_from(data)
    if magic != _MAGIC or _CRC.unpack_from(data, _SLOT.size)[0] != zlib.crc32(
        data[: _SLOT.size], zlib.crc32(salt)
    ):
        return None
    return generation, seq
