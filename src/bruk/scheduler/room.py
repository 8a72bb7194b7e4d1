"""What is free on one node while a plan is being made.

Three kinds of devices are told apart: *held* by a run or by an earlier placement of the same plan,
*kept* for a waiting item that is ahead (whether free or still held by a run that is stopping), and
*open*: neither. Cores and memory are counted beside the devices. Look next at `board`.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from bruk.model.site import Node, NodeHealth
from bruk.model.workload import Resources


@dataclass(frozen=True, slots=True)
class Load:
    """What one run holds on one node."""

    devices: tuple[int, ...]
    cpu_milli: int
    memory_bytes: int


@dataclass(slots=True, eq=False)
class Room:
    """A node with what is left of it. ``cpu_left_milli`` and ``memory_left_bytes`` may go below
    zero when runs were placed before the node shrank; nothing fits then."""

    node: Node
    free: set[int] = field(default_factory=set)
    cpu_left_milli: int = 0
    memory_left_bytes: int = 0
    loads: dict[str, Load] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)
    cpu_kept_milli: int = 0
    memory_kept_bytes: int = 0

    @classmethod
    def empty(cls, node: Node) -> "Room":
        """The whole node, free."""
        return cls(node, set(range(node.devices)), node.cpu_milli, node.memory_bytes)

    @property
    def usable(self) -> bool:
        """Whether new work may start there at all."""
        return self.node.health is NodeHealth.OK and not self.node.drained

    @property
    def open_devices(self) -> int:
        """How many devices are neither held nor kept."""
        return len(self.free - self.kept) if self.kept else len(self.free)

    def share(self, devices: tuple[int, ...], cpu_milli: int, memory_bytes: int) -> Load:
        """The load of these devices: what was asked beside them, or else their part of the node."""
        total = max(self.node.devices, 1)
        return Load(
            devices,
            cpu_milli or self.node.cpu_milli * len(devices) // total,
            memory_bytes or self.node.memory_bytes * len(devices) // total,
        )

    def large_enough(self, resources: Resources) -> bool:
        """Whether one member of the gang would fit if the node were empty."""
        return (
            self.node.devices >= resources.devices
            and self.node.cpu_milli >= resources.cpu_milli
            and self.node.memory_bytes >= resources.memory_bytes
        )

    def fits(self, resources: Resources, without: Collection[str] = ()) -> bool:
        """Whether one member of the gang fits now, or would once these runs are gone."""
        devices = self.open_devices
        cpu_milli = self.cpu_left_milli - self.cpu_kept_milli
        memory_bytes = self.memory_left_bytes - self.memory_kept_bytes
        for run in without:
            load = self.loads.get(run)
            if load is not None:
                devices += sum(1 for device in load.devices if device not in self.kept)
                cpu_milli += load.cpu_milli
                memory_bytes += load.memory_bytes
        if devices < resources.devices:
            return False
        need = self.share(tuple(range(resources.devices)), resources.cpu_milli, resources.memory_bytes)
        return cpu_milli >= need.cpu_milli and memory_bytes >= need.memory_bytes

    def pick(self, count: int, without: Collection[str] = ()) -> tuple[int, ...]:
        """The lowest open devices, then the lowest of those that these runs give back; sorted."""
        given_back = sorted(
            device
            for run in without
            if run in self.loads
            for device in self.loads[run].devices
            if device not in self.kept
        )
        chosen = (sorted(self.free - self.kept) + given_back)[:count]
        assert len(chosen) == count, f"{self.node.name} has no room for {count} devices"
        return tuple(sorted(chosen))

    def hold(self, run: str, load: Load) -> None:
        """Give devices to a run. Devices that the node does not have are ignored."""
        self.free.difference_update(load.devices)
        self.loads[run] = load
        self.cpu_left_milli -= load.cpu_milli
        self.memory_left_bytes -= load.memory_bytes

    def keep(self, load: Load) -> None:
        """Keep devices, cores and memory for an item that waits."""
        self.kept.update(load.devices)
        self.cpu_kept_milli += load.cpu_milli
        self.memory_kept_bytes += load.memory_bytes

    def forget_kept(self) -> None:
        """Nothing is kept any more."""
        self.kept.clear()
        self.cpu_kept_milli = 0
        self.memory_kept_bytes = 0
