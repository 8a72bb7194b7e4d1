"""The errors of the journal room; each carries a stable `code` and identifiers in `detail`."""

from __future__ import annotations

from pathlib import Path

from bruk.model.errors import BrukError, ErrorKind


class JournalError(BrukError):
    """Base of every error raised by this room."""

    code = "journal_error"


class JournalFull(JournalError):
    """The disk refused a write (no space, quota, I/O error); the record is not known to be durable.

    The journal goes on by itself: the next append tries a new segment, and succeeds once the disk takes it.
    """

    code = "journal_full"
    kind = ErrorKind.UNAVAILABLE


class JournalOverloaded(JournalError):
    """More is waiting to be written than the journal holds in memory; shed load or wait for commits."""

    code = "journal_overloaded"
    kind = ErrorKind.UNAVAILABLE


class JournalClosed(JournalError):
    """The journal was closed, or its writer ended on a defect; the cause is attached."""

    code = "journal_closed"
    kind = ErrorKind.UNAVAILABLE


class JournalLocked(JournalError):
    """Another process, or another opener in this one, holds the journal."""

    code = "journal_locked"
    kind = ErrorKind.CONFLICT


class JournalCorrupt(JournalError):
    """Bytes that were durable are damaged or missing; names the file and the offset."""

    code = "journal_corrupt"

    def __init__(self, path: Path, offset: int, what: str) -> None:
        super().__init__(
            f"{path} is damaged at byte {offset}: {what}. Nothing was dropped. Keep the folder as it is,"
            " restore the"
            " file from a copy, or move the folder away to begin a new journal and carry over by hand"
            " what is readable.",
            path=str(path),
            offset=offset,
        )
        self.path = path
        self.offset = offset


class JournalRecordGone(JournalError):
    """The record asked for was acknowledged and its segment deleted."""

    code = "journal_record_gone"
    kind = ErrorKind.NOT_FOUND


class JournalRecordTooLarge(JournalError):
    """A payload is longer than a record may be."""

    code = "journal_record_too_large"
    kind = ErrorKind.INVALID
