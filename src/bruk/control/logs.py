"""Logs and progress of runs as agents ship them: append by offset, so that a repeat changes nothing."""

import errno
from enum import StrEnum
from pathlib import Path

from bruk.control.blobs import DiskFull
from bruk.model.errors import Conflict, InvalidInput

CHUNK_BYTES_MAX = 1 << 20


class Stream(StrEnum):
    """What a run writes."""

    LOG = "log"
    PROGRESS = "progress"


class OffsetGap(Conflict):
    """The sender is ahead of what is here; ``next_offset`` says where to go on."""

    code = "offset_gap"


class LogStore:
    """One file a run and stream under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _path(self, run: str, stream: Stream) -> Path:
        if not run.replace("_", "").isalnum():
            raise InvalidInput(f"{run!r} is not the id of a run")
        return self.folder / f"{run}.{stream.value}"

    def append(self, run: str, stream: Stream, offset: int, data: bytes) -> int:
        """Write what is new of ``data`` and return the next offset [bytes].

        Raises:
            OffsetGap: ``offset`` lies beyond what is here.
            InvalidInput: the chunk is too large.
            DiskFull: there is no space; what fitted is kept and a repeat goes on behind it.
        """
        if len(data) > CHUNK_BYTES_MAX:
            raise InvalidInput(f"a chunk may have at most {CHUNK_BYTES_MAX} bytes")
        path = self._path(run, stream)
        have = path.stat().st_size if path.exists() else 0
        if offset > have:
            raise OffsetGap(f"{have} bytes are here; send from there", next_offset=have)
        fresh = data[have - offset :]
        try:
            if fresh:
                with path.open("ab") as file:
                    file.write(fresh)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull("the disk is full; free space, the log goes on from where it is") from error
            raise
        return have + len(fresh)

    def size(self, run: str, stream: Stream) -> int:
        """How much a run has written so far [bytes]."""
        path = self._path(run, stream)
        return path.stat().st_size if path.exists() else 0

    def read(
        self, run: str, stream: Stream, offset: int = 0, limit: int = CHUNK_BYTES_MAX
    ) -> tuple[bytes, int]:
        """Up to ``limit`` bytes from ``offset``, and the next offset."""
        path = self._path(run, stream)
        if not path.exists():
            return b"", offset
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(min(limit, CHUNK_BYTES_MAX))
        return data, offset + len(data)
