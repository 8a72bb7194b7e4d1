"""The rule ``random``: any node with room, all alike; the least that any rule must beat.

Chance comes from the caller, so that the same seed gives the same placements.
"""

from typing import Protocol

import numpy as np

from bruk.scheduler.fleet.arrays import Fleet
from bruk.scheduler.fleet.shape import Shape


class Chance(Protocol):
    """Where a rule draws lots."""

    def below(self, count: int) -> int:
        """One of 0 … count - 1, all alike."""
        ...


class Anywhere:
    """The random rule on one fleet."""

    def __init__(self, fleet: Fleet, chance: Chance) -> None:
        self._fleet = fleet
        self._chance = chance

    def arrived(self, shape: Shape) -> None:
        """It learns nothing."""

    def choose(self, shape: Shape) -> tuple[int, tuple[int, ...]] | None:
        """Any node with room and any device on it that would do, or None."""
        open_nodes = self._open(shape)
        if not open_nodes:
            return None
        node = open_nodes[self._chance.below(len(open_nodes))]
        if not shape.fractional:
            return node, self._fleet.whole_devices(node, shape.devices) if shape.devices else ()
        devices = np.flatnonzero(self._fleet.device_milli[node] >= shape.device_milli)
        return node, (int(devices[self._chance.below(len(devices))]),)

    def scores(self, shape: Shape) -> dict[int, int]:
        """Every node with room, all alike."""
        return dict.fromkeys(self._open(shape), 0)

    def _open(self, shape: Shape) -> list[int]:
        fleet = self._fleet
        nodes = np.flatnonzero(fleet.allowed(shape.models))
        return [int(node) for node in nodes[fleet.fits(shape, nodes)]]
