"""Shares add up to the whole, whatever the whole and the weights."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.facility.split import split, split_by_name

_weights = st.lists(st.integers(0, 10**12), min_size=1, max_size=20)
_totals = st.integers(-(10**18), 10**18)


@given(_totals, _weights)
def test_parts_add_up_to_the_whole(total: int, weights: list[int]) -> None:
    assert sum(split(total, weights)) == total


@given(_totals, _weights)
def test_no_part_is_a_unit_away_from_its_exact_share(total: int, weights: list[int]) -> None:
    effective = weights if any(weights) else [1] * len(weights)
    whole = sum(effective)

    for part, weight in zip(split(total, weights), effective, strict=True):
        assert abs(part * whole - total * weight) < whole


@given(st.integers(0, 10**18), _weights)
def test_a_larger_weight_never_gets_less(total: int, weights: list[int]) -> None:
    by_weight = sorted(zip(weights, split(total, weights), strict=True))

    for (lighter, less), (heavier, more) in pairwise(by_weight):
        assert less <= more or lighter == heavier


@given(st.integers(0, 10**12), st.dictionaries(st.text(max_size=5), st.integers(0, 100), min_size=1))
def test_named_parts_do_not_depend_on_the_order_of_the_mapping(total: int, weights: dict[str, int]) -> None:
    backwards = dict(reversed(list(weights.items())))

    assert split_by_name(total, weights) == split_by_name(total, backwards)
    assert list(split_by_name(total, weights)) == sorted(weights)


def test_left_over_units_go_to_the_largest_remainders() -> None:
    assert split(10, [1, 1, 1]) == (4, 3, 3)
    assert split(7, [50, 30, 20]) == (4, 2, 1)
    assert split(5, [0, 0]) == (3, 2)
    assert split(-10, [1, 1, 1]) == (-4, -3, -3)


def test_nothing_to_share_among_is_a_programmer_error() -> None:
    with pytest.raises(AssertionError):
        split(1, [])
    with pytest.raises(AssertionError):
        split(1, [-1, 2])
