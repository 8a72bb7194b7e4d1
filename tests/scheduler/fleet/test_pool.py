"""Pools of identical nodes against the plainest way of saying what they do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.scheduler.fleet.pool import FreePool, NodePool


class Plain:
    """Every node looked at, every time."""

    def __init__(self, nodes, each):
        self.free, self.each = [each] * nodes, each

    def take(self, devices):
        if devices <= self.each:
            fitting = [(free, node) for node, free in enumerate(self.free) if free >= devices]
            if not fitting:
                return None
            node = min(fitting)[1]
            self.free[node] -= devices
            return node
        count = -(-devices // self.each)
        whole = [node for node, free in enumerate(self.free) if free == self.each][:count]
        if len(whole) < count:
            return None
        for node in whole:
            self.free[node] = 0
        return tuple(whole)

    def give_back(self, devices, held):
        for node in (held,) if isinstance(held, int) else held:
            self.free[node] += devices if isinstance(held, int) else self.each


@given(
    nodes=st.integers(1, 6),
    each=st.integers(1, 8),
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=80),
)
def test_it_takes_what_looking_at_every_node_would_take(nodes, each, steps):
    pool, plain, held = NodePool(nodes, each), Plain(nodes, each), []
    for giving, number in steps:
        if giving and held:
            devices, mine = held.pop(number % len(held))
            pool.give_back(devices, mine)
            plain.give_back(devices, mine)
            continue
        found = pool.take(number)
        assert found == plain.take(number)
        if found is not None:
            held.append((number, found))
    for devices, mine in held:
        pool.give_back(devices, mine)
    assert all(pool.take(each) is not None for _ in range(nodes))
    assert pool.take(1) is None


@given(nodes=st.integers(1, 4), each=st.integers(1, 8), devices=st.integers(1, 40))
def test_what_could_be_held_is_what_an_empty_pool_gives(nodes, each, devices):
    assert NodePool(nodes, each).could_hold(devices) == (NodePool(nodes, each).take(devices) is not None)
    assert FreePool(each).could_hold(devices) == (FreePool(each).take(devices) is not None)


def test_giving_back_twice_is_noticed():
    pool = NodePool(2, 4)
    one, many = pool.take(4), NodePool(2, 4).take(8)
    pool.give_back(4, one)
    with pytest.raises(AssertionError):
        pool.give_back(4, one)
    with pytest.raises(AssertionError):
        pool.give_back(8, many)
    free = FreePool(4)
    free.give_back(2, free.take(2))
    with pytest.raises(AssertionError):
        free.give_back(2, 2)
