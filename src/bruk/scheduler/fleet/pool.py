"""Identical nodes, counted by how many of their devices are free: best fit without looking at a node.

For whole devices on nodes that are all alike nothing else tells two nodes apart. ``FreePool`` does not
even know nodes. A request of at most one node's devices stays on the fullest node with room, of equals
the first; a larger one takes whole nodes, the first that are wholly free. It must never give a device
twice. For fleets that are not alike see `arrays`.
"""

from heapq import heapify, heappop, heappush
from typing import Protocol

# What a request holds: the node, several nodes, or nothing but its number of devices.
Held = int | tuple[int, ...]


class Pool(Protocol):
    """Devices that are taken and given back."""

    def could_hold(self, devices: int) -> bool:
        """Whether so many could be had if all were free."""
        ...

    def take(self, devices: int) -> Held | None:
        """Take so many, or None when they are not to be had now."""
        ...

    def give_back(self, devices: int, held: Held) -> None:
        """Give back what ``take`` answered for so many devices."""
        ...


class FreePool:
    """Devices without nodes."""

    def __init__(self, devices: int) -> None:
        self._all = self._free = devices

    def could_hold(self, devices: int) -> bool:
        return devices <= self._all

    def take(self, devices: int) -> Held | None:
        if devices > self._free:
            return None
        self._free -= devices
        return devices

    def give_back(self, devices: int, held: Held) -> None:
        self._free += devices
        assert self._free <= self._all, "devices given back twice"


class NodePool:
    """So many nodes with so many devices each."""

    def __init__(self, nodes: int, devices_per_node: int) -> None:
        assert nodes > 0 < devices_per_node, "a pool has nodes and devices"
        self._nodes, self._each = nodes, devices_per_node
        self._free = [devices_per_node] * nodes
        self._whole = nodes
        # Nodes by how many devices are free, the first node on top. An entry whose node has another
        # number by now is left until it is met.
        self._by_free: list[list[int]] = [[] for _ in range(devices_per_node + 1)]
        self._by_free[devices_per_node] = list(range(nodes))
        heapify(self._by_free[devices_per_node])

    def could_hold(self, devices: int) -> bool:
        return -(-devices // self._each) <= self._nodes

    def take(self, devices: int) -> Held | None:
        if devices > self._each:
            return self._take_whole(-(-devices // self._each))
        free = self._free
        for level in range(devices, self._each + 1):
            entries = self._by_free[level]
            while entries:
                node = heappop(entries)
                if free[node] == level:
                    self._whole -= level == self._each
                    self._set(node, level - devices)
                    return node
        return None

    def give_back(self, devices: int, held: Held) -> None:
        if isinstance(held, int):
            free = self._free[held] + devices
            assert free <= self._each, f"node {held} got devices back twice"
            self._whole += free == self._each
            self._set(held, free)
            return
        for node in held:
            assert self._free[node] == 0, f"node {node} was given back twice"
            self._set(node, self._each)
        self._whole += len(held)

    def _take_whole(self, count: int) -> Held | None:
        if count > self._whole:
            return None
        entries, found = self._by_free[self._each], list[int]()
        while len(found) < count:
            node = heappop(entries)
            if self._free[node] == self._each:
                found.append(node)
                self._free[node] = 0
        self._whole -= count
        return tuple(found)

    def _set(self, node: int, free: int) -> None:
        self._free[node] = free
        if free:
            heappush(self._by_free[free], node)
