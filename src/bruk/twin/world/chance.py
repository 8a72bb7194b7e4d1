"""Chance from a seed: independent streams by name, so that one draw more here changes nothing there."""

from collections.abc import Sequence
from typing import TypeVar
from zlib import crc32

import numpy as np

Item = TypeVar("Item")


class Chance:
    """A stream of draws; the same seed and name give the same draws on every machine."""

    def __init__(self, seed: int, name: str) -> None:
        assert seed >= 0, "a seed is not negative"
        self._draws = np.random.Generator(np.random.PCG64([seed, crc32(name.encode())]))

    def whole(self, low: int, high: int) -> int:
        """A whole number within ``[low, high]``, each alike."""
        return int(self._draws.integers(low, high, endpoint=True))

    def log_whole(self, low: int, high: int) -> int:
        """A whole number within ``[low, high]``, its logarithm evenly spread: short ones are many."""
        assert 0 < low <= high, "logarithms want positive bounds"
        return min(high, max(low, int(np.exp(self._draws.uniform(np.log(low), np.log(high))))))

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items, each alike."""
        return items[self.whole(0, len(items) - 1)]

    def true(self, permille: int) -> bool:
        """True in so many of a thousand draws."""
        return self.whole(1, 1000) <= permille

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """The items in another order."""
        return [items[int(index)] for index in self._draws.permutation(len(items))]
