"""Daly's interval: the textbook value, its limits, and that it loses less time than its neighbours."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.facility.checkpoint import checkpoint_interval_ms, node_mtbf_ms, run_mtbf_ms


def _lost_share(interval_ms: float, write_ms: float, mtbf_ms: float) -> float:
    """Time lost for each time of work, to first order: writing, and half an interval for each failure."""
    return write_ms / interval_ms + (interval_ms + write_ms) / (2 * mtbf_ms)


def test_the_formula_gives_its_value() -> None:
    # w of 5 min and M of 24 h: sqrt(2 * 300 * 86400) - 300 = 6900 s.
    assert checkpoint_interval_ms(300_000, 86_400_000) == 6_900_000


@given(st.integers(1, 600_000), st.integers(10**8, 10**11))
def test_neighbours_lose_no_less(write_ms: int, mtbf_ms: int) -> None:
    # The optimum of the first-order loss counts the write as part of the period.
    best = checkpoint_interval_ms(write_ms, mtbf_ms) + write_ms

    for factor in (0.5, 2.0):
        assert _lost_share(best, write_ms, mtbf_ms) <= _lost_share(best * factor, write_ms, mtbf_ms)


@given(st.integers(0, 10**9), st.integers(1, 10**12))
def test_the_interval_is_always_positive(write_ms: int, mtbf_ms: int) -> None:
    assert checkpoint_interval_ms(write_ms, mtbf_ms) >= 1


@given(st.integers(0, 10**6), st.integers(10**7, 10**11), st.integers(0, 10**11))
def test_rarer_failures_never_shorten_the_interval(write_ms: int, mtbf_ms: int, more_ms: int) -> None:
    assert checkpoint_interval_ms(write_ms, mtbf_ms) <= checkpoint_interval_ms(write_ms, mtbf_ms + more_ms)


def test_a_write_longer_than_the_formula_allows_gives_the_mtbf() -> None:
    assert checkpoint_interval_ms(2_000, 1_000) == 1_000


def test_a_gang_fails_as_often_as_its_nodes_together() -> None:
    # 6.5 failures for 1000 node-days; 2048 nodes fail about every hour and 48 minutes.
    mtbf_ms = run_mtbf_ms(node_mtbf_ms(6.5), 2048)

    assert math.isclose(mtbf_ms, 1.803 * 3_600_000, rel_tol=0.001)


def test_impossible_inputs_are_programmer_errors() -> None:
    with pytest.raises(AssertionError):
        checkpoint_interval_ms(-1, 1)
    with pytest.raises(AssertionError):
        checkpoint_interval_ms(1, 0)
    with pytest.raises(AssertionError):
        run_mtbf_ms(1, 0)
