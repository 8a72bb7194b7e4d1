"""In which order waiting jobs are tried: the scheduler's own orders (``scheduler.order``), in columns.

* ``fifo``: by arrival.
* ``sjf``: by time limit, then by arrival.
* ``fair``: priority, high first; gangs that have waited longer than ``AGED_AFTER_MS``; the tenant, then
  its project, with the least use; arrival. Use is what was held, fading with the product's half-life,
  and ``HELD_DEVICE_MS`` for each device that is held now. All tenants weigh the same, and there are no
  quotas.

A key puts a job into its place in the line. Where use decides as well, ``first`` looks for the one that
the use of its owner puts first among those of the least keys.
"""

from collections import deque
from typing import Protocol

import numpy as np

from bruk.scheduler.order import AGED_AFTER_MS, HELD_DEVICE_MS
from bruk.twin.replay.jobs import Jobs
from bruk.twin.replay.line import Integers, Line
from bruk.twin.replay.use import Use

PRIORITY_MAX = 100


class Order(Protocol):
    """Which of the waiting jobs is tried next.

    Attributes:
        moves: whether what starts may change the order of what waits.
    """

    moves: bool

    def key(self, job: int) -> int:
        """Where it stands when it comes; the least is first."""
        ...

    def at(self, line: Line, now_ms: int) -> None:
        """Bring the line into the order of this instant [ms]."""
        ...

    def first(self, line: Line, among: Integers | None = None) -> int:
        """The first in order of these places, or of all."""
        ...

    def started(self, job: int, takes: int, now_ms: int) -> None:
        """A job holds so many devices."""
        ...

    def ended(self, job: int, takes: int, now_ms: int) -> None:
        """A job has given them back."""
        ...


class ByKey:
    """An order in which nothing moves."""

    moves = False

    def __init__(self, keys: list[int] | range) -> None:
        self._keys = keys

    def key(self, job: int) -> int:
        return self._keys[job]

    def at(self, line: Line, now_ms: int) -> None:
        pass

    def first(self, line: Line, among: Integers | None = None) -> int:
        return 0 if among is None else int(among[0])

    def started(self, job: int, takes: int, now_ms: int) -> None:
        pass

    def ended(self, job: int, takes: int, now_ms: int) -> None:
        pass


class Fair:
    """The product's order."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs, self._count = jobs, max(len(jobs), 1)
        self.moves = len(jobs.owners) > 1
        self._owner: Integers = np.array(jobs.owner or [0] * len(jobs), dtype=np.int64)
        names = [name.split("/", 1)[0] for name in jobs.owners]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        self._tenant = [numbers[name] for name in names]
        self._projects = [Use() for _ in jobs.owners]
        self._tenants = [Use() for _ in numbers]
        # Gangs that are young, by arrival.
        self._young: deque[int] = deque()
        self._now_ms = 0

    def key(self, job: int) -> int:
        if self._jobs.devices[job] > 1:
            self._young.append(job)
        return self._key(job, aged=False)

    def _key(self, job: int, *, aged: bool) -> int:
        priority = self._jobs.priority[job] if self._jobs.priority else 0
        return (2 * (PRIORITY_MAX - priority) + (not aged)) * self._count + job

    def at(self, line: Line, now_ms: int) -> None:
        self._now_ms = now_ms
        while self._young and now_ms - self._jobs.arrival_ms[self._young[0]] > AGED_AFTER_MS:
            job = self._young.popleft()
            place = line.place_of(self._key(job, aged=False))
            if place is not None:
                takes, limit_ms = int(line.takes[place]), int(line.limit_ms[place])
                line.remove(place)
                line.add(self._key(job, aged=True), takes, limit_ms, job)

    def first(self, line: Line, among: Integers | None = None) -> int:
        start = 0 if among is None else int(among[0])
        if not self.moves:
            return start
        tier = int(line.key[start]) // self._count
        if tier % 2 == 0:
            return start
        keys = line.key if among is None else line.key[among]
        alike = int(keys.searchsorted((tier + 1) * self._count))
        jobs = line.job[:alike] if among is None else line.job[among[:alike]]
        owners = self._owner[jobs]
        present = np.flatnonzero(np.bincount(owners, minlength=len(self._projects))).tolist()
        ranks = [(self._share_ms(owner), owner) for owner in present]
        least = min(ranks)[0]
        leading = [owner for rank, owner in ranks if rank == least]
        which = owners == leading[0]
        for owner in leading[1:]:
            which |= owners == owner
        place = int(which.argmax())
        return place if among is None else int(among[place])

    def _share_ms(self, owner: int) -> tuple[int, int]:
        both = (self._tenants[self._tenant[owner]], self._projects[owner])
        tenant_ms, project_ms = (use.at(self._now_ms) + use.held * HELD_DEVICE_MS for use in both)
        return tenant_ms, project_ms

    def started(self, job: int, takes: int, now_ms: int) -> None:
        self._hold(job, takes, now_ms)

    def ended(self, job: int, takes: int, now_ms: int) -> None:
        self._hold(job, -takes, now_ms)

    def _hold(self, job: int, takes: int, now_ms: int) -> None:
        if self.moves:
            owner = int(self._owner[job])
            self._projects[owner].hold(takes, now_ms)
            self._tenants[self._tenant[owner]].hold(takes, now_ms)


def order_of(name: str, jobs: Jobs) -> Order:
    """The order of this name, which exists, for these jobs."""
    if name == "fair":
        return Fair(jobs)
    return ByKey(range(len(jobs)) if name == "fifo" else list(jobs.limits_ms))
