"""What the engine remembers of its runs: one small file a handle, and the lock over all of them.

The index says which devices were given to whom and where the run's records lie; how the run fares is
never copied here (see ``records``). A damaged entry is kept, because strays may stand behind it.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bruk.engines.base import LaunchFailed, UnknownHandle
from bruk.engines.local import records
from bruk.model.jsontext import parse_json
from bruk.model.run import DeviceSet

_RUN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
_HANDLE = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,199})\.(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Entry:
    """One run as it was launched.

    Attributes:
        folder: where its records lie; None if the entry is damaged.
        mark: see ``processes.MARK``.
    """

    handle: str
    run: str
    generation: int
    mark: str
    placement: tuple[DeviceSet, ...]
    folder: Path | None


class Index:
    """The entries under one folder."""

    def __init__(self, folder: Path) -> None:
        """Open or make the index.

        Raises:
            OSError: the folder cannot be made or written.
        """
        self._root = folder.resolve()
        self._entries = self._root / "index"
        self._entries.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def lock(self, name: str = "launch") -> Iterator[None]:
        """Hold one of the engine's locks (``launch`` or ``stop``), against other processes too; the
        kernel frees it at our death."""
        file = os.open(self._root / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def handle(self, run: str, generation: int) -> str:
        """The handle of that run and generation.

        Raises:
            LaunchFailed: the run's identifier cannot be part of a file name.
        """
        if not _RUN.fullmatch(run) or generation < 0:
            raise LaunchFailed(f"run {run!r}, generation {generation}: not usable in a file name", run=run)
        return f"{run}.{generation}"

    def mark(self, handle: str) -> str:
        """What marks the run's processes: no other engine on this machine has the same."""
        return f"{handle}@{self._root}"

    def add(self, entry: Entry) -> None:
        content = {
            "folder": os.fspath(entry.folder) if entry.folder else "",
            "placement": [[part.node, list(part.devices)] for part in entry.placement],
        }
        records.write(self._path(entry.handle), content)

    def remove(self, handle: str) -> None:
        self._path(handle).unlink(missing_ok=True)

    def get(self, handle: str) -> Entry | None:
        """The entry of that handle; None if there is none."""
        known = _HANDLE.fullmatch(handle)
        if known is None:
            return None
        try:
            content = parse_json(self._path(handle).read_bytes())
            folder = Path(content["folder"])
            placement = tuple(DeviceSet(node, tuple(devices)) for node, devices in content["placement"])
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError):
            folder, placement = None, ()
        return Entry(handle, known[1], int(known[2]), self.mark(handle), placement, folder)

    def require(self, handle: str) -> Entry:
        """The entry of that handle.

        Raises:
            UnknownHandle: there is none, or the run was forgotten.
        """
        entry = self.get(handle)
        if entry is None:
            raise UnknownHandle(f"no run has the handle {handle!r} here", handle=handle)
        return entry

    def entries(self) -> Iterator[Entry]:
        """Every entry, by handle."""
        for path in sorted(self._entries.glob("*.json")):
            entry = self.get(path.name.removesuffix(".json"))
            if entry is not None:
                yield entry

    def _path(self, handle: str) -> Path:
        return self._entries / f"{handle}.json"
