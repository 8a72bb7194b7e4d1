"""The rule ``bestfit``: the node with the least left after the placement.

As the peer of the published comparison defines it (hkust-adsl/kubernetes-scheduler-simulator,
BestFitScore): cores and devices count half each, as parts of the largest node there is, in whole
percent; of equals the first in turn; a fraction goes to the device with the least left.
"""

import numpy as np

from bruk.scheduler.fleet.arrays import Fleet, Integers
from bruk.scheduler.fleet.rows import Rows
from bruk.scheduler.fleet.shape import WHOLE_MILLI, Shape

# The largest node of the published comparison.
CPU_MILLI_MAX = 128_000
DEVICE_MILLI_MAX = 8_000


class BestFit:
    """Best fit on one fleet."""

    def __init__(self, fleet: Fleet, turns: Integers | None = None) -> None:
        self._fleet = fleet
        self._rows = Rows(fleet, self, turns)

    def arrived(self, shape: Shape) -> None:
        """It learns nothing."""

    def choose(self, shape: Shape) -> tuple[int, tuple[int, ...]] | None:
        """The fullest node with room and the fullest device on it, or None."""
        return self._rows.best(shape)

    def scores(self, shape: Shape) -> dict[int, int]:
        """The score of every node with room, lower is better."""
        return self._rows.scores(shape)

    def score(self, shape: Shape, nodes: Integers) -> tuple[Integers, Integers]:
        """See ``rows.Scorer``."""
        fleet = self._fleet
        cpu = (fleet.cpu_milli[nodes] - fleet.cpu_need_milli(shape, nodes)) * (0.5 / CPU_MILLI_MAX)
        free = (fleet.free_milli[nodes] - shape.total_milli) * (0.5 / DEVICE_MILLI_MAX)
        percent = ((1.0 - (cpu + free)) * 100).astype(np.int64)
        if not shape.fractional:
            return -percent, nodes
        parts = fleet.device_milli[nodes]
        device = np.where(parts >= shape.device_milli, parts, WHOLE_MILLI + 1).argmin(axis=1)
        return -percent, device
