"""Waiting items, gathered in classes of equal requests.

Items of one class differ only in who they are and when they came, so they get the same answer: it is
found once for the class. Look next at `order`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from operator import attrgetter

from bruk.model.snapshot import Pending
from bruk.model.workload import Resources, WorkloadKind
from bruk.scheduler.fleet.shape import SHARE, Shape

Key = tuple[object, ...]


# Fields that say who an item is and when it came.
_OWN = ("id", "workload", "created_at_ms")
_asked = attrgetter(*(field.name for field in fields(Pending) if field.name not in _OWN))


def key_of(item: Pending) -> Key:
    """What an answer depends on. Replicas of two endpoints are told apart, for they are spread."""
    return (item.workload if item.kind is WorkloadKind.ENDPOINT else "", *_asked(item))


def shape_of(resources: Resources) -> Shape:
    """What one member of a gang takes of its node."""
    return Shape(
        resources.cpu_milli or SHARE,
        resources.memory_bytes or SHARE,
        resources.devices,
        resources.device_milli,
        tuple(sorted(resources.accelerators)),
    )


@dataclass(slots=True, eq=False)
class Demand:
    """A class of equal requests.

    Attributes:
        key: what they have in common.
        like: one of them, to be asked for all but its id, its workload and its age.
        shape: what each member of a gang takes.
    """

    key: Key
    like: Pending
    shape: Shape
    _members: dict[str, Pending] = field(default_factory=dict)
    _sorted: tuple[Pending, ...] | None = None

    def add(self, item: Pending) -> None:
        """One more."""
        self._members[item.id] = item
        self._sorted = None

    def remove(self, item_id: str) -> None:
        """One less."""
        del self._members[item_id]
        self._sorted = None

    @property
    def members(self) -> tuple[Pending, ...]:
        """All of them, the oldest first."""
        if self._sorted is None:
            self._sorted = tuple(sorted(self._members.values(), key=age))
        return self._sorted

    def __len__(self) -> int:
        return len(self._members)


class Demands:
    """All that waits, by class."""

    def __init__(self) -> None:
        self._classes: dict[Key, Demand] = {}
        self._of: dict[str, Key] = {}
        self.items: dict[str, Pending] = {}

    def add(self, item: Pending) -> None:
        """Add an item, or put it in place of the one with the same id."""
        assert item.resources.nodes >= 1, f"{item.id} asks for no nodes"
        assert item.resources.devices >= 1, f"{item.id} asks for no devices"
        if item.id in self.items:
            self.remove(item.id)
        key = key_of(item)
        demand = self._classes.get(key)
        if demand is None:
            demand = self._classes[key] = Demand(key, item, shape_of(item.resources))
        demand.add(item)
        self._of[item.id] = key
        self.items[item.id] = item

    def remove(self, item_id: str) -> None:
        """Take an item out; of what is not there nothing changes."""
        if self.items.pop(item_id, None) is None:
            return
        key = self._of.pop(item_id)
        self._classes[key].remove(item_id)
        if not self._classes[key]:
            del self._classes[key]

    def __iter__(self) -> Iterator[Demand]:
        return iter(self._classes.values())


def age(item: Pending) -> tuple[int, str]:
    """The older first, then by id."""
    return (item.created_at_ms, item.id)
