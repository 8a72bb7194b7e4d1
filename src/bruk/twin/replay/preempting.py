"""Shortest remaining time first, as in the textbook: preemptive, and the work that was done is kept.

At every instant at which a job comes or ends all unfinished jobs stand by the time that they still need,
then by arrival. The first of them run, as many as have room together; nothing overtakes the first that
has none. Since nothing is lost by stopping, jobs are put anew each time: a job may go on elsewhere.
A job larger than the whole pool never starts.
"""

from bisect import bisect_left
from collections.abc import Callable

from bruk.scheduler.fleet.pool import Pool
from bruk.twin.replay.jobs import NEVER, Jobs, Played
from bruk.twin.replay.progress import Told


def srtf(jobs: Jobs, new_pool: Callable[[], Pool], told: Told) -> Played:
    """What becomes of each job on an empty pool, which is made anew at each instant."""
    played = Played([NEVER] * len(jobs), [NEVER] * len(jobs), [])
    could_hold = new_pool().could_hold
    possible = [job for job, devices in enumerate(jobs.devices) if could_hold(devices)]
    cell = _Cell(jobs, played, new_pool)
    came = 0
    while came < len(possible) or cell.unfinished:
        coming_ms = jobs.arrival_ms[possible[came]] if came < len(possible) else None
        cell.go_on(coming_ms)
        while came < len(possible) and jobs.arrival_ms[possible[came]] <= cell.now_ms:
            cell.come(possible[came])
            came += 1
        cell.run_the_first()
        told.done(came - len(cell.unfinished))
    return played


class _Cell:
    """Unfinished jobs at one instant.

    Attributes:
        unfinished: time still needed [ms] and job, in order; of those that run, as of ``_since_ms``.
    """

    def __init__(self, jobs: Jobs, played: Played, new_pool: Callable[[], Pool]) -> None:
        self._jobs, self._played, self._new_pool = jobs, played, new_pool
        self.now_ms = 0
        self.unfinished: list[tuple[int, int]] = []
        # How many of them run, always the first, and since when each does.
        self._running = 0
        self._since_ms: dict[int, int] = {}
        # Whether others may run now.
        self._stale = True

    def go_on(self, until_ms: int | None) -> None:
        """Run until the next job ends, or until an instant if that is earlier; end what has run its time."""
        if self._running:
            end_ms = self.now_ms + self.unfinished[0][0]
            until_ms = end_ms if until_ms is None else min(until_ms, end_ms)
        assert until_ms is not None, "jobs wait while nothing runs and nothing comes"
        passed_ms, self.now_ms = max(until_ms - self.now_ms, 0), max(until_ms, self.now_ms)
        if passed_ms:
            # All that run come nearer to their end alike, so that they stay in order.
            for place, (left_ms, job) in enumerate(self.unfinished[: self._running]):
                self.unfinished[place] = (left_ms - passed_ms, job)
        while self._running and self.unfinished[0][0] == 0:
            _, job = self.unfinished.pop(0)
            self._running -= 1
            self._stale = True
            self._stop(job)
            self._played.ends_ms[job] = self.now_ms

    def come(self, job: int) -> None:
        """A job has come; it may stand among those that run until it is tried."""
        asked = (self._jobs.length_ms[job], job)
        place = bisect_left(self.unfinished, asked)
        self._stale |= place <= self._running
        self._running += place < self._running
        self.unfinished.insert(place, asked)

    def run_the_first(self) -> None:
        """Let as many of the first run as have room, and stop the others."""
        if not self._stale:
            return
        self._stale = False
        pool, count = self._new_pool(), 0
        for _, job in self.unfinished:
            if pool.take(self._jobs.devices[job]) is None:
                break
            count += 1
            if job not in self._since_ms:
                self._since_ms[job] = self.now_ms
                if self._played.starts_ms[job] == NEVER:
                    self._played.starts_ms[job] = self.now_ms
        for _, job in self.unfinished[count : max(count, self._running)]:
            self._stop(job)
        self._running = count

    def _stop(self, job: int) -> None:
        since_ms = self._since_ms.pop(job, None)
        if since_ms is not None and self._played.parts is not None:
            self._played.parts.append((job, since_ms, self.now_ms))
