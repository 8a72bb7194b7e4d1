"""Small fleets and requests, drawn; and what must be true of a fleet, counted anew."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import strategies as st

from bruk.scheduler.fleet import RULES, WHOLE_MILLI, Fleet, FleetNode, Setting, Shape, rule

MODELS = ("A", "B", "C")


class Lots:
    """Chance for tests: a fixed sequence."""

    def __init__(self, seed=0):
        self._state = seed

    def below(self, count):
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 33) % count


class Lab:
    """What the tests of the fleet share."""

    rules = tuple(RULES)
    shapes = st.builds(
        lambda cpu, memory, kind, models: Shape(cpu, memory, *kind, models if kind[0] else ()),
        st.integers(0, 9_000),
        st.integers(0, 900),
        st.one_of(
            st.just((0, WHOLE_MILLI)),
            st.tuples(st.just(1), st.integers(1, WHOLE_MILLI)),
            st.tuples(st.integers(1, 4), st.just(WHOLE_MILLI)),
        ),
        st.one_of(st.just(()), st.sets(st.sampled_from(MODELS), min_size=1).map(lambda s: tuple(sorted(s)))),
    )

    @staticmethod
    def fleets():
        node = st.tuples(
            st.integers(0, 16_000),
            st.integers(0, 2_000),
            st.integers(0, 4),
            st.sampled_from(MODELS),
            st.booleans(),
        )
        return st.lists(node, min_size=1, max_size=7).map(
            lambda nodes: Fleet(
                FleetNode(f"n{index}", cpu, memory, devices, model, usable=usable or index == 0)
                for index, (cpu, memory, devices, model, usable) in enumerate(nodes)
            )
        )

    @staticmethod
    def rule(name, fleet, expected=(), seed=0):
        turns = np.array([(node * 7 + seed) % 11 for node in range(len(fleet))]).argsort().argsort()
        return rule(name, fleet, Setting(Lots(seed), turns, dict.fromkeys(expected, 1)))

    @staticmethod
    def arrays(fleet):
        return {
            name: getattr(fleet, name).copy()
            for name in ("cpu_milli", "memory_bytes", "device_milli", "free_milli", "whole", "usable")
        }

    @staticmethod
    def check(fleet, start, holdings):
        """Count what is held from nothing, and compare."""
        for node in range(len(fleet)):
            mine = [taken for taken in holdings if taken.node == node]
            assert (
                fleet.cpu_milli[node] == start["cpu_milli"][node] - sum(t.shape.cpu_milli for t in mine) >= 0
            )
            memory = sum(t.shape.memory_bytes for t in mine)
            assert fleet.memory_bytes[node] == start["memory_bytes"][node] - memory >= 0
            used = Counter()
            for taken in mine:
                assert len(set(taken.devices)) == taken.shape.devices
                for device in taken.devices:
                    used[device] += taken.shape.device_milli
            for device in range(fleet.device_milli.shape[1]):
                there = WHOLE_MILLI if device < fleet.devices[node] else 0
                assert fleet.device_milli[node, device] == there - used[device] >= 0
            assert fleet.free_milli[node] == fleet.device_milli[node].sum()
            assert fleet.whole[node] == (fleet.device_milli[node] == WHOLE_MILLI).sum()


@pytest.fixture(scope="session")
def lab():
    return Lab
