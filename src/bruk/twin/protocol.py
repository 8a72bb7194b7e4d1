"""The arrivals of the published comparison on openb (hkust-adsl/kubernetes-scheduler-simulator).

All pods of the workload come once, in an order drawn from the seed. If they ask for less than
``inflate`` times the devices that there are, pods drawn from the workload follow until the next one
could go beyond; if they ask for more, pods drawn at random stay away. Nothing departs. Nodes get a
turn drawn from the seed, by which equals are told apart. It must never depend on what is placed.
Look next at `place`.
"""

from collections.abc import Sequence

import numpy as np

from bruk.model.errors import InvalidInput
from bruk.scheduler.fleet.arrays import Integers
from bruk.scheduler.fleet.shape import Shape
from bruk.twin.chance import SeededChance

ARRIVALS_MAX = 5_000_000
INFLATE_MAX = 100.0


class NotReplayable(InvalidInput):
    """A replay was asked for that has no sense or no end."""

    code = "not_replayable"


def turns(count: int, chance: SeededChance) -> Integers:
    """Each node's turn among equals: 0 … count - 1 in any order."""
    return np.array(chance.shuffled(range(count)), dtype=np.int64)


def arrivals(
    workload: Sequence[Shape], capacity_milli: int, inflate: float, chance: SeededChance
) -> list[Shape]:
    """What arrives, in order.

    Args:
        capacity_milli: all devices of the fleet [thousandths of a device].
        inflate: how much is asked for at the end, in parts of the capacity.

    Raises:
        NotReplayable: ``inflate`` is not above 0, or more would arrive than can be replayed.
    """
    if not 0 < inflate <= INFLATE_MAX:
        raise NotReplayable(f"--inflate {inflate:g} is not above 0 and at most {INFLATE_MAX:g}.")
    target = inflate * capacity_milli
    asked = sum(shape.total_milli for shape in workload)
    assert asked > 0, "a workload that asks for no device never fills the fleet"
    expected = max(len(workload), len(workload) * target / asked)
    if expected > ARRIVALS_MAX:
        raise NotReplayable(
            f"About {expected:,.0f} pods would have to arrive, more than {ARRIVALS_MAX:,}: the workload asks"
            " for too little of the fleet's devices. Take a smaller --inflate or fewer nodes."
        )
    sequence = chance.shuffled(workload)
    if asked > target:
        away = set()
        for index in chance.shuffled(range(len(sequence))):
            if asked <= target:
                break
            away.add(index)
            asked -= sequence[index].total_milli
        return [shape for index, shape in enumerate(sequence) if index not in away]
    while True:
        shape = workload[chance.below(len(workload))]
        # As published: the next pod counts with one of its devices here.
        if asked + (shape.device_milli if shape.devices else 0) > target:
            return sequence
        asked += shape.total_milli
        sequence.append(shape)
