"""Room that is kept for an item that waits: on which nodes, from when on, and what of it is spare.

Two ways to get there. An item that is first in the queue of a site and lacks nothing but room gets a
*reservation*: the nodes that have room for it first by the time limits of what runs (EASY
backfilling: Lifka, JSSPP 1995). What is behind may use them if it ends before, or if what it takes
is spare even then. Or room is *made* for an item (see `preempt`): then nothing else may take it. It
must never let a reservation be moved back by what is behind it.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from bruk.scheduler.fleet.arrays import Integers, Truths
from bruk.scheduler.fleet.shape import WHOLE_MILLI, Shape
from bruk.scheduler.nodes import NEVER_MS, Nodes


@dataclass(slots=True)
class Room:
    """Devices, cores and memory of one node; wholly free devices are counted."""

    devices: int
    cpu_milli: int
    memory_bytes: int

    def holds(self, need: "Room") -> bool:
        """Whether it has at least so much of each."""
        return (
            self.devices >= need.devices
            and self.cpu_milli >= need.cpu_milli
            and self.memory_bytes >= need.memory_bytes
        )

    def plus(self, other: "Room") -> "Room":
        """Both together."""
        return Room(
            self.devices + other.devices,
            self.cpu_milli + other.cpu_milli,
            self.memory_bytes + other.memory_bytes,
        )

    def less(self, other: "Room") -> "Room":
        """What is left without the other; never below nothing."""
        return Room(
            max(0, self.devices - other.devices),
            max(0, self.cpu_milli - other.cpu_milli),
            max(0, self.memory_bytes - other.memory_bytes),
        )


class Reservations:
    """What one plan keeps, by node.

    Attributes:
        sites: sites of which some item has a reservation.
        count: how many items have one.
        claimed: runs whose devices somebody is waiting for.
        claims: by project and by tenant, how many devices it waits for in this way.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self.sites: set[str] = set()
        self.claimed: set[str] = set()
        self.claims: Counter[str] = Counter()
        self.count = 0
        # From when on a node is kept [ms], and what of it may be used beyond.
        self._from_ms: dict[int, int] = {}
        self._spare: dict[int, Room] = {}
        self._later: dict[int, Room] = {}
        self._listed: Integers | None = None
        self._barred: dict[tuple[Shape, int], Integers] = {}
        self._groups: frozenset[int] = frozenset()

    def clear(self) -> None:
        """Nothing is kept for anybody."""
        self.sites.clear()
        self.claimed.clear()
        self.claims.clear()
        self.count = 0
        self._from_ms.clear()
        self._spare.clear()
        self._later.clear()
        self._changed()

    def need(self, shape: Shape, node: int) -> Room:
        """What a shape takes of a node; a part of a device counts as a whole one."""
        at, fleet = np.array([node]), self._nodes.fleet
        cpu, memory = fleet.cpu_need_milli(shape, at), fleet.memory_need_bytes(shape, at)
        return Room(
            shape.devices,
            cpu if isinstance(cpu, int) else int(cpu[0]),
            memory if isinstance(memory, int) else int(memory[0]),
        )

    def free(self, node: int) -> Room:
        """What is wholly free on a node and not kept."""
        fleet = self._nodes.fleet
        free = Room(int(fleet.whole[node]), int(fleet.cpu_milli[node]), int(fleet.memory_bytes[node]))
        spare = self._spare.get(node)
        if spare is None:
            return free
        return Room(
            min(free.devices, spare.devices),
            min(free.cpu_milli, spare.cpu_milli),
            min(free.memory_bytes, spare.memory_bytes),
        )

    def later(self, node: int) -> Room:
        """What will be given back beyond what it is kept for."""
        return self._later.get(node, Room(0, 0, 0))

    def is_kept(self, node: int) -> bool:
        """Whether something of a node is kept."""
        return node in self._from_ms

    def keep(self, node: int, from_ms: int, spare: Room, later: Room | None = None) -> None:
        """Keep a node from an instant on [ms], but for what is spare."""
        self._from_ms[node] = min(from_ms, self._from_ms.get(node, NEVER_MS))
        known = self._spare.get(node)
        self._spare[node] = (
            spare
            if known is None
            else Room(
                min(known.devices, spare.devices),
                min(known.cpu_milli, spare.cpu_milli),
                min(known.memory_bytes, spare.memory_bytes),
            )
        )
        if later is not None:
            self._later[node] = later
        self._changed()

    def started(self, run: str, ends_ms: int) -> None:
        """A run was started by the plan; where it outlasts a reservation it takes what was spare."""
        if not self._from_ms:
            return
        for node in self._nodes.on.get(run, ()):
            if node in self._spare and ends_ms > self._from_ms[node]:
                load = self._nodes.loads[node][run]
                self._barred.clear()
                spare = self._spare[node]
                spare.devices -= len(load.devices)
                spare.cpu_milli -= load.cpu_milli
                spare.memory_bytes -= load.memory_bytes

    def in_group(self, group: int) -> bool:
        """Whether something of a group's nodes is kept."""
        self._list()
        return group in self._groups

    def barred(self, shape: Shape, ends_ms: int) -> Integers:
        """The nodes that something which ends then may not use although there is room [node numbers]."""
        listed = self._list()
        if not listed.size:
            return listed
        known = self._barred.get((shape, ends_ms))
        if known is None:
            known = self._barred[shape, ends_ms] = self._bar(shape, ends_ms, listed)
        return known

    def _bar(self, shape: Shape, ends_ms: int, listed: Integers) -> Integers:
        numbers = listed.tolist()
        from_ms = np.array([self._from_ms[node] for node in numbers])
        fleet = self._nodes.fleet
        spare = [self._spare[node] for node in numbers]
        enough: Truths = np.array([room.devices for room in spare]) >= shape.devices
        enough &= np.array([room.cpu_milli for room in spare]) >= fleet.cpu_need_milli(shape, listed)
        enough &= np.array([room.memory_bytes for room in spare]) >= fleet.memory_need_bytes(shape, listed)
        return listed[(from_ms < ends_ms) & ~enough]

    def _changed(self) -> None:
        self._listed = None
        self._barred.clear()

    def _list(self) -> Integers:
        if self._listed is None:
            self._listed = np.array(sorted(self._from_ms), dtype=np.int64)
            self._groups = frozenset(self._nodes.group[self._listed].tolist())
        return self._listed


def free_at(nodes: Nodes, node: int, instant_ms: int) -> Room:
    """What is wholly free on a node at an instant if nothing else starts there [ms]."""
    fleet = nodes.fleet
    devices = int(fleet.devices[node])
    parts = [WHOLE_MILLI] * devices
    cpu_milli, memory_bytes = int(fleet.cpu_milli_total[node]), int(fleet.memory_bytes_total[node])
    for load in nodes.loads[node].values():
        if load.ends_ms > instant_ms:
            cpu_milli -= load.cpu_milli
            memory_bytes -= load.memory_bytes
            for device in load.devices:
                if device < devices:
                    parts[device] -= load.device_milli
    return Room(sum(part >= WHOLE_MILLI for part in parts), cpu_milli, memory_bytes)
