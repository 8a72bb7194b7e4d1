"""One line of the table, and how repeated timings become one figure."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement.

    Attributes:
        what: what was measured, in words.
        value: the median.
        unit: its unit.
        spread: smallest and largest of the repeats, in the same unit.
    """

    what: str
    value: float
    unit: str
    spread: tuple[float, float]


def timed(what: str, unit: str, figure: Callable[[], float], repeats: int = 5) -> Row:
    """The median and spread of a figure over repeats."""
    found = [figure() for _ in range(repeats)]
    return Row(what, statistics.median(found), unit, (min(found), max(found)))


def seconds(act: Callable[[], object]) -> float:
    """Wall time of one call [s]."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
