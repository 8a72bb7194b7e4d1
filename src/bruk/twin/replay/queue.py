"""The textbook queues: nothing overtakes the first in order, and nothing is preempted.

At every instant jobs end first, then jobs arrive, then jobs start. The first in order starts as soon as
its devices are to be had; until then nothing behind it does.

* ``fifo``: by arrival.
* ``sjf``: by time limit, then by arrival; where the trace knows no limits these are the true lengths, as
  in the textbook.

A job larger than the whole pool never starts. It must never start a job before it came. Look next at
`play`, which knows the other orders too, and ``scheduler.fleet.pool``.
"""

from heapq import heappop, heappush

from bruk.scheduler.fleet.pool import Held, Pool
from bruk.twin.replay.jobs import NEVER, Jobs
from bruk.twin.replay.progress import Told


class _Running:
    """Jobs that hold devices, by when they end."""

    def __init__(self, jobs: Jobs, pool: Pool) -> None:
        self._jobs, self._pool = jobs, pool
        self._held: dict[int, Held] = {}
        # End and job in one number: ends in order, and of equal ends the earlier job.
        self._count = max(len(jobs), 1)
        self._ends: list[int] = []

    def start(self, job: int, now_ms: int, held: Held) -> None:
        self._held[job] = held
        heappush(self._ends, (now_ms + self._jobs.length_ms[job]) * self._count + job)

    def next_end_ms(self) -> int:
        """When the next ends; something must be running."""
        return self._ends[0] // self._count

    def end(self, now_ms: int) -> None:
        """End everything that has run its time."""
        ends, latest = self._ends, (now_ms + 1) * self._count
        while ends and ends[0] < latest:
            job = heappop(ends) % self._count
            self._pool.give_back(self._jobs.devices[job], self._held.pop(job))

    @property
    def any(self) -> bool:
        return bool(self._ends)


def fifo(jobs: Jobs, pool: Pool, told: Told) -> list[int]:
    """When each job starts [ms], ``NEVER`` for one that cannot."""
    running, starts, now_ms = _Running(jobs, pool), [NEVER] * len(jobs), 0
    for job, (arrival_ms, devices) in enumerate(zip(jobs.arrival_ms, jobs.devices, strict=True)):
        if not pool.could_hold(devices):
            continue
        now_ms = max(now_ms, arrival_ms)
        running.end(now_ms)
        while (held := pool.take(devices)) is None:
            now_ms = running.next_end_ms()
            running.end(now_ms)
        starts[job] = now_ms
        running.start(job, now_ms, held)
        told.done(job)
    return starts


def sjf(jobs: Jobs, pool: Pool, told: Told) -> list[int]:
    """When each job starts [ms], ``NEVER`` for one that cannot."""
    running, starts, now_ms = _Running(jobs, pool), [NEVER] * len(jobs), 0
    possible = [job for job, devices in enumerate(jobs.devices) if pool.could_hold(devices)]
    arrival_ms, limit_ms, devices, count = jobs.arrival_ms, jobs.limits_ms, jobs.devices, len(jobs)
    # Limit and job in one number, as above; jobs are numbered by arrival.
    waiting: list[int] = []
    came = started = 0
    while came < len(possible) or waiting:
        if not waiting:
            now_ms = max(now_ms, arrival_ms[possible[came]])
        running.end(now_ms)
        while came < len(possible) and arrival_ms[possible[came]] <= now_ms:
            job = possible[came]
            heappush(waiting, limit_ms[job] * count + job)
            came += 1
        while waiting:
            job = waiting[0] % count
            held = pool.take(devices[job])
            if held is None:
                # Nothing may start until something ends or something shorter comes.
                first, now_ms = waiting[0], running.next_end_ms()
                while came < len(possible) and arrival_ms[possible[came]] < now_ms:
                    newest = possible[came]
                    heappush(waiting, limit_ms[newest] * count + newest)
                    came += 1
                    if waiting[0] != first:
                        now_ms = arrival_ms[newest]
                break
            heappop(waiting)
            starts[job] = now_ms
            running.start(job, now_ms, held)
            started += 1
            told.done(started)
    return starts
