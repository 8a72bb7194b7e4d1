"""A run's output on disk, bounded: what does not fit is counted and said, never silently gone.

A full disk must not end a run, so what cannot be written is dropped and the next line that fits
says how much. Standard library only: the supervisor imports it.
"""

import os
import threading
from pathlib import Path

NOTE_BYTES_MAX = 200


class Log:
    """Appends up to a limit, then one last line, then nothing. Any thread may append."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        """Open ``path`` for appending; ``limit_bytes`` is the most the file may hold [bytes]."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._limit_bytes = max(limit_bytes, NOTE_BYTES_MAX)
        self._size_bytes = os.fstat(self._file).st_size
        self._lost_bytes = 0
        self._full = False
        self._lock = threading.Lock()

    def append(self, data: bytes) -> None:
        """Keep ``data`` if there is room for it."""
        with self._lock:
            self._append(data)

    def say(self, sentence: str) -> None:
        """Keep a sentence of Bruk's own, on a line of its own."""
        self.append(_line(sentence))

    def _append(self, data: bytes) -> None:
        if self._full or not data:
            return
        room = self._limit_bytes - NOTE_BYTES_MAX - self._size_bytes
        if self._lost_bytes and room > 0:
            self._say(f"{self._lost_bytes} bytes of output could not be written (disk full?)")
        kept = self._put(data[: max(room, 0)])
        if len(data) > room:
            self._full = True
            self._say(f"the log has reached its limit of {self._limit_bytes} bytes; the rest is not kept")
        else:
            self._lost_bytes += len(data) - kept

    def close(self) -> None:
        """Make what was kept survive a power cut, if the disk can."""
        with self._lock:
            self._full = True
            try:
                os.fsync(self._file)
            except OSError:
                pass
            finally:
                os.close(self._file)

    def _say(self, sentence: str) -> None:
        line = _line(sentence)
        if self._put(line) == len(line):
            self._lost_bytes = 0

    def _put(self, data: bytes) -> int:
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
        except OSError:
            pass
        self._size_bytes += done
        return done


def _line(sentence: str) -> bytes:
    return f"\n[bruk] {sentence}\n".encode("utf-8", "replace")
