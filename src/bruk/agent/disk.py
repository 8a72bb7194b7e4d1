"""Files that the agent relies on: written whole or not at all, and read without being led astray.

Runs write into their own folders, so everything read from there is opened without following
links and only if it is a regular file. Nothing here knows what the bytes mean.
"""

import contextlib
import os
import re
import shutil
import stat
from pathlib import Path

from bruk.journal.disk import sync_folder
from bruk.model.errors import InvalidInput

_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")


def check_segment(text: str, what: str) -> str:
    """Return ``text`` if it can be one component of a path, as identifiers and names can.

    Raises:
        InvalidInput: it is empty, too long, or could lead out of its folder.
    """
    if not _SEGMENT.fullmatch(text):
        raise InvalidInput(f"{what} {text!r} cannot name a folder: take letters, digits, '_', '-', '.', '+'")
    return text


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file at once and for good: after a crash it holds the old bytes or the new.

    Raises:
        OSError: the disk refused; the old bytes stand.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_slice(path: Path, offset: int, limit: int) -> bytes:
    """Up to ``limit`` bytes of a regular file from ``offset``; nothing when it is not there.

    A link, a pipe or a device in its place reads as nothing: the writer is not to be trusted.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return os.pread(descriptor, limit, offset)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def free_bytes(folder: Path) -> int:
    """Room left on the folder's disk for this user [bytes]."""
    return shutil.disk_usage(folder).free


def remove_tree(folder: Path) -> None:
    """Remove a folder with everything in it, read-only folders too; absent is fine.

    Raises:
        OSError: something of it cannot be removed.
    """
    if not folder.exists():
        return
    for root, _, _ in os.walk(folder):
        os.chmod(root, 0o700)
    shutil.rmtree(folder)
