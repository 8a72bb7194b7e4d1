"""The files through which an engine and the supervisor of a run speak.

Every file is written whole or not at all (temporary file, fsync, rename), and every reader treats a
damaged one as absent. Nothing here decides anything. Standard library only: the supervisor
imports it.

``order.json``    what to start; written by the engine. Whoever renames it to ``claimed.json`` (the
                  supervisor) or to ``void.json`` (an engine that found it unclaimed) alone may act
                  on it: so a run starts once, whatever dies in between.
``record.json``   who supervises, since when; written before the command starts.
``stop.json``     by when the run must be gone; the engine only ever brings that time forward.
``stopping.json`` why the supervisor is ending the run.
``seen.json``     the run's processes as last seen; its mtime is the supervisor's sign of life.
``end.json``      how it ended. Written last; nothing changes after it.
``output.log``    stdout and stderr as they came.
``network.log``   what the run was connected to and what it was refused, by its proxy.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ORDER, CLAIMED, VOID = "order.json", "claimed.json", "void.json"
RECORD, STOP, STOPPING, SEEN, END = "record.json", "stop.json", "stopping.json", "seen.json", "end.json"
LOG, NETWORK_LOG, SUPERVISOR_LOG, RESERVE = "output.log", "network.log", "supervisor.log", "reserve"
RESERVE_BYTES = 16384
CAUSES = ("", "stop", "time_limit", "disk", "memory", "processes", "start")  # engines.base.EndCause


@dataclass(frozen=True, slots=True)
class Order:
    """What a supervisor starts and how it bounds it; see ``engines.base.Launch``.

    Attributes:
        cores: processors it may use; empty: any.
        cgroup: folder of a cgroup v2 whose children may limit memory; empty: memory is watched.
        log_bytes: most that is kept of its output [bytes].
        isolation: what keeps it apart (``model.site.Isolation``).
        network: destinations that it may reach beyond its own loopback.
        opened: the operator's destinations, among which addresses open what is not of the public internet.
        bwrap: where bubblewrap is, for a sandbox.
        processes_max: most processes it may have at once; 0: not limited.
        software: folders beside the machine's own that every run may read.
        devices: device files of its accelerators.
        hidden: the engine's folders, never visible in a sandbox.
        clock_ms, monotonic_ms: one moment, by Bruk's time and by the machine's monotonic clock, so
            that a clock that is set moves no time of the run.
    """

    run: str
    generation: int
    mark: str
    command: list[str]
    env: dict[str, str]
    workdir: str
    writable: list[str]
    readable: list[str]
    time_limit_s: int | None
    grace_s: int
    disk_bytes: int
    memory_bytes: int
    cores: list[int]
    log_bytes: int
    cgroup: str = ""
    isolation: str = "none"
    network: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    bwrap: str = ""
    processes_max: int = 0
    software: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    clock_ms: int = 0
    monotonic_ms: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """Who supervises a run: enough to know that very process again.

    Attributes:
        memory_by: what holds the memory limit: ``cgroup``, ``watch`` or ``none``.
        isolation: ``sandbox`` if the run is in one; then two processes of it are the sandbox's own.
        monotonic_ms: what the machine's monotonic clock said at ``started_at_ms``; 0: not known.
        clock_ahead_ms: how far Bruk's time was ahead of the machine's clock then.
    """

    pid: int
    start: int
    boot_id: str
    started_at_ms: int
    memory_by: str
    isolation: str = "none"
    monotonic_ms: int = 0
    clock_ahead_ms: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended.

    Attributes:
        exit_code: as a shell shows it; None where nobody can know (lost).
        cause: see ``engines.base.EndCause``.
    """

    exit_code: int | None
    started_at_ms: int | None
    ended_at_ms: int | None
    cause: str
    detail: str
    cpu_ms: int


def write(path: Path, content: dict[str, Any], *, durable: bool = True) -> None:
    """Replace ``path`` by ``content`` as JSON: whole, or unchanged if this raises.

    Raises:
        OSError: the disk is full, or the folder is gone.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(file, json.dumps(content).encode("ascii"))
            if durable:
                os.fsync(file)
        finally:
            os.close(file)
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def read(path: Path) -> dict[str, Any] | None:
    """The content of ``path``; None where it is absent or not whole."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def read_order(path: Path) -> Order | None:
    """The order in ``path``; None where no whole one is."""
    content = read(path)
    try:
        return None if content is None else Order(**content)
    except TypeError:
        return None


def read_record(folder: Path) -> Record | None:
    """Who supervises the run; None where no whole record is."""
    content = read(folder / RECORD) or {}
    try:
        record = Record(**content)
    except TypeError:
        return None
    whole = all(isinstance(each, int) for each in (record.pid, record.start, record.started_at_ms))
    return record if whole and isinstance(record.boot_id, str) else None


def read_end(folder: Path) -> End | None:
    """How the run ended; None where no whole end record is."""
    content = read(folder / END) or {}
    try:
        end = End(**content)
    except TypeError:
        return None
    times = (end.exit_code, end.started_at_ms, end.ended_at_ms)
    whole = all(each is None or isinstance(each, int) for each in times) and isinstance(end.cpu_ms, int)
    return end if whole and isinstance(end.detail, str) and end.cause in CAUSES else None


def read_seen(folder: Path) -> list[tuple[int, int]]:
    """Identities (pid, start) of the run's processes as its supervisor last wrote them."""
    try:
        return [(int(pid), int(start)) for pid, start in (read(folder / SEEN) or {}).get("processes", [])]
    except (TypeError, ValueError):
        return []


def write_reserve(folder: Path) -> None:
    """Take a little of the disk, to be given back when the end must be written on a full one."""
    file = os.open(folder / RESERVE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(file, os.urandom(RESERVE_BYTES))
    finally:
        os.close(file)


def write_end(folder: Path, end: End) -> None:
    """Write how the run ended, on the reserve if the disk is full.

    Raises:
        OSError: not even the reserve was enough; nothing has changed, try again later.
    """
    try:
        write(folder / END, asdict(end))
    except OSError:
        (folder / RESERVE).unlink(missing_ok=True)
        write(folder / END, asdict(end))
    (folder / RESERVE).unlink(missing_ok=True)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
