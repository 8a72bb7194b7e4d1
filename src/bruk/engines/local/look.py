"""How one run fares, read from its records and from /proc; the engine's whole judgement.

The order of the questions matters: an end record settles everything; a run of another boot, or one
whose supervisor is gone, is lost, once nothing of it lives any more. Being lost is written down, so
that the answer stays the same.
"""

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from bruk.engines.base import EndCause, Status
from bruk.engines.local import records
from bruk.engines.local.index import Entry
from bruk.engines.local.processes import Process, alive, boot_id, descendants, end_strays, in_sandbox, process
from bruk.model.run import Observed


def look(entry: Entry, seen: Sequence[Process] | None = None) -> Status:
    """The state of the run. Ends what a dead supervisor has left behind.

    Args:
        seen: every process of the machine as just seen, where several runs are looked at; None:
            look now.
    """
    folder = entry.folder
    if folder is None:
        return _lost(entry, None, "the engine's entry for it is damaged")
    end = records.read_end(folder)
    if end is not None:
        return _ended(entry, end)
    record = records.read_record(folder)
    if record is None:
        return _unrecorded(entry, folder)
    if record.boot_id != boot_id():
        return _lost(entry, record, "the machine has restarted meanwhile")
    if alive(record.pid, record.start):
        return _living(entry, folder, record, seen)
    end = records.read_end(folder)  # It may have ended between the two looks.
    if end is not None:
        return _ended(entry, end)
    damaged = (folder / records.END).exists()
    why = "its end record is damaged" if damaged else "its supervisor was killed; nobody saw how it ended"
    return _lost(entry, record, why)


def _ended(entry: Entry, end: records.End) -> Status:
    return Status(
        handle=entry.handle,
        run=entry.run,
        generation=entry.generation,
        observed=Observed.LOST if end.exit_code is None else Observed.EXITED,
        exit_code=end.exit_code,
        started_at_ms=end.started_at_ms,
        ended_at_ms=end.ended_at_ms,
        detail=end.detail,
        cpu_ms=end.cpu_ms,
        placement=entry.placement,
        cause=EndCause(end.cause),
    )


def _living(entry: Entry, folder: Path, record: records.Record, seen: Sequence[Process] | None) -> Status:
    passed_ms = time.monotonic_ns() // 1_000_000 - record.monotonic_ms
    supervisor = process(record.pid)
    # A run that started after ``seen`` was taken is not in it.
    found = descendants([record.pid], seen) or descendants([record.pid])
    living = in_sandbox(found, record.pid) if record.isolation == "sandbox" else found
    stopping = records.read(folder / records.STOPPING)
    observed, detail, cause = Observed.RUNNING, "", EndCause.NONE
    if (folder / records.CLAIMED).exists():
        observed = Observed.STARTING
    elif stopping is not None:
        observed = Observed.STOPPING
        detail, cause = str(stopping.get("detail", "")), _cause(str(stopping.get("cause", "")))
    elif (folder / records.STOP).exists():
        observed, detail, cause = Observed.STOPPING, "stopped on request", EndCause.STOP
    elif not living:
        observed = Observed.STOPPING
        detail = "its command has ended; how, is about to be written (if this stays, the disk is full)"
    return Status(
        handle=entry.handle,
        run=entry.run,
        generation=entry.generation,
        observed=observed,
        processes=len(living),
        started_at_ms=record.started_at_ms,
        detail=detail,
        cpu_ms=sum(each.cpu_ms + each.reaped_cpu_ms for each in found)
        + (supervisor.reaped_cpu_ms if supervisor else 0),
        placement=entry.placement,
        cause=cause,
        alive_at_ms=record.started_at_ms + passed_ms if record.monotonic_ms else None,
    )


def _cause(text: str) -> EndCause:
    return EndCause(text) if text in records.CAUSES else EndCause.NONE


def _unrecorded(entry: Entry, folder: Path) -> Status:
    """The engine died while launching. Nobody may claim the order after this."""
    try:
        os.rename(folder / records.ORDER, folder / records.VOID)
    except OSError:
        return _lost(entry, None, "its record is damaged or was never written")
    return _lost(entry, None, "the engine ended before starting it; nothing ran")


def _lost(entry: Entry, record: records.Record | None, why: str) -> Status:
    """End what may be left, then say so for good."""
    folder = entry.folder
    started_at_ms = record.started_at_ms if record is not None else None
    same_boot = record is None or record.boot_id == boot_id()
    known = records.read_seen(folder) if folder is not None and same_boot else []
    left = end_strays(entry.mark, known)
    if left:
        return Status(
            handle=entry.handle,
            run=entry.run,
            generation=entry.generation,
            observed=Observed.STOPPING,
            processes=left,
            started_at_ms=started_at_ms,
            detail=f"{why}; {left} processes of it do not end",
            placement=entry.placement,
        )
    end = records.End(
        None, started_at_ms, _last_seen_ms(folder, record), EndCause.NONE.value, f"lost: {why}", 0
    )
    if folder is not None:
        with contextlib.suppress(OSError):  # On a full disk the next look finds the same again.
            records.write_end(folder, end)
    return _ended(entry, end)


def _last_seen_ms(folder: Path | None, record: records.Record | None) -> int | None:
    """The supervisor's last sign of life, the best bound there is for when a lost run ended [ms]."""
    try:
        if folder is None:
            return None
        seen_at_ms = (folder / records.SEEN).stat().st_mtime_ns // 1_000_000
    except OSError:
        return None
    return seen_at_ms if record is None else max(record.started_at_ms, seen_at_ms + record.clock_ahead_ms)
