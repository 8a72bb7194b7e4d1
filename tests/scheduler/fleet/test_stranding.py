"""Bruk's measure of what is stranded, against its formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.scheduler.fleet import Shape
from bruk.scheduler.fleet.stranding import GANG_WEIGHT, PATIENCE, STEP_MILLI, STRETCH_WEIGHT, Tables, stranded

MIXES = st.dictionaries(
    st.builds(
        lambda cpu, size: Shape(cpu, 0, 1, size * STEP_MILLI), st.integers(0, 20_000), st.integers(1, 100)
    ),
    st.integers(1, 50),
    min_size=1,
    max_size=8,
).map(lambda weights: {shape: weight / sum(weights.values()) for shape, weight in weights.items()})


def by_iteration(shares, patience):
    """The same optimal stopping problem, solved by repeating its equation."""
    table = [0.0]
    for left in range(1, 101):
        value = float(left)
        for _ in range(5_000):
            new = left / patience
            for shape, share in shares.items():
                after = left - shape.device_milli // STEP_MILLI
                new += (1 - 1 / patience) * share * (min(value, table[after]) if after >= 0 else value)
            new += (1 - 1 / patience) * (1 - sum(shares.values())) * value
            if abs(new - value) < 1e-12:
                break
            value = new
        table.append(value)
    return table


@given(shares=MIXES, patience=st.sampled_from([5.0, 20.0, PATIENCE]))
def test_what_a_device_strands_solves_its_equation(shares, patience):
    found = stranded(shares, patience)[::STEP_MILLI] / STEP_MILLI
    assert np.allclose(found, by_iteration(shares, patience), atol=1e-6)


@given(shares=MIXES)
def test_what_is_stranded_lies_between_nothing_and_all(shares):
    table = stranded(shares)
    assert table[0] == 0
    assert (table >= 0).all()
    assert (table <= np.arange(1001) + 1e-9).all()


def test_without_work_everything_is_stranded():
    assert stranded({})[[0, 190, 1000]].tolist() == [0, 190, 1000]


def test_a_remainder_that_nothing_fits_into_is_lost_and_a_fitting_one_is_not():
    table = stranded({Shape(0, 0, 1, 810): 0.5, Shape(0, 0, 1, 160): 0.5}, patience=1_000)
    assert table[150] == 150
    assert table[190] == pytest.approx(30, abs=1)
    assert table[1000] == pytest.approx(30, abs=3)


@given(
    shares=MIXES,
    cpu=st.integers(0, 30_000),
    parts=st.lists(st.integers(0, 1000), min_size=1, max_size=4),
)
def test_the_value_of_a_node_is_the_formula(shares, cpu, parts):
    shares = {**{shape: share / 2 for shape, share in shares.items()}, Shape(7_000, 0, 2): 0.5}
    tables = Tables.of(shares, devices_max=4)
    free, whole = sum(parts), sum(part == 1000 for part in parts)
    lost = sum(share for shape, share in shares.items() if cpu < shape.cpu_milli)
    for shape, share in shares.items():
        each = shape.cpu_milli * 1000 / shape.total_milli
        if free and each:
            lost += STRETCH_WEIGHT * share * max(0.0, 1 - cpu * 1000 / free / each)
        if not shape.fractional and whole < shape.devices:
            lost += GANG_WEIGHT * share
    found = tables.value_milli(np.array([cpu]), np.array([free]), np.array([whole]))[0]
    assert found == pytest.approx(free * lost, abs=1e-6)


def test_work_that_needs_no_device_strands_nothing_by_itself():
    tables = Tables.of({Shape(50_000, 0, 0): 1.0}, devices_max=2)
    assert tables.value_milli(np.array([0]), np.array([2000]), np.array([2]))[0] == 0
