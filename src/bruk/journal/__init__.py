"""One durable append-only log, used by the gateway for usage and by the agent for meters and observations.

Many threads and tasks append; one write and one synchronisation to disk serve all who wait (group commit).
What was acknowledged survives `kill -9` and loss of power; it is read back in order, handed over at least
once, and deleted only when the receiver has it.

It must never acknowledge what is not durable, and never drop a damaged record in silence.
Look next at `journal` for the interface, at `frame` for the bytes, at `disk` for what is asked of the file
system.
"""

from bruk.journal.errors import (
    JournalClosed,
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalLocked,
    JournalOverloaded,
    JournalRecordGone,
    JournalRecordTooLarge,
)
from bruk.journal.frame import RECORD_BYTES_MAX, Record
from bruk.journal.journal import KEEP_BYTES, Journal, OpenReport

__all__ = [
    "KEEP_BYTES",
    "RECORD_BYTES_MAX",
    "Journal",
    "JournalClosed",
    "JournalCorrupt",
    "JournalError",
    "JournalFull",
    "JournalLocked",
    "JournalOverloaded",
    "JournalRecordGone",
    "JournalRecordTooLarge",
    "OpenReport",
    "Record",
]
