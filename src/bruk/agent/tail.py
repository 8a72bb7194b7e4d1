"""What a run writes while it runs: its newest progress line, and its log on the way to control.

The run is not to be trusted: lines may be huge, broken or no JSON at all; the file may be a link.
What cannot be read is passed over. Shipping goes by offset, so that nothing is sent twice for good.
"""

import logging
import math
from collections.abc import Callable
from pathlib import Path

from bruk.agent.disk import read_slice
from bruk.agent.sync import ControlAway, ControlRefused, Transport
from bruk.engines.base import Engine, EngineError
from bruk.model.jsontext import parse_json

log = logging.getLogger(__name__)
LINE_BYTES_MAX = 64 * 1024
CHUNK_BYTES = 256 * 1024
_DRAIN_CHUNKS_MAX = 256
_CHUNKS_A_READ = 16
_FIELDS_MAX = 64
_TEXT_MAX = 500
_INTEGER_MAX = 2**53

Scalar = float | int | str | None


class ProgressTail:
    """Follows one progress file.

    Attributes:
        newest: the newest readable line, scalars only.
        resumed_from_step: as the run said it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self.newest: dict[str, Scalar] | None = None
        self.resumed_from_step: int | None = None

    def read(self) -> None:
        """Take in what was appended since."""
        for _ in range(_CHUNKS_A_READ):
            data = read_slice(self._path, self._offset, CHUNK_BYTES)
            if not data:
                return
            self._offset += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            if len(self._rest) > LINE_BYTES_MAX:
                self._rest = b""
            for line in lines:
                self._take(line)

    def _take(self, line: bytes) -> None:
        if not line.strip() or len(line) > LINE_BYTES_MAX:
            return
        try:
            fields = parse_json(line)
        except ValueError:
            return
        if not isinstance(fields, dict):
            return
        resumed = fields.get("resumed_from_step")
        if isinstance(resumed, int) and 0 <= resumed < _INTEGER_MAX:
            self.resumed_from_step = resumed
        self.newest = {
            str(name)[:_TEXT_MAX]: _scalar(value)
            for name, value in list(fields.items())[:_FIELDS_MAX]
            if isinstance(value, int | float | str | None)
        }


def _scalar(value: Scalar) -> Scalar:
    match value:
        case bool():
            return int(value)
        case int():
            return value if abs(value) < _INTEGER_MAX else None
        case float():
            return value if math.isfinite(value) else None
        case str():
            return value[:_TEXT_MAX].encode("utf-8", "replace").decode()
        case _:
            return None


class Shipper:
    """Brings logs and progress files to control, a bounded chunk at a time."""

    def __init__(self, transport: Transport, engine: Engine) -> None:
        self._transport = transport
        self._engine = engine
        self._offsets: dict[tuple[str, str], int] = {}
        self._refused: set[str] = set()

    def ship(self, run: str, handle: str, progress: Path) -> bool:
        """Send the next chunk of each stream; False when more waits.

        Raises:
            ControlAway: later.
        """
        if run in self._refused:
            return True
        try:
            logs = self._ship(run, "logs", lambda offset: self._log(handle, offset))
            steps = self._ship(run, "progress", lambda offset: read_slice(progress, offset, CHUNK_BYTES))
        except ControlRefused as error:
            log.warning("control takes no logs of run %s: %s", run, error)
            self._refused.add(run)
            return True
        return logs and steps

    def drain(self, run: str, handle: str, progress: Path) -> None:
        """Send what is left of an ended run, as far as control takes it now; the rest goes later."""
        try:
            for _ in range(_DRAIN_CHUNKS_MAX):
                if self.ship(run, handle, progress):
                    return
        except ControlAway as error:
            log.warning("the rest of the log of run %s is not with control yet: %s", run, error)

    def forget(self, run: str) -> None:
        """The run is settled."""
        self._refused.discard(run)
        for stream in ("logs", "progress"):
            self._offsets.pop((run, stream), None)

    def _log(self, handle: str, offset: int) -> bytes:
        try:
            return self._engine.logs(handle, offset, CHUNK_BYTES)[0] if handle else b""
        except EngineError as error:
            log.debug("no log of %s: %s", handle, error)
            return b""

    def _ship(self, run: str, stream: str, read: Callable[[int], bytes]) -> bool:
        offset = self._offsets.get((run, stream), 0)
        data = read(offset)
        if not data:
            return True
        self._offsets[run, stream] = self._transport.ship(run, stream, offset, data)
        return len(data) < CHUNK_BYTES and self._offsets[run, stream] >= offset + len(data)
