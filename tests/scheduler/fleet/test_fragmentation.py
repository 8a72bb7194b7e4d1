"""FGD's fragmentation, against its definition said plainly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.scheduler.fleet import Fleet, FleetNode, Shape
from bruk.scheduler.fleet.fragmentation import Fragmentation, typical


def plainly(popularity, cpu, parts):
    """F_n of the paper's section 4 for one node."""
    total = 0.0
    for shape, share in popularity.items():
        fitting = [part for part in parts if part >= shape.device_milli]
        if shape.devices == 0 or cpu < shape.cpu_milli or len(fitting) < shape.devices:
            total += share * sum(parts)
        else:
            total += share * (sum(parts) - sum(fitting))
    return total


@given(
    shapes=st.lists(
        st.one_of(
            st.builds(Shape, st.integers(0, 9_000), st.just(0), st.just(1), st.integers(1, 1000)),
            st.builds(Shape, st.integers(0, 9_000), st.just(0), st.integers(0, 4)),
        ),
        min_size=1,
        max_size=6,
        unique=True,
    ),
    cpu=st.integers(0, 9_000),
    parts=st.lists(st.one_of(st.just(1000), st.integers(0, 1000)), min_size=3, max_size=3),
)
def test_it_is_what_the_paper_defines(shapes, cpu, parts):
    fleet = Fleet([FleetNode("n", 9_000, 0, 3, "A")])
    popularity = typical(dict.fromkeys(shapes, 1.0))
    total = sum(popularity.values())
    expected = plainly({shape: share / total for shape, share in popularity.items()}, cpu, parts)
    rule = Fragmentation(fleet, dict.fromkeys(shapes, 1.0))
    found = rule.fragmentation_milli(np.array([0]), np.array([cpu]), np.array([parts]))[0]
    assert found == pytest.approx(expected)


def test_a_model_that_a_shape_may_not_use_is_all_fragment_to_it():
    fleet = Fleet([FleetNode("n", 9_000, 0, 1, "A"), FleetNode("m", 9_000, 0, 1, "B")])
    rule = Fragmentation(fleet, {Shape(0, 0, 1, models=("B",)): 1.0})
    both = np.array([0, 1])
    found = rule.fragmentation_milli(both, fleet.cpu_milli[both], fleet.device_milli[both])
    assert found.tolist() == [1000, 0]


def test_typical_are_the_most_frequent_and_memory_does_not_tell_them_apart():
    popularity = {Shape(1, 5, 1): 50, Shape(1, 6, 1): 40, Shape(2, 0, 1): 6, Shape(3, 0, 1): 4}
    assert typical(popularity) == {Shape(1, 0, 1): 90, Shape(2, 0, 1): 6}


def test_a_fraction_goes_where_it_leaves_the_least_fragment():
    fleet = Fleet([FleetNode("n", 9_000, 0, 2, "A")])
    fleet.take(Shape(0, 0, 1, 500), 0, (1,))
    rule = Fragmentation(fleet, {Shape(0, 0, 1): 1, Shape(0, 0, 1, 500): 1})
    assert rule.choose(Shape(0, 0, 1, 500)) == (0, (1,))
