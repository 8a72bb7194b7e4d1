"""Jobs that wait, in columns and in order, so that all can be looked at in one step."""

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_KEY, _TAKES, _LIMIT, _JOB = range(4)
_PLACES = 1024


class Line:
    """Waiting jobs by a key, the least first, of equal keys the one that was added first.

    Places are counted from the first that waits, and move when one is added or removed.
    """

    def __init__(self) -> None:
        self._columns: Integers = np.zeros((4, _PLACES), dtype=np.int64)
        self._first = self._last = 0

    def __len__(self) -> int:
        return self._last - self._first

    @property
    def key(self) -> Integers:
        """By place, what it stands in order by."""
        return self._columns[_KEY, self._first : self._last]

    @property
    def takes(self) -> Integers:
        """By place, how many devices it takes; see `room`."""
        return self._columns[_TAKES, self._first : self._last]

    @property
    def limit_ms(self) -> Integers:
        """By place, its time limit [ms]."""
        return self._columns[_LIMIT, self._first : self._last]

    @property
    def job(self) -> Integers:
        """By place, its number."""
        return self._columns[_JOB, self._first : self._last]

    def add(self, key: int, takes: int, limit_ms: int, job: int) -> None:
        """One more waits."""
        if self._last == self._columns.shape[1]:
            self._make_space()
        place = self._first + int(self.key.searchsorted(key, side="right"))
        columns, last = self._columns, self._last
        if place < last:
            columns[:, place + 1 : last + 1] = columns[:, place:last]
        columns[:, place] = (key, takes, limit_ms, job)
        self._last += 1

    def remove(self, place: int) -> None:
        """One less waits."""
        if place:
            columns, at = self._columns, self._first
            columns[:, at + 1 : at + place + 1] = columns[:, at : at + place]
        self._first += 1

    def place_of(self, key: int) -> int | None:
        """The first place with a key, or None."""
        place = int(self.key.searchsorted(key))
        return place if place < len(self) and self.key[place] == key else None

    def _make_space(self) -> None:
        waiting = len(self)
        columns = np.zeros((4, 2 * waiting + _PLACES), dtype=np.int64)
        columns[:, :waiting] = self._columns[:, self._first : self._last]
        self._columns, self._first, self._last = columns, 0, waiting
