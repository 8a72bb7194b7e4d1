"""Time, chance and identifiers, as one passed interface.

Nothing in the domain reads the wall clock or draws a random number; it asks the ``Clock`` that
``assembly`` (or the twin, under a virtual clock) handed to it. That is what makes a day
replayable.
"""

from typing import Protocol


class Clock(Protocol):
    """What a step may know of time and chance."""

    def now_ms(self) -> int:
        """Wall time since the Unix epoch, UTC [ms]."""
        ...

    def monotonic_ms(self) -> int:
        """Time that never goes back, for measuring durations in one process [ms]."""
        ...

    def new_id(self, kind: str) -> str:
        """A fresh identifier ``kind_…`` that sorts by time of creation."""
        ...

    def secret(self) -> str:
        """At least 256 bits of chance as URL-safe text, for keys and tokens."""
        ...


class ManualClock:
    """A clock that stands until it is moved, with counted identifiers; for tests and the twin.

    The secrets are predictable: never use it where a secret protects anything.
    """

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self._now_ms = now_ms
        self._count = 0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> int:
        return self._now_ms

    def advance(self, ms: int) -> None:
        """Move forward by ``ms`` [ms]."""
        assert ms >= 0, "time does not go back"
        self._now_ms += ms

    def new_id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count:010d}"

    def secret(self) -> str:
        self._count += 1
        return f"secret-{self._count:026d}"
