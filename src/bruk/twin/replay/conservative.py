"""Conservative backfilling: not only the first that has no room gets a reservation.

On nodes it is the scheduler's form (``scheduler.backfill``): each of the first ``RESERVATIONS_MAX`` gets
one, on nodes that nobody else has one on; where no nodes are left it gets none. So on one node it is the
same as ``easy``. On a free pool, where no node can be named, it is the textbook's (Mu'alem and Feitelson,
IEEE TPDS 12 (2001) 529-543): each gets the first time at which there is room for all of its limit beside
what runs and what was given to those before it.

Either way reservations are made anew, in order, at each instant. What ends before its limit moves them,
most of them forward. Look next at `backfill`.
"""

from bisect import bisect_left

import numpy as np

from bruk.scheduler.backfill import RESERVATIONS_MAX
from bruk.twin.replay.backfill import Hall
from bruk.twin.replay.line import Integers
from bruk.twin.replay.room import FreeRoom, NodeRoom


class OnNodes:
    """The scheduler's form."""

    def __init__(self, hall: Hall, room: NodeRoom) -> None:
        self._room = room
        jobs = hall.jobs
        # Equal requests of one owner: when one must wait they all do, and are seen to together.
        numbers: dict[tuple[int, ...], int] = {}
        self._class: Integers = np.zeros(len(jobs), dtype=np.int64)
        for job, devices in enumerate(jobs.devices):
            owner = jobs.owner[job] if jobs.owner else 0
            priority = jobs.priority[job] if jobs.priority else 0
            asked = (hall.takes(devices), jobs.limits_ms[job], owner, priority)
            self._class[job] = numbers.setdefault(asked, len(numbers))

    def __call__(self, hall: Hall, now_ms: int) -> None:
        while self._pass(hall, now_ms):
            pass

    def _pass(self, hall: Hall, now_ms: int) -> bool:
        line, room = hall.line, self._room
        room.clear()
        left: Integers = np.arange(len(line))
        started, count = False, 0
        while left.size and line.takes[left].min() <= room.most:
            place = hall.order.first(line, left)
            takes, limit_ms = int(line.takes[place]), now_ms + int(line.limit_ms[place])
            if room.has(takes, limit_ms):
                hall.start(place, now_ms, heed=True)
                started = True
                left = left[left != place]
                left -= left > place
                continue
            alike = self._class[line.job[left]] == self._class[line.job[place]]
            for _ in range(int(alike.sum())):
                if count >= RESERVATIONS_MAX or room.keep(takes) is None:
                    break
                count += 1
            left = left[~alike]
            if room.all_kept or count >= RESERVATIONS_MAX:
                # Nobody is kept anything any more, so that those without room need not be looked at.
                left = left[line.takes[left] <= room.most]
        return started


class OnFreePool:
    """The textbook's form."""

    def __init__(self, room: FreeRoom) -> None:
        self._room = room

    def __call__(self, hall: Hall, now_ms: int) -> None:
        while self._pass(hall, now_ms) and hall.order.moves:
            pass

    def _pass(self, hall: Hall, now_ms: int) -> bool:
        line, room = hall.line, self._room
        profile = Profile(now_ms, room.most, room.running)
        left: Integers = np.arange(len(line))
        started, count = False, 0
        while left.size and count < RESERVATIONS_MAX and line.takes[left].min() <= room.most:
            place = hall.order.first(line, left)
            left = left[left != place]
            takes, limit_ms = int(line.takes[place]), int(line.limit_ms[place])
            if profile.give(takes, limit_ms) > now_ms:
                count += 1
                continue
            hall.start(place, now_ms, heed=False)
            started = True
            left -= left > place
        return started


class Profile:
    """How many devices are free from when on, by what was given."""

    def __init__(self, now_ms: int, free: int, running: list[tuple[int, int]]) -> None:
        """So many are free now, and what runs gives back what it takes at its limits, in order [ms]."""
        self._at_ms, self._free = [now_ms], [free]
        for limit_ms, takes in running:
            free += takes
            if limit_ms <= self._at_ms[-1]:
                self._free[-1] = free
            else:
                self._at_ms.append(limit_ms)
                self._free.append(free)

    def give(self, takes: int, length_ms: int) -> int:
        """Give so many for so long as early as it can be, and say from when on [ms].

        What takes no time needs its devices for an instant.
        """
        length_ms = max(length_ms, 1)
        at_ms, free = self._at_ms, self._free
        first = 0
        while True:
            while free[first] < takes:
                first += 1
            end_ms, last = at_ms[first] + length_ms, first + 1
            while last < len(at_ms) and at_ms[last] < end_ms and free[last] >= takes:
                last += 1
            if last == len(at_ms) or at_ms[last] >= end_ms:
                break
            first = last
        self._split(end_ms)
        for step in range(first, bisect_left(at_ms, end_ms)):
            free[step] -= takes
        return at_ms[first]

    def _split(self, instant_ms: int) -> None:
        """Let a step begin at an instant."""
        step = bisect_left(self._at_ms, instant_ms)
        if step == len(self._at_ms) or self._at_ms[step] != instant_ms:
            self._at_ms.insert(step, instant_ms)
            self._free.insert(step, self._free[step - 1])
