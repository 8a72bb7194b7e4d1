"""The rule ``bruk``: put work where it strands the least of what is expected next.

What is expected is learnt from what has arrived (see `mix`); nothing is known at first, and nothing
to come is ever looked at. A placement's score is how much V of `stranding` rises by it, in steps of
``STEP``: smaller differences are noise of the estimate, and of equals the first in turn is taken, so
that work gathers on few nodes and the others stay whole.
"""

from collections.abc import Mapping

import numpy as np

from bruk.scheduler.fleet.arrays import Fleet, Integers
from bruk.scheduler.fleet.mix import Mix
from bruk.scheduler.fleet.rows import Rows
from bruk.scheduler.fleet.shape import WHOLE_MILLI, Shape
from bruk.scheduler.fleet.stranding import GANG_WEIGHT, Reals, Tables

# Scores are counted in this part of a device [thousandths].
SCORE_STEP_MILLI = 40
# A device that cannot be shared costs more than any that can.
_NEVER = 1e9


class Waste:
    """Bruk's own rule on one fleet."""

    def __init__(self, fleet: Fleet, turns: Integers | None = None) -> None:
        """Nothing has arrived yet."""
        self._fleet = fleet
        self._mix = Mix()
        self._rows = Rows(fleet, self, turns)
        self._tables: dict[int, Tables] = {}
        self._one: Tables | None = None
        self._shares: dict[int, Reals] = {}
        self.learn({})

    def arrived(self, shape: Shape) -> None:
        """Learn that such a request came."""
        self._mix.arrived(shape)
        if self._mix.due():
            self.learn(self._mix.shares())

    def choose(self, shape: Shape) -> tuple[int, tuple[int, ...]] | None:
        """The node and devices that strand the least, or None when nothing has room."""
        return self._rows.best(shape)

    def scores(self, shape: Shape) -> dict[int, int]:
        """The score of every node with room, lower is better."""
        return self._rows.scores(shape)

    def score(self, shape: Shape, nodes: Integers) -> tuple[Integers, Integers]:
        """See ``rows.Scorer``."""
        if self._one is not None:
            return self._scored(self._one, shape, nodes)
        score, device = np.empty_like(nodes), np.empty_like(nodes)
        model = self._fleet.model[nodes]
        for number in np.unique(model):
            alike = model == number
            score[alike], device[alike] = self._scored(self._tables[int(number)], shape, nodes[alike])
        return score, device

    def _scored(self, tables: Tables, shape: Shape, nodes: Integers) -> tuple[Integers, Integers]:
        fleet = self._fleet
        cpu, free, whole = fleet.cpu_milli[nodes], fleet.free_milli[nodes], fleet.whole[nodes]
        free_after = free - shape.total_milli
        device = nodes
        if shape.fractional:
            parts = fleet.device_milli[nodes]
            cost = self._sharing(tables, shape)[parts]
            breaking = (GANG_WEIGHT * free_after) * (tables.gang[whole - 1] - tables.gang[whole])
            cost += (parts == WHOLE_MILLI) * breaking[:, None]
            device = cost.argmin(axis=1)
            every = np.arange(len(nodes))
            taken = parts[every, device]
            rise = tables.stranded_milli[taken - shape.device_milli] - tables.stranded_milli[taken]
            whole_after = whole - (taken == WHOLE_MILLI)
        else:
            rise = -shape.devices * tables.stranded_milli[WHOLE_MILLI]
            whole_after = whole - shape.devices
        count = len(nodes)
        value = tables.value_milli(
            np.concatenate((cpu, cpu - fleet.cpu_need_milli(shape, nodes))),
            np.concatenate((free, free_after)),
            np.concatenate((whole, whole_after)),
        )
        rise = rise + value[count:] - value[:count]
        return np.floor(rise / SCORE_STEP_MILLI).astype(np.int64), device

    def _sharing(self, tables: Tables, shape: Shape) -> Reals:
        """What sharing a device costs by what is left of it; of equals the fullest is taken."""
        key = shape.device_milli
        found = self._shares.get(key)
        if found is None or self._one is None:
            left = np.arange(WHOLE_MILLI + 1)
            kept = tables.stranded_milli
            found = np.where(left >= key, kept[left - key] - kept + 1e-6 * left, _NEVER)
            self._shares[key] = found
        return found

    def learn(self, shares: Mapping[Shape, float]) -> None:
        """Expect this mix from now on: the probability of each shape."""
        self._rows.forget()
        fleet = self._fleet
        devices_max = int(fleet.devices.max(initial=0))
        self._shares = {}
        self._one = None
        if not any(shape.models for shape in shares):
            self._one = Tables.of(shares, devices_max)
            return
        # Where some work needs certain models, what is left on a model counts for those who may use it.
        for number, model in enumerate(fleet.models):
            self._tables[number] = Tables.of(shares, devices_max, model)
