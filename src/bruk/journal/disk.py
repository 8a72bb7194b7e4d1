"""What the journal asks of the file system, in one place, so that tests can make each of these acts fail.

It must never answer before the disk has: `sync` returns only when the kernel reports the data durable. After
a failed synchronisation Linux marks the pages clean, and a second call succeeds although the data is lost
(Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020); so callers never repeat a
failed one on the same file, they abandon the file and write anew.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from bruk.journal.errors import JournalLocked

# fdatasync also makes the new size of a file durable, which is all the metadata that reading back needs.
_sync_data = getattr(os, "fdatasync", os.fsync)


def write_at(descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """Write all of the data at the offset.

    :raises OSError: when the disk refuses; a part may have been written.
    """
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        if written == 0:
            raise OSError(errno.EIO, "nothing was written")
        view, offset = view[written:], offset + written


def sync(descriptor: int) -> None:
    """Make the file's data and size durable.

    :raises OSError: when the disk refuses; what was not yet durable may be lost, whatever a second call says.
    """
    _sync_data(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create(path: Path, data: bytes) -> int:
    """Create the file with this content, whole or not at all, durably; return a descriptor open for writing.

    :raises OSError: when the disk refuses; nothing is left behind.
    """
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_at(descriptor, data, 0)
        sync(descriptor)
        os.rename(draft, path)
        sync_folder(path.parent)
    except BaseException:
        os.close(descriptor)
        draft.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise
    return descriptor


def lock(path: Path) -> int:
    """Take the exclusive lock on this file; it ends with the returned descriptor, also when the process is
    killed.

    :raises JournalLocked: if somebody holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise JournalLocked(
            f"The journal in {path.parent} is open already. Two writers would destroy it: stop the other"
            " process first.",
            folder=str(path.parent),
        ) from error
    return descriptor
