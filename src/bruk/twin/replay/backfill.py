"""Replay with backfill, or in an order that moves: each instant is decided as the scheduler does.

At an instant jobs end first, then jobs come, then jobs start. First in order is tried first, and starts
while there is room. The first that has none gets a reservation (``easy``), and what is behind it may start
if it does not delay that; or nothing behind it starts (``none``). Shares move with what starts, and with
them for whom room is kept: such an order is looked at until nothing starts any more, as in
``scheduler.decide``.

Nothing is decided between instants at which something comes or ends. A job larger than the whole pool
never starts. It must never start a job before it came.
"""

from collections.abc import Callable
from heapq import heappop, heappush

import numpy as np

from bruk.twin.replay.jobs import NEVER, Jobs
from bruk.twin.replay.line import Integers, Line
from bruk.twin.replay.order import Order
from bruk.twin.replay.progress import Told
from bruk.twin.replay.room import Room


class Hall:
    """Jobs that wait and run at one instant."""

    def __init__(self, jobs: Jobs, room: Room, takes: Callable[[int], int], order: Order) -> None:
        self.jobs, self.room, self.order = jobs, room, order
        self.line = Line()
        self.starts_ms = [NEVER] * len(jobs)
        self.takes = takes
        self._limits_ms = jobs.limits_ms
        self._count = max(len(jobs), 1)
        # End and job in one number: ends in order, and of equal ends the earlier job.
        self._ends: list[int] = []

    @property
    def next_end_ms(self) -> int | None:
        """When the next job ends [ms]; None if none runs."""
        return self._ends[0] // self._count if self._ends else None

    def come(self, job: int) -> None:
        """A job waits."""
        takes = self.takes(self.jobs.devices[job])
        self.line.add(self.order.key(job), takes, self._limits_ms[job], job)

    def start(self, place: int, now_ms: int, *, heed: bool) -> None:
        """Start the job at a place of the line; see ``Room.start``."""
        job, takes = int(self.line.job[place]), int(self.line.takes[place])
        self.line.remove(place)
        self.room.start(job, takes, now_ms + self._limits_ms[job], heed=heed)
        self.order.started(job, takes, now_ms)
        self.starts_ms[job] = now_ms
        heappush(self._ends, (now_ms + self.jobs.length_ms[job]) * self._count + job)

    def end(self, now_ms: int) -> None:
        """End everything that has run its time."""
        latest = (now_ms + 1) * self._count
        while self._ends and self._ends[0] < latest:
            job = heappop(self._ends) % self._count
            self.room.end(job, now_ms)
            self.order.ended(job, self.takes(self.jobs.devices[job]), now_ms)

    def start_first(self, now_ms: int) -> tuple[int | None, bool]:
        """Start what is first in order while it has room; the place of the next, and whether any started."""
        started = False
        while len(self.line):
            place = self.order.first(self.line)
            if int(self.line.takes[place]) > self.room.most:
                return place, started
            self.start(place, now_ms, heed=False)
            started = True
        return None, started


# Starts what may start at an instant [ms].
Decide = Callable[[Hall, int], None]


def nothing_overtakes(hall: Hall, now_ms: int) -> None:
    """No backfill."""
    hall.start_first(now_ms)


def easy(hall: Hall, now_ms: int) -> None:
    """EASY backfilling (Lifka, JSSPP 1995)."""
    while _pass(hall, now_ms) and (hall.order.moves or not hall.room.settled):
        pass


def _pass(hall: Hall, now_ms: int) -> bool:
    first, started = hall.start_first(now_ms)
    line, room = hall.line, hall.room
    most = room.most
    if first is None or not most:
        return started
    small = line.takes <= most
    if not small.any():
        return started
    room.reserve(int(line.job[first]), int(line.takes[first]))
    before_ms = room.reserved_from_ms - now_ms
    fits = small & (line.limit_ms <= before_ms)
    if spare := room.spare():
        fits |= line.takes <= spare
    found = fits.nonzero()[0]
    while found.size:
        place = hall.order.first(line, found)
        hall.start(place, now_ms, heed=True)
        started = True
        found = _left(hall, found[found != place], place, before_ms)
    return started


def _left(hall: Hall, found: Integers, gone: int, before_ms: int) -> Integers:
    """Of these places those that still may start, now that one place is gone."""
    found = found - (found > gone)
    most = hall.room.most
    if not most or not found.size:
        return found[:0]
    takes = hall.line.takes[found]
    fits = (hall.line.limit_ms[found] <= before_ms) & (takes <= most)
    return np.asarray(found[fits | (takes <= hall.room.spare())])


def replay(hall: Hall, possible: list[int], decide: Decide, told: Told) -> list[int]:
    """When each job starts [ms], ``NEVER`` for one that is not possible."""
    arrival_ms, came, now_ms = hall.jobs.arrival_ms, 0, 0
    while came < len(possible) or len(hall.line):
        ending_ms = hall.next_end_ms
        coming_ms = arrival_ms[possible[came]] if came < len(possible) else None
        soonest = [at_ms for at_ms in (ending_ms, coming_ms) if at_ms is not None]
        assert soonest, "jobs wait while nothing runs and nothing comes"
        now_ms = max(now_ms, min(soonest))
        hall.end(now_ms)
        while came < len(possible) and arrival_ms[possible[came]] <= now_ms:
            hall.come(possible[came])
            came += 1
        hall.order.at(hall.line, now_ms)
        decide(hall, now_ms)
        told.done(came - len(hall.line))
    return hall.starts_ms
