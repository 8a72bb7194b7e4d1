"""A copy of a journal while its owner writes to it.

Segments grow and go, and the position says which may go: a copy holds together if the position has
not moved while it was made, and is tried again if it has. Must never take the journal's lock or
change anything in its folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from bruk.journal.errors import JournalError
from bruk.journal.journal import KEEP_BYTES, Journal, OpenReport
from bruk.model.errors import ErrorKind

TRIES_MAX = 200
_POSITION = "position"


class JournalBusy(JournalError):
    """The journal moved on during every try to copy it; try again when less is being handed over."""

    code = "journal_busy"
    kind = ErrorKind.UNAVAILABLE


def snapshot(folder: Path, target: Path) -> OpenReport:
    """Copy the journal in ``folder`` into the new folder ``target``, and open the copy to prove it.

    :raises JournalCorrupt: if a record of it cannot be read.
    :raises JournalBusy: if it never stood still for long enough.
    :raises OSError: if the target's disk refuses.
    """
    for _ in range(TRIES_MAX):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(mode=0o700, parents=True)
        before = (folder / _POSITION).read_bytes()
        if _copied(folder, target) and (folder / _POSITION).read_bytes() == before:
            with Journal.open(target, new_id="copy", keep_bytes=KEEP_BYTES) as opened:
                report = opened.report
            (target / "lock").unlink()
            return report
    raise JournalBusy(
        f"The journal in {folder} moved on during each of {TRIES_MAX} tries to copy it. Try again later.",
        folder=str(folder),
    )


def _copied(folder: Path, target: Path) -> bool:
    """Whether every file was there to be copied; one that was deleted meanwhile was handed over."""
    for path in sorted(folder.iterdir()):
        if path.name == "lock" or path.suffix == ".new":
            continue
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return False
        (target / path.name).write_bytes(data)
    return True
