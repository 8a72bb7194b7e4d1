"""Whose clock differs from control's, and by how much.

An agent whose clock is wrong still measures how long things take, so that its times are shifted to
control's and nothing of its use is lost or billed for another hour. The difference is kept in memory
only: each exchange says it anew. It is followed in steps, so that the jitter of the line neither opens
gaps between stretches of use nor lets them overlap. Status and doctor show it.
"""

import threading

# Below this a difference is as good as none, and what an agent may be ahead before its records are cut.
CLOCK_SKEW_MS = 5_000


class Skews:
    """Differences of clocks, by who has them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, int] = {}

    def note(self, who: str, theirs_ms: int, ours_ms: int) -> int:
        """Take in what time somebody said it was; returns what is to be added to its times [ms]."""
        found = ours_ms - theirs_ms
        with self._lock:
            known = self._known.get(who, 0)
            if abs(found - known) > CLOCK_SKEW_MS:
                known = self._known[who] = 0 if abs(found) <= CLOCK_SKEW_MS else found
            return known

    def ahead_ms(self, who: str) -> int:
        """How far its clock is ahead of control's; 0 where the difference is too small to matter [ms]."""
        with self._lock:
            return -self._known.get(who, 0)
