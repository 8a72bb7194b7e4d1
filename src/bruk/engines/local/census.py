"""Which runs of an engine's folder live on this machine: read only, for whoever looks from outside.

It must never end anything, nor write: the engine itself does that (see ``look``).
"""

from dataclasses import dataclass
from pathlib import Path

from bruk.engines.local import records
from bruk.engines.local.index import Index
from bruk.engines.local.processes import alive, boot_id


@dataclass(frozen=True, slots=True)
class Living:
    """A run whose supervisor lives."""

    run: str
    pid: int


def living(folder: Path) -> list[Living]:
    """Every run of the engine in ``folder`` whose supervisor lives."""
    found = []
    for entry in Index(folder).entries():
        record = records.read_record(entry.folder) if entry.folder is not None else None
        if record and record.boot_id == boot_id() and alive(record.pid, record.start):
            found.append(Living(entry.run, record.pid))
    return found
