"""The mix of work: which shapes come, how often, and what is expected to come next.

``Mix`` learns from what has arrived and forgets slowly; it never sees what is still to come. Tables
that rules make of a mix are renewed when ``due`` says so: often at first, when little is known, and
then at a steady pace, so that a change of the mix is noticed. Look next at `stranding`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bruk.scheduler.fleet.shape import Shape

# Half of what is known of the mix has been forgotten after so many arrivals.
HALF_LIFE_ARRIVALS = 4000
FIRST_ARRIVALS = 64
EVERY_ARRIVALS = 1024


@dataclass(slots=True)
class Mix:
    """Shapes that arrived, each weighted by how long ago.

    Attributes:
        arrivals: how many have arrived.
    """

    arrivals: int = 0
    _weights: dict[Shape, float] = field(default_factory=dict)
    _unit: float = 1.0
    _due_at: int = FIRST_ARRIVALS

    def arrived(self, shape: Shape) -> None:
        """Note that a request of this shape came."""
        self.arrivals += 1
        # Growing the weight of the new is the same as shrinking all others.
        self._unit *= 2 ** (1 / HALF_LIFE_ARRIVALS)
        self._weights[shape] = self._weights.get(shape, 0.0) + self._unit

    def due(self) -> bool:
        """Whether enough is new for tables to be renewed; true once for each time."""
        if self.arrivals < self._due_at:
            return False
        self._due_at = self.arrivals + min(self.arrivals, EVERY_ARRIVALS)
        self._shrink()
        return True

    def shares(self) -> dict[Shape, float]:
        """The probability that the next request has a shape, by shape, in a settled order."""
        return normalised(self._weights)

    def _shrink(self) -> None:
        """Keep the numbers small, and drop shapes that have not been seen for a long time."""
        kept = {shape: weight / self._unit for shape, weight in self._weights.items()}
        self._weights = {shape: weight for shape, weight in kept.items() if weight > 1e-3}
        self._unit = 1.0


def normalised(weights: Mapping[Shape, float]) -> dict[Shape, float]:
    """Shares that add up to one, in the order of the shapes."""
    total = sum(weights[shape] for shape in sorted(weights))
    return {shape: weights[shape] / total for shape in sorted(weights)} if total else {}


def counted(shapes: Iterable[Shape]) -> dict[Shape, int]:
    """How often each shape occurs."""
    found: dict[Shape, int] = {}
    for shape in shapes:
        found[shape] = found.get(shape, 0) + 1
    return found
