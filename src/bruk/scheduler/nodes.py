"""Every node of every site as arrays, with what runs hold and when each device is free again.

Nodes stand sorted by site and name, and in groups: the nodes of one accelerator at one site, within
which a gang stays. What a node has left is always counted anew from the loads on it, so that no
order of starting and ending can leave a trace. It decides nothing. Look next at `board`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bruk.model.run import DeviceSet
from bruk.model.site import NodeHealth
from bruk.model.snapshot import SiteState
from bruk.scheduler.fleet.arrays import Fleet, FleetNode, Integers
from bruk.scheduler.fleet.shape import WHOLE_MILLI

# Later than any instant [ms]: what runs without a known end.
NEVER_MS = np.iinfo(np.int64).max
# Tiers beside the priorities from 0 to 100.
LASTING_TIER, STOPPING_TIER = 1000, -1000


@dataclass(frozen=True, slots=True)
class Load:
    """What one run holds on one node.

    Attributes:
        devices: indices; those that the node does not have are ignored.
        device_milli: of each device [thousandths].
        ends_ms: when its time limit ends it, 0 if it is stopping, ``NEVER_MS`` if nobody knows [ms].
        tier: its priority if it may be preempted, else ``LASTING_TIER``; ``STOPPING_TIER`` if it stops.
    """

    devices: tuple[int, ...]
    device_milli: int
    cpu_milli: int
    memory_bytes: int
    ends_ms: int
    tier: int


@dataclass(frozen=True, slots=True)
class Group:
    """The nodes of one accelerator at one site, by number; ``first`` is where they begin."""

    site: str
    accelerator: str
    nodes: Integers


class Nodes:
    """The nodes. The arrays are for reading; only the methods change them.

    Attributes:
        fleet: what is free, for placement rules.
        groups: by number, sorted by site and accelerator.
        group: number of each node's group.
        of_site: by site, its groups with their numbers.
        usable: by group, how many of its nodes are healthy and not drained.
        loads: by node, then by run.
        free_at_ms: in row *n* and column *j*, when *j* devices of node *n* are wholly free if nothing
            else starts there [ms]; 0: now; shape (nodes, most devices + 1).
        least_tier: by node, the lowest tier of what runs there.
    """

    def __init__(self, sites: Iterable[SiteState]) -> None:
        listed = [
            (state.site.name, node)
            for state in sorted(sites, key=lambda state: state.site.name)
            for node in sorted(state.nodes, key=lambda node: node.name)
        ]
        self.fleet = Fleet(
            FleetNode(
                node.name,
                node.cpu_milli,
                node.memory_bytes,
                node.devices,
                node.accelerator,
                node.domain,
                node.health is NodeHealth.OK and not node.drained,
            )
            for _, node in listed
        )
        self.number = {(site, node.name): number for number, (site, node) in enumerate(listed)}
        named = sorted({(site, node.accelerator) for site, node in listed})
        numbers = {name: number for number, name in enumerate(named)}
        self.group: Integers = np.array(
            [numbers[site, node.accelerator] for site, node in listed], dtype=np.int64
        )
        self.groups = tuple(
            Group(site, accelerator, np.flatnonzero(self.group == number))
            for number, (site, accelerator) in enumerate(named)
        )
        self.of_site: dict[str, list[tuple[int, Group]]] = {}
        for number, group in enumerate(self.groups):
            self.of_site.setdefault(group.site, []).append((number, group))
        self.usable = [int(self.fleet.usable[group.nodes].sum()) for group in self.groups]
        self.loads: list[dict[str, Load]] = [{} for _ in listed]
        self.on: dict[str, tuple[int, ...]] = {}
        most = self.fleet.device_milli.shape[1] if listed else 0
        columns = np.arange(most + 1)[None, :]
        self.free_at_ms: Integers = np.where(columns <= self.fleet.devices[:, None], 0, NEVER_MS)
        self.least_tier: Integers = np.full(len(listed), LASTING_TIER, dtype=np.int64)
        self._stale: set[int] = set()
        self._least_tier_of_all: int | None = None

    def __len__(self) -> int:
        return len(self.loads)

    def hold(
        self,
        run: str,
        site: str,
        placement: Sequence[DeviceSet],
        device_milli: int,
        cpu_milli: int,
        memory_bytes: int,
        ends_ms: int,
        tier: int,
    ) -> None:
        """Let a run hold these devices, with cores and memory on each node; 0: its devices' share."""
        assert run not in self.on, f"{run} holds devices already"
        fleet, on = self.fleet, []
        for part in placement:
            node = self.number.get((site, part.node))
            if node is None:
                continue  # Of a node that is gone nobody could get anything.
            share = max(int(fleet.devices[node]), 1) * WHOLE_MILLI
            asked = len(part.devices) * device_milli
            self.loads[node][run] = Load(
                part.devices,
                device_milli,
                cpu_milli or int(fleet.cpu_milli_total[node]) * asked // share,
                memory_bytes or int(fleet.memory_bytes_total[node]) * asked // share,
                ends_ms,
                tier,
            )
            on.append(node)
        self.on[run] = tuple(on)
        self._stale.update(on)

    def release(self, run: str) -> None:
        """What the run holds is free."""
        on = self.on.pop(run)
        for node in on:
            del self.loads[node][run]
        self._stale.update(on)

    def renew(self) -> None:
        """Bring the arrays up to date with the loads; to be called before they are read."""
        if self._stale:
            for node in sorted(self._stale):
                self._count(node)
            self._stale.clear()
            self._least_tier_of_all = None

    @property
    def least_tier_of_all(self) -> int:
        """The lowest tier of anything that runs."""
        if self._least_tier_of_all is None:
            self._least_tier_of_all = int(self.least_tier.min(initial=LASTING_TIER))
        return self._least_tier_of_all

    def _count(self, node: int) -> None:
        fleet = self.fleet
        devices = int(fleet.devices[node])
        parts, ends = [WHOLE_MILLI] * devices, [0] * devices
        cpu_milli, memory_bytes = int(fleet.cpu_milli_total[node]), int(fleet.memory_bytes_total[node])
        least_tier = LASTING_TIER
        for load in self.loads[node].values():
            cpu_milli -= load.cpu_milli
            memory_bytes -= load.memory_bytes
            least_tier = min(least_tier, load.tier)
            for device in load.devices:
                if device < devices:
                    parts[device] -= load.device_milli
                    if ends[device] < load.ends_ms:
                        ends[device] = load.ends_ms
        for device, part in enumerate(parts):
            if part == WHOLE_MILLI:
                ends[device] = 0
            elif part < 0:
                parts[device] = 0
        # Below zero where runs were placed before the node shrank; nothing fits then.
        fleet.set_free(node, cpu_milli, memory_bytes, parts)
        self.least_tier[node] = least_tier
        ends.sort()
        self.free_at_ms[node, 1 : devices + 1] = ends
