"""Devices that jobs hold until their time limits, and what is kept of them for one job that waits.

The rule is the scheduler's (``scheduler.backfill``, ``scheduler.reserve``): the job that is first in order
and has no room gets a reservation at the first instant at which it has, by the time limits of what
runs; on nodes it is for those that have room first. What is behind may use what is kept if it ends
before, or if what it takes is spare even then.

How much a job *takes* is one number: its devices, or, of one that is larger than a node, those of the
whole nodes that it gets. On a pool of identical nodes a job that takes no more than ``most`` always has
room: where whole nodes are free there is room for any smaller job too. A reservation is kept from one
instant to the next and found anew only when it could have become an earlier one. It must never give a
device twice, nor let a reservation be moved back. Look next at `backfill`.
"""

from bisect import bisect_left, insort
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

# When a device that is free becomes free.
_FREE_MS = -1
_NEVER_MS = np.iinfo(np.int64).max


class Room(Protocol):
    """Devices, by when they are free again.

    Attributes:
        reserved_from_ms: when the reservation begins [ms].
        settled: whether the reservation would be the same if it were made anew.
    """

    reserved_from_ms: int

    @property
    def settled(self) -> bool: ...

    @property
    def most(self) -> int:
        """The most that a job may take now, whatever is kept."""
        ...

    def spare(self) -> int:
        """The most that a job may take now that runs on when the reservation begins."""
        ...

    def reserve(self, job: int, takes: int) -> None:
        """Keep room for a job that has none now, from ``reserved_from_ms`` on."""
        ...

    def start(self, job: int, takes: int, limit_ms: int, *, heed: bool) -> None:
        """Let a job that has room hold devices up to its time limit [ms].

        Args:
            heed: whether it is behind the reservation; otherwise there is none any more.
        """
        ...

    def end(self, job: int, now_ms: int) -> None:
        """A job has ended."""
        ...


class FreeRoom:
    """Devices without nodes."""

    def __init__(self, devices: int) -> None:
        self._free = devices
        self._held: dict[int, tuple[int, int]] = {}
        # Time limits with their jobs, in order.
        self._limits: list[tuple[int, int]] = []
        self._reserved_for = -1
        self.reserved_from_ms = 0
        self._spare = 0

    @property
    def settled(self) -> bool:
        return self._reserved_for >= 0

    @property
    def running(self) -> list[tuple[int, int]]:
        """Of what runs the time limits, in order [ms], and what each takes."""
        return [(limit_ms, self._held[job][1]) for limit_ms, job in self._limits]

    @property
    def most(self) -> int:
        return self._free

    def spare(self) -> int:
        return min(self._free, self._spare)

    def reserve(self, job: int, takes: int) -> None:
        if job == self._reserved_for:
            return
        self._reserved_for = job
        free, from_ms = self._free, _FREE_MS
        for limit_ms, other in self._limits:
            if free >= takes and limit_ms != from_ms:
                break
            free += self._held[other][1]
            from_ms = limit_ms
        assert free >= takes > self._free, f"job {job} has room, or never will"
        self.reserved_from_ms, self._spare = from_ms, free - takes

    def start(self, job: int, takes: int, limit_ms: int, *, heed: bool) -> None:
        self._free -= takes
        assert self._free >= 0, f"job {job} has no room"
        self._held[job] = (limit_ms, takes)
        insort(self._limits, (limit_ms, job))
        if not heed:
            self._reserved_for = -1
        elif limit_ms > self.reserved_from_ms:
            self._spare -= takes
            assert self._spare >= 0, f"job {job} delays the reservation"

    def end(self, job: int, now_ms: int) -> None:
        limit_ms, takes = self._held.pop(job)
        del self._limits[bisect_left(self._limits, (limit_ms, job))]
        self._free += takes
        if now_ms < limit_ms:
            self._reserved_for = -1


class NodeRoom:
    """Identical nodes."""

    def __init__(self, nodes: int, devices_per_node: int) -> None:
        self._each = devices_per_node
        self._free: Integers = np.full(nodes, devices_per_node, dtype=np.int64)
        # In row n, column j - 1: when j devices of node n are free by the time limits [ms].
        self._free_from_ms: Integers = np.full((nodes, devices_per_node), _FREE_MS, dtype=np.int64)
        self._rows = [[_FREE_MS] * devices_per_node for _ in range(nodes)]
        self._nodes_with = [0] * devices_per_node + [nodes]
        self._held: dict[int, tuple[int, int, list[int]]] = {}
        self._reserved_for = -1
        self.reserved_from_ms = 0
        # By node that is kept: what may be used beyond the reservation, and when that begins [ms].
        self._spare: dict[int, int] = {}
        self._from_ms: dict[int, int] = {}

    @property
    def settled(self) -> bool:
        return self._reserved_for >= 0

    @property
    def most(self) -> int:
        return self._most(self._nodes_with)

    def spare(self) -> int:
        with_free = list(self._nodes_with)
        for node, spare in self._spare.items():
            free = self._rows[node].count(_FREE_MS)
            with_free[free] -= 1
            with_free[min(spare, free)] += 1
        return self._most(with_free)

    def _most(self, nodes_with: list[int]) -> int:
        if whole := nodes_with[self._each]:
            return whole * self._each
        for free in range(self._each - 1, 0, -1):
            if nodes_with[free]:
                return free
        return 0

    def reserve(self, job: int, takes: int) -> None:
        if job == self._reserved_for:
            return
        self.clear()
        found = self.keep(takes)
        assert found not in (None, _FREE_MS), f"job {job} has room, or never will"
        self._reserved_for = job

    def clear(self) -> None:
        """Nothing is kept for anybody."""
        self._reserved_for = -1
        self._spare.clear()
        self._from_ms.clear()

    def keep(self, takes: int) -> int | None:
        """Keep the nodes that have room first, of those that are not kept; from when on [ms].

        None, and nothing is kept, if too few are left.
        """
        need, count = min(takes, self._each), max(takes // self._each, 1)
        if count > len(self._rows) - len(self._spare):
            return None
        column = self._free_from_ms[:, need - 1]
        if self._spare:
            column = column.copy()
            column[list(self._spare)] = _NEVER_MS
        chosen = [int(column.argmin())] if count == 1 else np.argsort(column, kind="stable")[:count].tolist()
        self.reserved_from_ms = from_ms = int(column[chosen[-1]])
        for node in chosen:
            self._spare[node] = sum(free_ms <= from_ms for free_ms in self._rows[node]) - need
            self._from_ms[node] = from_ms
        return from_ms

    @property
    def all_kept(self) -> bool:
        """Whether no node is left that could be kept."""
        return len(self._spare) == len(self._rows)

    def has(self, takes: int, limit_ms: int) -> bool:
        """Whether a job up to this limit has room now that is not kept [ms]."""
        need, count = min(takes, self._each), max(takes // self._each, 1)
        return int((self._open(need, limit_ms) >= need).sum()) >= count

    def _open(self, need: int, limit_ms: int) -> Integers:
        """By node, what is free for a job that needs so much of one; nothing where it is kept."""
        barred = [
            node for node, spare in self._spare.items() if spare < need and limit_ms > self._from_ms[node]
        ]
        if not barred:
            return self._free
        free = self._free.copy()
        free[barred] = 0
        return free

    def start(self, job: int, takes: int, limit_ms: int, *, heed: bool) -> None:
        if not heed:
            self.clear()
        need, count = min(takes, self._each), max(takes // self._each, 1)
        free = self._open(need, limit_ms)
        if count == 1:
            # The fullest with room, of equals the first.
            on = [int(np.where(free >= need, free, self._each + 1).argmin())]
        else:
            on = np.flatnonzero(free == self._each)[:count].tolist()
        assert len(on) == count, f"job {job} has no room"
        assert free[on[0]] >= need, f"job {job} has no room"
        for node in on:
            if node in self._spare:
                if limit_ms > self._from_ms[node]:
                    self._spare[node] -= need
                if len(self._spare) > 1:
                    # Another node may have room as early as this one now, and go before it.
                    self._reserved_for = -1
            self._set(node, sorted(self._rows[node][need:] + [limit_ms] * need))
        self._held[job] = (limit_ms, need, on)

    def end(self, job: int, now_ms: int) -> None:
        limit_ms, need, on = self._held.pop(job)
        for node in on:
            row = self._rows[node]
            first = row.index(limit_ms)
            self._set(node, [_FREE_MS] * need + row[:first] + row[first + need :])
        if now_ms < limit_ms:
            self._reserved_for = -1

    def _set(self, node: int, row: list[int]) -> None:
        before = int(self._free[node])
        free = row.count(_FREE_MS)
        self._rows[node] = row
        self._free[node] = free
        self._free_from_ms[node] = row
        self._nodes_with[before] -= 1
        self._nodes_with[free] += 1
