"""What arrives, and that it always ends."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.scheduler.fleet import Shape
from bruk.twin.chance import SeededChance
from bruk.twin.protocol import NotReplayable, arrivals, turns

WORKLOADS = st.lists(
    st.one_of(
        st.builds(Shape, st.integers(0, 3), st.just(0), st.just(1), st.integers(1, 1000)),
        st.builds(Shape, st.integers(0, 3), st.just(0), st.integers(0, 8)),
    ),
    min_size=1,
    max_size=30,
).filter(lambda shapes: sum(shape.total_milli for shape in shapes) > 0)


@given(workload=WORKLOADS, capacity=st.integers(1, 60), inflate=st.floats(0.1, 2), seed=st.integers(0, 99))
def test_arrivals_ask_for_no_more_than_was_wanted(workload, capacity, inflate, seed):
    target = inflate * capacity * 1000
    found = arrivals(workload, capacity * 1000, inflate, SeededChance(seed))
    asked = sum(shape.total_milli for shape in found)
    given_asked = sum(shape.total_milli for shape in workload)
    if given_asked > target:
        assert asked <= target
        assert not Counter(found) - Counter(workload)
    else:
        assert Counter(found[: len(workload)]) == Counter(workload)
        # The last may go beyond by the devices that the published check does not count.
        assert asked <= target + 7 * 1000
    assert found == arrivals(workload, capacity * 1000, inflate, SeededChance(seed))


def test_turns_are_a_permutation_that_the_seed_draws():
    found = turns(50, SeededChance(7)).tolist()
    assert sorted(found) == list(range(50))
    assert found == turns(50, SeededChance(7)).tolist() != turns(50, SeededChance(8)).tolist()


@pytest.mark.parametrize("inflate", [0.0, -1.0, float("nan"), float("inf"), 101.0])
def test_an_inflation_without_sense_is_refused(inflate):
    with pytest.raises(NotReplayable, match="--inflate"):
        arrivals([Shape(0, 0, 1)], 1000, inflate, SeededChance(1))


def test_arrivals_without_end_are_refused_before_they_begin():
    crumbs = [Shape(0, 0, 0)] * 1000 + [Shape(0, 0, 1, 1)]
    with pytest.raises(NotReplayable, match=r"pods would have to arrive"):
        arrivals(crumbs, 10_000_000, 1.3, SeededChance(1))
