"""The fleet gives nothing twice and gets back exactly what it gave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.scheduler.fleet import Fleet, FleetNode, Shape, ShapeInvalid


def one(devices=2):
    return Fleet([FleetNode("n", 8_000, 100, devices, "A")])


def test_a_device_cannot_be_given_twice():
    fleet = one()
    fleet.take(Shape(1_000, 10, 1), 0, (1,))
    with pytest.raises(AssertionError, match="device given twice"):
        fleet.take(Shape(1_000, 10, 1), 0, (1,))


def test_fractions_of_one_device_add_up_to_no_more_than_it():
    fleet = one()
    fleet.take(Shape(0, 0, 1, 600), 0, (0,))
    with pytest.raises(AssertionError, match="device given twice"):
        fleet.take(Shape(0, 0, 1, 401), 0, (0,))
    fleet.take(Shape(0, 0, 1, 400), 0, (0,))
    assert fleet.device_milli.tolist() == [[0, 1000]]


@pytest.mark.parametrize(
    ("shape", "what"), [(Shape(8_001, 0, 0), "cores"), (Shape(0, 101, 0), "memory")], ids=["cores", "memory"]
)
def test_cores_and_memory_cannot_be_given_twice(shape, what):
    with pytest.raises(AssertionError, match=f"{what} given twice"):
        one().take(shape, 0, ())


def test_what_was_given_back_cannot_be_given_back_again():
    fleet = one()
    taken = fleet.take(Shape(1, 1, 1), 0, (0,))
    fleet.give_back(taken)
    with pytest.raises(AssertionError, match="given twice"):
        fleet.give_back(taken)


@pytest.mark.parametrize("devices", [(2,), (-1,)])
def test_a_device_that_is_not_there_cannot_be_given(devices):
    with pytest.raises(AssertionError, match="no such device"):
        one().take(Shape(1, 1, 1), 0, devices)


@pytest.mark.parametrize(
    "wrong", [(-2, 0, 1, 1000), (0, 0, 1, 0), (0, 0, 1, 1001), (0, 0, 2, 500), (0, -2, 0, 1000)]
)
def test_what_is_no_request_is_refused(wrong):
    with pytest.raises(ShapeInvalid):
        Shape(*wrong)


def test_only_the_nodes_that_changed_are_named():
    fleet = Fleet([FleetNode(f"n{index}", 8_000, 100, 2, "A") for index in range(5)])
    before = fleet.changes
    assert fleet.changed_since(before).tolist() == []
    fleet.take(Shape(1, 1, 1), 3, (0,))
    fleet.set_usable(1, False)
    assert fleet.changed_since(before).tolist() == [1, 3]
    assert not fleet.fits(Shape(1, 1, 1), np.array([1, 3])).tolist()[0]


def test_what_the_whole_fleet_could_hold_does_not_depend_on_what_is_free():
    fleet = one()
    fleet.take(Shape(8_000, 100, 2), 0, (0, 1))
    fleet.set_usable(0, False)
    assert fleet.could_hold(Shape(8_000, 100, 2, models=("A", "B")))
    assert not fleet.could_hold(Shape(8_000, 100, 3))
    assert not fleet.could_hold(Shape(8_000, 100, 2, models=("B",)))


@given(data=st.data())
def test_taking_and_giving_back_in_any_order_restores_the_arrays(lab, data):
    fleet = data.draw(lab.fleets())
    start = lab.arrays(fleet)
    name = data.draw(st.sampled_from(lab.rules))
    shapes = data.draw(st.lists(lab.shapes, max_size=25))
    rule = lab.rule(name, fleet, shapes)
    holdings = []
    for shape in shapes:
        rule.arrived(shape)
        choice = rule.choose(shape)
        if choice is not None:
            holdings.append(fleet.take(shape, *choice))
        if holdings and data.draw(st.integers(0, 3)) == 0:
            fleet.give_back(holdings.pop(data.draw(st.integers(0, len(holdings) - 1))))
        lab.check(fleet, start, holdings)
    for taken in data.draw(st.permutations(holdings)):
        fleet.give_back(taken)
    for key, array in lab.arrays(fleet).items():
        assert array.tobytes() == start[key].tobytes(), key
