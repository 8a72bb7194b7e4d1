"""A run that fails now and then and goes on from its last checkpoint: how long it takes by the interval.

It shows where the least is, which ``facility.checkpoint`` says in a formula (J. W. Young, "A first order
approximation to the optimum checkpoint interval", CACM 17 (1974) 530-531; J. T. Daly, FGCS 22 (2006)
303-312). Failures come at any moment, while the run writes or restarts as well, at times between that
are exponential and drawn from a seed.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bruk.twin.chance import SeededChance

_PARTS = 2**53


@dataclass(frozen=True, slots=True)
class FailingRun:
    """A run and what befalls it.

    Attributes:
        work_ms: what it has to do, without failures and checkpoints [ms].
        write_ms: what a checkpoint takes [ms].
        restart_ms: what it takes to go on after a failure [ms].
        mtbf_ms: mean time between failures [ms].
    """

    work_ms: int
    write_ms: int
    restart_ms: int
    mtbf_ms: int


@dataclass(frozen=True, slots=True)
class Optimum:
    """The interval that takes the least time, as simulated.

    Attributes:
        interval_ms: geometric mean over the seeds [ms].
        low_ms: lower end of its confidence interval [ms].
        high_ms: upper end [ms].
    """

    interval_ms: float
    low_ms: float
    high_ms: float


def failure_gaps_ms(mtbf_ms: int, seed: int) -> Iterator[int]:
    """Times between failures, without end [ms]."""
    chance = SeededChance(seed)
    while True:
        yield round(-mtbf_ms * math.log((chance.below(_PARTS) + 1) / _PARTS))


def taken_ms(run: FailingRun, interval_ms: int, gaps_ms: Iterable[int]) -> int:
    """How long the run takes if it writes whenever it has worked so long [ms].

    Args:
        interval_ms: work between two checkpoints, above zero; none is written at the end [ms].
        gaps_ms: times between failures, enough of them; see ``failure_gaps_ms``.
    """
    assert interval_ms > 0, "some work is between two checkpoints"
    left_ms, passed_ms, begin_ms = run.work_ms, 0, 0
    for gap_ms in gaps_ms:
        writes = -(-left_ms // interval_ms) - 1
        needed_ms = begin_ms + left_ms + writes * run.write_ms
        if needed_ms <= gap_ms:
            return passed_ms + needed_ms
        kept = min(max(gap_ms - begin_ms, 0) // (interval_ms + run.write_ms), writes)
        left_ms -= kept * interval_ms
        passed_ms += gap_ms
        begin_ms = run.restart_ms
    raise AssertionError("the failures ended before the run did")


def optimum(run: FailingRun, intervals_ms: Sequence[int], seeds: Sequence[int], quantile: float) -> Optimum:
    """Where the least of the time taken lies on a grid of intervals.

    All intervals meet the same failures for a seed. Through the times of a seed a parabola is laid over
    the logarithms of the intervals: the time lost is w/tau + tau/2M, which is symmetric there.

    Args:
        intervals_ms: at least three, around the optimum, evenly spaced by ratio [ms].
        seeds: at least two.
        quantile: of Student's t for the confidence wanted and one degree of freedom less than seeds.
    """
    logs = np.log(np.array(intervals_ms, dtype=np.float64))
    centre = float(logs.mean())
    found = []
    for seed in seeds:
        gaps = _Kept(failure_gaps_ms(run.mtbf_ms, seed))
        times = np.array([taken_ms(run, interval_ms, gaps) for interval_ms in intervals_ms], dtype=np.float64)
        curve, slope, _ = np.polyfit(logs - centre, times / run.work_ms, 2)
        found.append(centre - slope / (2 * curve))
    mean, half = np.mean(found), quantile * np.std(found, ddof=1) / math.sqrt(len(found))
    return Optimum(*(math.exp(value) for value in (mean, mean - half, mean + half)))


class _Kept:
    """The same numbers each time, drawn when they are first wanted."""

    def __init__(self, source: Iterator[int]) -> None:
        self._source, self._known = source, list[int]()

    def __iter__(self) -> Iterator[int]:
        at = 0
        while True:
            if at == len(self._known):
                self._known.append(next(self._source))
            yield self._known[at]
            at += 1
