"""The least time with checkpoints, found by simulation, lies where Daly's formula says."""

import itertools
import math
import statistics

import pytest

from bruk.facility.checkpoint import checkpoint_interval_ms
from bruk.twin.checkpoint import FailingRun, failure_gaps_ms, optimum, taken_ms

SECOND, HOUR = 1000, 3_600_000
# Student's t, 97.5 %, 23 degrees of freedom.
T_23 = 2.069


def test_what_a_run_takes_by_hand():
    run = FailingRun(work_ms=100, write_ms=5, restart_ms=7, mtbf_ms=1)
    never = itertools.repeat(10**9)
    assert taken_ms(run, 100, never) == 100
    assert taken_ms(run, 40, never) == 110
    # It fails at 50, while it writes nothing: 40 are kept; 60 are left and one more write.
    assert taken_ms(run, 40, [50, 10**9]) == 50 + 7 + 60 + 5
    # It fails at 44, in its first write: nothing is kept.
    assert taken_ms(run, 40, [44, 10**9]) == 44 + 7 + 110
    # It fails again while it restarts.
    assert taken_ms(run, 40, [50, 6, 10**9]) == 50 + 6 + 7 + 65


def test_failures_come_as_often_as_they_should_and_the_same_for_a_seed():
    gaps = list(itertools.islice(failure_gaps_ms(1_000_000, 1), 20_000))
    assert statistics.mean(gaps) == pytest.approx(1_000_000, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(1_000_000, rel=0.03)
    assert gaps == list(itertools.islice(failure_gaps_ms(1_000_000, 1), 20_000))


def daly_ms(write_ms, mtbf_ms):
    """Daly (2006): the higher-order form, which is meant for writes of less than 2 M."""
    part = math.sqrt(write_ms / (2 * mtbf_ms))
    return math.sqrt(2 * write_ms * mtbf_ms) * (1 + part / 3 + part**2 / 9) - write_ms


@pytest.mark.parametrize(
    ("write_ms", "restart_ms", "mtbf_ms"),
    [
        (60 * SECOND, 300 * SECOND, 24 * HOUR),
        (10 * SECOND, 0, 6 * HOUR),
        (30 * SECOND, 60 * SECOND, 3 * HOUR),
    ],
)
def test_the_optimum_lies_at_dalys_formula(write_ms, restart_ms, mtbf_ms):
    """Within the 95 % confidence interval of 24 seeds, which is narrower than a twentieth.

    The first-order form, which the product advises, lies within two hundredths of it.
    """
    advised_ms = checkpoint_interval_ms(write_ms, mtbf_ms)
    run = FailingRun(1500 * mtbf_ms, write_ms, restart_ms, mtbf_ms)
    grid = [round(advised_ms * 1.2**step) for step in range(-4, 5)]
    found = optimum(run, grid, range(24), T_23)
    assert found.low_ms <= daly_ms(write_ms, mtbf_ms) <= found.high_ms
    assert found.high_ms < 1.05 * found.low_ms
    assert advised_ms == pytest.approx(found.interval_ms, rel=0.02)
