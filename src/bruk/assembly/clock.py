"""Real time and chance: the only module that reads the machine's clock and random source.

Time here never runs back and never jumps: it is the machine's wall clock when the line was begun, and
from there on the kernel's own count since boot. So a clock that somebody sets an hour back or forward
neither ends leases nor bills an hour, until Bruk is started anew. All processes of ``bruk up`` share
one line (``LINE_VARIABLE``), which is kept in the home over a restart. Where the machine's clock went
meanwhile is what ``off_by_ms`` says; status and doctor show it.
"""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bruk.model.jsontext import parse_json

LINE_VARIABLE = "BRUK_CLOCK"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _since_boot_ms() -> int:
    # Unlike the monotonic clock it also counts while the machine is suspended.
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of time: what the wall clock said when the kernel counted so much since boot [ms]."""

    wall_ms: int
    since_boot_ms: int
    boot_id: str

    def text(self) -> str:
        """The line for the environment of another process, or for a file."""
        return json.dumps(asdict(self))

    @classmethod
    def of_text(cls, text: str, boot_id: str) -> "Line | None":
        """The line that ``text()`` wrote, if it is one of this boot."""
        try:
            found = cls(**parse_json(text))
            sound = type(found.wall_ms) is int and type(found.since_boot_ms) is int
        except (ValueError, TypeError):
            return None
        return found if sound and found.boot_id == boot_id else None


class SystemClock:
    """Implements ``model.clock.Clock``.

    Args:
        line: a line to go on with; None begins one with the machine's clock.
    """

    def __init__(
        self,
        line: Line | None = None,
        *,
        wall_ms: Callable[[], int] = _wall_ms,
        since_boot_ms: Callable[[], int] = _since_boot_ms,
    ) -> None:
        self._wall_ms = wall_ms
        self._since_boot_ms = since_boot_ms
        self.line = line or Line(wall_ms(), since_boot_ms(), this_boot())

    @classmethod
    def shared(cls, environment: dict[str, str] | None = None, file: Path | None = None) -> "SystemClock":
        """A clock on the line that the parent process gave, or that an earlier start left in ``file``."""
        given = Line.of_text((environment or {}).get(LINE_VARIABLE, ""), this_boot())
        if given is not None:
            return cls(given)
        try:
            return cls(Line.of_text(file.read_text("utf-8"), this_boot()) if file else None)
        except (OSError, UnicodeError):
            return cls()

    def catch_up(self) -> None:
        """Take over the machine's clock where that is ahead; to be called only while nothing runs.

        In the middle of a run its time limit would seem to be over.
        """
        if self.off_by_ms() > 0:
            self.line = SystemClock(wall_ms=self._wall_ms, since_boot_ms=self._since_boot_ms).line

    def not_before(self, at_ms: int) -> None:
        """Move the line forward so that it is not behind what was recorded already [ms]."""
        behind_ms = at_ms - self.now_ms()
        if behind_ms > 0:
            self.line = Line(self.line.wall_ms + behind_ms, self.line.since_boot_ms, self.line.boot_id)

    def off_by_ms(self) -> int:
        """How far the machine's clock is ahead of this one; negative if it is behind [ms]."""
        return self._wall_ms() - self.now_ms()

    def now_ms(self) -> int:
        return self.line.wall_ms + self._since_boot_ms() - self.line.since_boot_ms

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def new_id(self, kind: str) -> str:
        # 44 bits of milliseconds sort by time until the year 2527; 48 random bits tell apart what
        # is made in the same millisecond.
        return f"{kind}_{self.now_ms():011x}{secrets.token_hex(6)}"

    def secret(self) -> str:
        return secrets.token_urlsafe(32)


def this_boot() -> str:
    """Which boot of the machine this is."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""
