"""The rule ``fgd``: put work where the expected fragmentation rises the least.

Fragmentation Gradient Descent of "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with
Fragmentation Gradient Descent" (Weng et al., USENIX ATC 2023, section 4), with what its published
simulator adds (hkust-adsl/kubernetes-scheduler-simulator, FGDScore):

* The fragmentation of a node is the sum, over the typical shapes m with popularity p_m, of p_m times
  the part of its free devices that m cannot use: everything, if the node has no room for m or m
  needs no device; else the devices on which less is left than m takes of one.
* Typical are the most frequent shapes that together make 95 % of the work, in the popularity that
  they have in the whole workload, which this rule is given beforehand.
* A placement's score is 100 * sigmoid(fall of fragmentation in devices), rounded down to a whole
  number; of equals the first in turn; a fraction goes to the first device with the best score.

A peer to be compared with, not tuned for speed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bruk.scheduler.fleet.arrays import Fleet, Integers
from bruk.scheduler.fleet.mix import normalised
from bruk.scheduler.fleet.rows import Rows
from bruk.scheduler.fleet.shape import WHOLE_MILLI, Shape

TYPICAL_SHARE = 0.95

Reals = NDArray[np.float64]


class Fragmentation:
    """FGD on one fleet."""

    def __init__(self, fleet: Fleet, expected: Mapping[Shape, float], turns: Integers | None = None) -> None:
        """Prepare for the work that is expected, with its popularity."""
        self._fleet = fleet
        self._rows = Rows(fleet, self, turns)
        chosen = normalised(typical(expected))
        self._share = np.array([chosen[shape] for shape in chosen])
        self._cpu = np.array([max(shape.cpu_milli, 0) for shape in chosen], dtype=np.int64)
        self._count = np.array([shape.devices for shape in chosen], dtype=np.int64)
        self._part = np.array([shape.device_milli for shape in chosen], dtype=np.int64)
        self._fits_model = np.array(
            [[not shape.models or model in shape.models for shape in chosen] for model in fleet.models],
            dtype=np.bool_,
        ).reshape(len(fleet.models), len(chosen))

    def arrived(self, shape: Shape) -> None:
        """It learns nothing: it was given the popularity of all work."""

    def choose(self, shape: Shape) -> tuple[int, tuple[int, ...]] | None:
        """The node and devices with the least rise of fragmentation, or None."""
        return self._rows.best(shape)

    def scores(self, shape: Shape) -> dict[int, int]:
        """The score of every node with room, lower is better."""
        return self._rows.scores(shape)

    def fragmentation_milli(self, nodes: Integers, cpu_milli: Integers, parts: Integers) -> Reals:
        """Expected fragmentation of these nodes, had they so much free [thousandths of a device].

        Args:
            cpu_milli: free cores, one for each node.
            parts: what is left of each device, one row for each node.
        """
        usable = parts[:, None, :] >= self._part[None, :, None]
        total = parts.sum(axis=1)[:, None]
        lost = total - (usable * parts[:, None, :]).sum(axis=2)
        room = (usable.sum(axis=2) >= self._count) & (self._count > 0)
        room &= (cpu_milli[:, None] >= self._cpu) & self._fits_model[self._fleet.model[nodes]]
        return np.asarray((np.where(room, lost, total) * self._share).sum(axis=1))

    def score(self, shape: Shape, nodes: Integers) -> tuple[Integers, Integers]:
        """See ``rows.Scorer``."""
        fleet = self._fleet
        parts, cpu = fleet.device_milli[nodes], fleet.cpu_milli[nodes]
        before = self.fragmentation_milli(nodes, cpu, parts)
        cpu = cpu - fleet.cpu_need_milli(shape, nodes)
        if not shape.fractional:
            taken = (parts == WHOLE_MILLI) & ((parts == WHOLE_MILLI).cumsum(axis=1) <= shape.devices)
            after = self.fragmentation_milli(nodes, cpu, np.where(taken, 0, parts))
            return -_points(before - after), nodes
        scores = np.full(parts.shape, 1, dtype=np.int64)  # Worse than any score, which is 0 or less.
        for device in range(parts.shape[1]):
            fits = np.flatnonzero(parts[:, device] >= shape.device_milli)
            if fits.size:
                left = parts[fits]
                left[:, device] -= shape.device_milli
                after = self.fragmentation_milli(nodes[fits], cpu[fits], left)
                scores[fits, device] = -_points(before[fits] - after)
        device = scores.argmin(axis=1)
        return scores[np.arange(len(nodes)), device], device


def typical(popularity: Mapping[Shape, float]) -> dict[Shape, float]:
    """The most frequent shapes that together have at least ``TYPICAL_SHARE`` of all.

    Memory is not part of what a typical shape is: those that differ in it alone count as one.
    """
    merged: dict[Shape, float] = {}
    for shape, count in popularity.items():
        alike = Shape(shape.cpu_milli, 0, shape.devices, shape.device_milli, shape.models)
        merged[alike] = merged.get(alike, 0) + count
    enough, found, kept = TYPICAL_SHARE * sum(merged.values()), 0.0, {}
    for shape, count in sorted(merged.items(), key=lambda entry: (-entry[1], entry[0])):
        if found >= enough:
            break
        kept[shape] = count
        found += count
    return kept


def _points(fall_milli: NDArray[Any]) -> Integers:
    return np.asarray(100.0 / (1.0 + np.exp(-fall_milli / WHOLE_MILLI))).astype(np.int64)
