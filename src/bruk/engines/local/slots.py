"""What this machine has to give out: slots of cores and memory, and accelerators.

A *cpu slot* is a device on a machine, or a part of one, without accelerators. Two sites may share
one machine, so which cores and how much memory belong to this engine is configuration. Nothing here
remembers what is in use; see ``engine`` for that.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bruk.engines.base import Inventory, NodeInventory
from bruk.engines.local.accelerators import Accelerators, device_files, find_accelerators
from bruk.model.egress import Destination
from bruk.model.run import DeviceSet
from bruk.model.site import Isolation, NodeHealth

CPU_SLOT = "cpu-slot"


@dataclass(frozen=True, slots=True)
class LocalConfig:
    """What of the machine belongs to this engine.

    Attributes:
        node: name of the node whose devices are cpu slots; accelerators stand on ``NODE-gpu``.
        slots: how many cpu slots; None: one per core, or none where there are accelerators. With
            fewer slots than cores each gets a run of cores, with more they share.
        cores: processors to give out; None: all that this process may use.
        memory_bytes: memory to give out [bytes]; 0: this engine's share of the machine's by cores.
        accelerators: look for accelerators at all.
        log_bytes: most that is kept of one run's output [bytes].
        cgroup: a delegated cgroup v2 folder whose children may limit memory; empty: runs are
            watched instead.
        isolation: what keeps runs apart: ``none``, ``sandbox``, or ``auto``, which takes the
            sandbox where it works.
        processes_max: most processes one run may have at once; 0: not limited.
        software: folders beside the machine's own software and this Python's that every run in a
            sandbox may read, such as a folder of virtual environments.
        egress: destinations that runs may declare; those that are addresses also open what is not of
            the public internet.
        private: folders of the platform, such as its home: a run in a sandbox that is to be shown
            more of them than its own part is refused.
    """

    node: str = "node-1"
    slots: int | None = None
    cores: tuple[int, ...] | None = None
    memory_bytes: int = 0
    accelerators: bool = True
    log_bytes: int = 64 * 2**20
    cgroup: str = ""
    isolation: str = "none"
    processes_max: int = 512
    software: tuple[Path, ...] = ()
    egress: tuple[Destination, ...] = ()
    private: tuple[Path, ...] = ()


class Slots:
    """The devices of this machine and what stands behind each."""

    def __init__(
        self,
        config: LocalConfig,
        find: Callable[[], Accelerators] = find_accelerators,
        isolation: Isolation = Isolation.NONE,
    ) -> None:
        usable = tuple(sorted(os.sched_getaffinity(0)))
        cores = usable if config.cores is None else config.cores
        assert cores, "an engine has at least one core"
        assert set(cores) <= set(usable), f"cores {cores} are not all among {usable}"
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        self._config = config
        self._isolation = isolation
        self._cores = cores
        self._memory_bytes = config.memory_bytes or machine * len(cores) // (os.cpu_count() or len(cores))
        self._find = find
        self._found = find() if config.accelerators else Accelerators()
        wanted = config.slots
        self._slots = wanted if wanted is not None else 0 if self._found.count else len(cores)

    def look_again(self) -> None:
        """Ask the drivers anew; accelerators that have gone make their node unhealthy."""
        if self._config.accelerators and self._found.count:
            again = self._find()
            if again.count == self._found.count:
                self._found = again
            else:
                self._found = self._found.unhealthy()

    def inventory(self) -> Inventory:
        """The nodes as the scheduler counts them."""
        nodes = []
        if self._slots:
            nodes.append(
                NodeInventory(
                    name=self._config.node,
                    pool="cpu",
                    accelerator=CPU_SLOT,
                    devices=self._slots,
                    cpu_milli=1000 * len(self._cores),
                    memory_bytes=self._slot_memory_bytes() * self._slots,
                )
            )
        if self._found.count:
            nodes.append(
                NodeInventory(
                    name=self.accelerator_node,
                    pool=self._found.name,
                    accelerator=self._found.name,
                    devices=self._found.count,
                    cpu_milli=0 if self._slots else 1000 * len(self._cores),
                    memory_bytes=0 if self._slots else self._memory_bytes,
                    health=NodeHealth.OK if self._found.healthy else NodeHealth.UNHEALTHY,
                )
            )
        return Inventory(nodes=tuple(nodes), isolation=self._isolation)

    @property
    def accelerator_node(self) -> str:
        return f"{self._config.node}-gpu"

    def wrong(self, placement: tuple[DeviceSet, ...]) -> str:
        """What is wrong with a placement on this machine, as a sentence; empty if nothing."""
        counts = {node.name: node.devices for node in self.inventory().nodes}
        if not any(part.devices for part in placement):
            return "the placement has no devices"
        for part in placement:
            if part.node not in counts:
                return f"there is no node {part.node!r} here, only {', '.join(sorted(counts))}"
            outside = [index for index in part.devices if not 0 <= index < counts[part.node]]
            if outside:
                return f"node {part.node!r} has devices 0 to {counts[part.node] - 1}, not {outside}"
        return ""

    def device_files(self, placement: tuple[DeviceSet, ...]) -> list[str]:
        """Device files of the accelerators given."""
        boards = self.boards(placement)
        return device_files(self._found, boards) if boards else []

    def boards(self, placement: tuple[DeviceSet, ...]) -> list[int]:
        """Indices of the accelerators given."""
        node = self.accelerator_node
        return sorted({index for part in placement if part.node == node for index in part.devices})

    def cores(self, placement: tuple[DeviceSet, ...]) -> list[int]:
        """Processors that a run with these devices may use; accelerators bind to none."""
        given: set[int] = set()
        for part in placement:
            if part.node == self._config.node and self._slots:
                for index in part.devices:
                    given.update(self._slot_cores(index))
        return sorted(given)

    def memory_bytes(self, placement: tuple[DeviceSet, ...]) -> int:
        """The share of memory that belongs to these devices; 0: not limited [bytes]."""
        slots = sum(len(part.devices) for part in placement if part.node == self._config.node)
        if slots and self._slots:
            return slots * self._slot_memory_bytes()
        boards = sum(len(part.devices) for part in placement)
        return 0 if self._slots else self._memory_bytes * boards // max(self._found.count, 1)

    def _slot_cores(self, index: int) -> tuple[int, ...]:
        cores, slots = self._cores, self._slots
        if slots >= len(cores):
            return (cores[index % len(cores)],)
        return cores[index * len(cores) // slots : (index + 1) * len(cores) // slots]

    def _slot_memory_bytes(self) -> int:
        return self._memory_bytes // self._slots
