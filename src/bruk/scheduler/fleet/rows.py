"""Scores kept by shape and node, renewed only where a node changed.

A row holds what a rule thinks of every node for one shape. Between two requests of that shape only a
few nodes changed; the rule is asked about those alone, which is what makes a choice cheap on a large
fleet. A kept row always equals a new one: a rule may look at the node, the shape and its own tables,
and must say ``forget`` when its tables change. Look next at `rules`.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bruk.scheduler.fleet.arrays import Fleet, Integers, Truths
from bruk.scheduler.fleet.shape import Shape

# More shapes than this are not kept; the one that was asked for longest ago goes first.
ROWS_MAX = 1024
NO_ROOM = np.iinfo(np.int64).max


class Scorer(Protocol):
    """What a rule thinks of nodes."""

    def score(self, shape: Shape, nodes: Integers) -> tuple[Integers, Integers]:
        """Scores of these nodes, which all have room, and for a fractional shape the device on each.

        Returns:
            the scores, lower is better and at most ``SCORE_MAX`` from zero; and the index of the
            device to share (anything, for other shapes).
        """
        ...


@dataclass(slots=True)
class Row:
    """One shape's scores.

    Attributes:
        key: score and, after it, the node's turn among equals; ``NO_ROOM`` where it does not fit.
        device: which device a fraction would share.
        nodes: which nodes have a model that will do.
        changes: the fleet's count of changes when the row was renewed last.
    """

    key: Integers
    device: NDArray[np.int16]
    nodes: Truths
    changes: int


class Rows:
    """The rows of one rule on one fleet."""

    def __init__(self, fleet: Fleet, scorer: Scorer, turns: Integers | None = None) -> None:
        """No rows yet.

        Args:
            turns: each node's turn, 0 … nodes - 1: of nodes with equal scores the one with the lowest
                turn is taken. The order of the fleet, if left out.
        """
        self._fleet = fleet
        self._scorer = scorer
        self._count = max(len(fleet), 1)
        self._turns: Integers = np.arange(len(fleet), dtype=np.int64) if turns is None else turns
        self._rows: dict[Shape, Row] = {}

    def forget(self) -> None:
        """Drop every row: the rule's tables changed."""
        self._rows.clear()

    def best(self, shape: Shape) -> tuple[int, tuple[int, ...]] | None:
        """The node with the lowest score and the devices to take there, or None if none has room."""
        if not len(self._fleet):
            return None
        row = self.row(shape)
        node = int(row.key.argmin())
        if row.key[node] == NO_ROOM:
            return None
        if shape.fractional:
            return node, (int(row.device[node]),)
        return node, self._fleet.whole_devices(node, shape.devices) if shape.devices else ()

    def scores(self, shape: Shape) -> dict[int, int]:
        """The score of every node with room, by its number."""
        row = self.row(shape)
        return {int(node): int(row.key[node]) // self._count for node in np.flatnonzero(row.key != NO_ROOM)}

    def row(self, shape: Shape) -> Row:
        """The row of a shape as the fleet is now; for reading."""
        fleet = self._fleet
        row = self._rows.get(shape)
        if row is not None and row.changes == fleet.changes:
            return row
        row = self._rows.pop(shape, None)
        if row is None:
            key = np.full(len(fleet), NO_ROOM, dtype=np.int64)
            row = Row(key, np.zeros(len(fleet), dtype=np.int16), fleet.allowed(shape.models), 0)
            stale = np.flatnonzero(row.nodes)
            if len(self._rows) >= ROWS_MAX:
                del self._rows[next(iter(self._rows))]
        else:
            stale = fleet.changed_since(row.changes)
            if shape.models:
                stale = stale[row.nodes[stale]]
        self._rows[shape] = row  # The last in order is the one asked for last.
        row.changes = fleet.changes
        if stale.size:
            fits = fleet.fits(shape, stale)
            row.key[stale] = NO_ROOM
            open_nodes = stale[fits]
            if open_nodes.size:
                score, device = self._scorer.score(shape, open_nodes)
                row.key[open_nodes] = score * self._count + self._turns[open_nodes]
                row.device[open_nodes] = device
        return row
