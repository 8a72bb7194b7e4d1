"""Telling how far a replay is, now and then."""

from collections.abc import Callable

PROGRESS_EVERY = 4096

# Takes how many jobs are done, of how many.
Progress = Callable[[int, int], None]


class Told:
    """Tells whenever that many more are done."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._next = progress, total, PROGRESS_EVERY

    def done(self, count: int) -> None:
        """So many are done by now."""
        if count >= self._next:
            self._next = count - count % PROGRESS_EVERY + PROGRESS_EVERY
            if self._progress is not None:
                self._progress(count, self._total)
