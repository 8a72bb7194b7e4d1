"""Placing work one by one on the scheduler's fleet, and how much of the fleet that allocates.

``Placing`` is the bare exercise: work arrives, is placed by a rule or dropped, and may leave. ``place``
plays the published comparison with it. Look next at ``scheduler.fleet``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bruk.model.clock import Clock
from bruk.scheduler.fleet import Fleet, FleetNode, Rule, Setting, Shape, Taken, counted, rule
from bruk.twin.chance import SeededChance
from bruk.twin.protocol import arrivals, turns

PROGRESS_EVERY = 256

Progress = Callable[[int, int], None]


class Placing:
    """A fleet on which a rule places what arrives.

    Attributes:
        arrived_milli: device parts that were asked for so far [thousandths].
        used_milli: device parts that are allocated now [thousandths].
        impossible: arrivals that the empty fleet could not have held; they count as failed too.
    """

    def __init__(self, fleet: Fleet, chosen: Rule) -> None:
        self.fleet = fleet
        self.capacity_milli = int(fleet.free_milli[fleet.usable].sum())
        self.arrived_milli = self.used_milli = 0
        self.placed = self.failed = self.impossible = 0
        self._rule = chosen
        self._possible: dict[Shape, bool] = {}

    def arrive(self, shape: Shape) -> Taken | None:
        """Place a request, or drop it when nothing has room."""
        self._rule.arrived(shape)
        choice = self._rule.choose(shape)
        self.arrived_milli += shape.total_milli
        if choice is not None:
            self.placed += 1
            self.used_milli += shape.total_milli
            return self.fleet.take(shape, *choice)
        self.failed += 1
        if shape not in self._possible:
            self._possible[shape] = self.fleet.could_hold(shape)
        self.impossible += not self._possible[shape]
        return None

    def leave(self, taken: Taken) -> None:
        """Let a request go that was placed."""
        self.fleet.give_back(taken)
        self.used_milli -= taken.shape.total_milli

    def percent(self, milli: int) -> float:
        """A part of the fleet's devices [%]."""
        return 100 * milli / self.capacity_milli


@dataclass(frozen=True, slots=True)
class Placed:
    """How a comparison ended.

    Attributes:
        gpu_allocation_pct_at_100: allocated when as much had been asked for as there is; None if the
            arrivals ended before.
        gpu_allocation_pct_at_130: the same at 1.3 times as much, or at the end of arrivals that were
            inflated to just that.
        impossible: of the failed, those that the empty fleet could not have held.
        seconds: that the placing took, without the reading of files.
        curve: asked for and allocated, one point an arrival [% of the devices].
    """

    policy: str
    seed: int
    gpu_allocation_pct_at_100: float | None
    gpu_allocation_pct_at_130: float | None
    placed: int
    failed: int
    impossible: int
    seconds: float
    curve: tuple[tuple[float, float], ...]


def place(
    nodes: Sequence[FleetNode],
    workload: Sequence[Shape],
    policy: str,
    seed: int,
    inflate: float,
    clock: Clock,
    progress: Progress | None = None,
) -> Placed:
    """Play the published comparison with one policy and one seed.

    Raises:
        UnknownRule: there is no such policy.
        NotReplayable: see ``protocol.arrivals``.
    """
    chance = SeededChance(seed)
    fleet = Fleet(nodes)
    setting = Setting(chance, turns(len(fleet), chance), counted(workload))
    placing = Placing(fleet, rule(policy, fleet, setting))
    sequence = arrivals(workload, placing.capacity_milli, inflate, chance)
    curve = []
    began_ms = clock.monotonic_ms()
    for count, shape in enumerate(sequence):
        placing.arrive(shape)
        curve.append((placing.arrived_milli, placing.used_milli))
        if progress is not None and count % PROGRESS_EVERY == 0:
            progress(count, len(sequence))
    ended_ms = clock.monotonic_ms()
    if progress is not None:
        progress(len(sequence), len(sequence))
    points = tuple((placing.percent(arrived), placing.percent(used)) for arrived, used in curve)
    return Placed(
        policy=policy,
        seed=seed,
        gpu_allocation_pct_at_100=_at(points, 100, inflate),
        gpu_allocation_pct_at_130=_at(points, 130, inflate),
        placed=placing.placed,
        failed=placing.failed,
        impossible=placing.impossible,
        seconds=(ended_ms - began_ms) / 1000,
        curve=points,
    )


def _at(points: Sequence[tuple[float, float]], percent: float, inflate: float) -> float | None:
    """What was allocated when so much had been asked for; see ``Placed``."""
    reached = next((used for asked, used in points if asked >= percent), None)
    if reached is None and points and round(100 * inflate, 6) == percent:
        return points[-1][1]
    return reached
