"""How well each node suits each shape, how many have room, and when more will; kept and renewed.

The placement rule scores nodes by what a placement does to the work that is expected next. What is
expected is the mix of what runs and what waits. Of nodes with equal scores the one with the least
carbon goes first, then the cheapest, then by name. It must never depend on anything but the world as
it is now: a state that followed events gives what one does that was just loaded. Look next at
`placement`.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Protocol, cast

import numpy as np

from bruk.model.snapshot import SiteState
from bruk.scheduler.demand import Demands
from bruk.scheduler.fleet.arrays import Fleet, Integers, Truths
from bruk.scheduler.fleet.bestfit import BestFit
from bruk.scheduler.fleet.fragmentation import Fragmentation
from bruk.scheduler.fleet.mix import normalised
from bruk.scheduler.fleet.rows import NO_ROOM, Row, Rows, Scorer
from bruk.scheduler.fleet.shape import SHARE, WHOLE_MILLI, Shape
from bruk.scheduler.fleet.waste import Waste
from bruk.scheduler.nodes import NEVER_MS, Nodes

Mix = dict[Shape, float]


class _Build(Protocol):
    def __call__(self, fleet: Fleet, mix: Mix) -> Scorer: ...


def _bruk(fleet: Fleet, mix: Mix) -> Scorer:
    rule = Waste(fleet)
    rule.learn(mix)
    return rule


PLACEMENTS: dict[str, _Build] = {
    "bruk": _bruk,
    "bestfit": lambda fleet, mix: BestFit(fleet),
    "fgd": lambda fleet, mix: Fragmentation(fleet, mix),
}


class Scores:
    """What is kept of every shape that was asked for."""

    def __init__(
        self,
        nodes: Nodes,
        placement: str,
        sites: Mapping[str, SiteState],
        prices_microeur: Mapping[str, int],
    ) -> None:
        self._nodes, self._placement = nodes, placement
        self._mix: Mix | None = None
        self._rows: Rows | None = None
        self._rooms: dict[Shape, tuple[int, list[int]]] = {}
        self._would: dict[Shape, tuple[Integers, Integers]] = {}
        self._soonest: dict[tuple[Shape, int], tuple[int, list[int]]] = {}
        self._turns = _turns(nodes, sites, prices_microeur)

    def expect(self, asked: Counter[tuple[int, int, int, int]], demands: Demands) -> None:
        """Expect more of what runs and waits now.

        Numbers are rounded down to powers of two: the mix is an estimate, and scores need not be made
        anew whenever something starts.
        """
        counted: Counter[Shape] = Counter()
        for (cpu_milli, memory_bytes, devices, device_milli), members in asked.items():
            if members > 0 and devices:
                part_milli = device_milli if devices == 1 else WHOLE_MILLI
                shape = Shape(cpu_milli or SHARE, memory_bytes or SHARE, devices, part_milli)
                counted[shape] += members
        for demand in demands:
            counted[demand.shape] += len(demand) * demand.like.resources.nodes
        rounded = {shape: float(1 << count.bit_length() - 1) for shape, count in counted.items() if count}
        if rounded != self._mix:
            self._mix = rounded
            scorer = PLACEMENTS[self._placement](self._nodes.fleet, normalised(rounded))
            self._rows = Rows(self._nodes.fleet, scorer, self._turns)

    def row(self, shape: Shape) -> Row:
        """Scores by node; ``NO_ROOM`` where it does not fit now."""
        assert self._rows is not None, "nothing was expected yet"
        return self._rows.row(shape)

    def score(self, key: int) -> int:
        """The score in a key of a row."""
        return key // max(len(self._nodes), 1)

    def room(self, shape: Shape) -> list[int]:
        """By group: how many nodes have room now, kept or not; for reading."""
        changes = self._nodes.fleet.changes
        known = self._rooms.get(shape)
        if known is None or known[0] != changes:
            fits = self.row(shape).key != NO_ROOM
            known = (changes, self._count(fits).tolist())
            self._rooms[shape] = known
        return known[1]

    def would(self, shape: Shape) -> tuple[Integers, Integers]:
        """By group: how many nodes would have room if they were empty: the usable ones, and all."""
        known = self._would.get(shape)
        if known is None:
            fleet = self._nodes.fleet
            large = fleet.large_enough(shape)
            known = (self._count(large & fleet.usable), self._count(large))
            self._would[shape] = known
        return known

    def soonest_ms(self, shape: Shape, members: int, group: int) -> int:
        """When so many nodes of a group have so many devices, by the time limits of what runs [ms].

        Cores, memory and what is kept are not looked at: it is never earlier than this.
        """
        changes = self._nodes.fleet.changes
        known = self._soonest.get((shape, members))
        if known is None or known[0] != changes:
            known = (changes, [-1] * len(self._nodes.groups))
            self._soonest[shape, members] = known
        if known[1][group] < 0:
            known[1][group] = self._soonest_of(shape, members, group)
        return known[1][group]

    def _soonest_of(self, shape: Shape, members: int, group: int) -> int:
        nodes = self._nodes
        of = nodes.groups[group].nodes
        of = of[nodes.fleet.usable[of]]
        if members > len(of) or shape.devices >= nodes.free_at_ms.shape[1]:
            return NEVER_MS
        return int(np.partition(nodes.free_at_ms[of, shape.devices], members - 1)[members - 1])

    def _count(self, which: Truths) -> Integers:
        return np.bincount(self._nodes.group[which], minlength=len(self._nodes.groups))


def _turns(nodes: Nodes, sites: Mapping[str, SiteState], prices_microeur: Mapping[str, int]) -> Integers:
    """Each node's turn among equals: the least carbon, then the cheapest, then by site and name."""
    ranks = []
    for group in nodes.groups:
        state = sites[group.site]
        price = prices_microeur.get(group.accelerator, prices_microeur.get("*", 0))
        now = state.carbon_mg_per_kwh[0] if state.carbon_mg_per_kwh else 0
        ranks.append((now * state.site.pue_milli, price))
    places = {rank: place for place, rank in enumerate(sorted(set(ranks)))}
    of_group = np.array([places[rank] for rank in ranks], dtype=np.int64)
    turns = np.empty(len(nodes), dtype=np.int64)
    order = np.argsort(of_group[nodes.group], kind="stable") if len(nodes) else np.arange(0)
    turns[order] = np.arange(len(nodes))
    return cast(Integers, turns)
