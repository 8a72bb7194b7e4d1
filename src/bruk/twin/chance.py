"""Chance from a seed: the same seed gives the same draws on every machine, for good.

It draws raw words of PCG64, whose stream numpy guarantees, and makes everything else of them itself:
what numpy's own generators make of the same words may change from version to version.
"""

from collections.abc import Sequence
from typing import TypeVar

from numpy.random import PCG64

WORDS = 4096
T = TypeVar("T")


class SeededChance:
    """Draws lots; also a ``scheduler.fleet.Chance``."""

    def __init__(self, seed: int) -> None:
        """Begin the stream of this seed, 0 or more."""
        self._source = PCG64(seed)
        self._words: list[int] = []

    def below(self, count: int) -> int:
        """One of 0 … count - 1, all alike (to within ``count / 2**64``)."""
        assert count > 0, "there is nothing to draw from"
        if not self._words:
            self._words = self._source.random_raw(WORDS).tolist()
        return (self._words.pop() * count) >> 64

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in any order, all orders alike (Fisher and Yates)."""
        mixed = list(items)
        for last in range(len(mixed) - 1, 0, -1):
            other = self.below(last + 1)
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed
