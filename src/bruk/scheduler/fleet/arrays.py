"""The fleet as arrays: what is free on every node, changed in place, one node at a time.

``take`` and ``give_back`` cost the same on five nodes and on five thousand. Who keeps something by
node (see `rows`) asks ``changed_since`` and renews only those. It decides nothing, and it must never
let a device, cores or memory be given twice. Look next at `rows`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bruk.scheduler.fleet.shape import SHARE, WHOLE_MILLI, Shape

Integers = NDArray[np.int64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FleetNode:
    """A node as the fleet is built from it; amounts as in ``model.site.Node``."""

    name: str
    cpu_milli: int
    memory_bytes: int
    devices: int
    model: str
    domain: str = ""
    usable: bool = True


@dataclass(frozen=True, slots=True)
class Taken:
    """What one request holds: its shape, the node by number, and the devices by index."""

    shape: Shape
    node: int
    devices: tuple[int, ...]


class Fleet:
    """What is free, by node. The arrays are for reading; only the methods change them.

    Attributes:
        cpu_milli: free cores [thousandths].
        memory_bytes: free memory [bytes].
        device_milli: free part of each device [thousandths]; 0 where a node has no such device.
        free_milli: all free parts of a node together [thousandths].
        whole: how many devices of a node are wholly free.
        devices: how many devices a node has.
        model: number of a node's accelerator model in ``models``.
        domain: number of a node's rack or fast-link domain in ``domains``.
        usable: whether new work may start on a node: healthy, and not drained.
    """

    def __init__(self, nodes: Iterable[FleetNode]) -> None:
        listed = tuple(nodes)
        assert all(min(node.cpu_milli, node.memory_bytes, node.devices) >= 0 for node in listed)
        self.names = tuple(node.name for node in listed)
        self.models = tuple(sorted({node.model for node in listed}))
        self.domains = tuple(sorted({node.domain for node in listed}))
        models = {name: number for number, name in enumerate(self.models)}
        domains = {name: number for number, name in enumerate(self.domains)}
        self.devices: Integers = _column(node.devices for node in listed)
        self.model: Integers = _column(models[node.model] for node in listed)
        self.domain: Integers = _column(domains[node.domain] for node in listed)
        self.cpu_milli: Integers = _column(node.cpu_milli for node in listed)
        self.memory_bytes: Integers = _column(node.memory_bytes for node in listed)
        self.usable: Truths = np.array([node.usable for node in listed], dtype=np.bool_)
        most = max((node.devices for node in listed), default=0)
        there = np.arange(most)[None, :] < self.devices[:, None]
        self.device_milli: Integers = np.where(there, WHOLE_MILLI, 0).astype(np.int64)
        self.free_milli: Integers = self.devices * WHOLE_MILLI
        self.whole: Integers = self.devices.copy()
        self.cpu_milli_total = self.cpu_milli.copy()
        self.memory_bytes_total = self.memory_bytes.copy()
        self.changes = 0
        self._changed_at: Integers = np.zeros(len(listed), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.names)

    def changed_since(self, changes: int) -> Integers:
        """Numbers of the nodes that changed after so many changes."""
        return np.flatnonzero(self._changed_at > changes)

    def allowed(self, models: Sequence[str]) -> Truths:
        """Which nodes have one of these accelerator models; any, if none is named."""
        if not models:
            return np.ones(len(self), dtype=np.bool_)
        wanted = [number for number, name in enumerate(self.models) if name in models]
        return np.isin(self.model, wanted)

    def could_hold(self, shape: Shape) -> bool:
        """Whether some node would have room if the whole fleet were free, healthy or not."""
        return bool(self.large_enough(shape).any())

    def large_enough(self, shape: Shape) -> Truths:
        """Which nodes would have room if they were empty, healthy or not."""
        fits = (self.cpu_milli_total >= shape.cpu_milli) & (self.memory_bytes_total >= shape.memory_bytes)
        return np.asarray(fits & (self.devices >= shape.devices) & self.allowed(shape.models))

    def cpu_need_milli(self, shape: Shape, nodes: Integers) -> Integers | int:
        """Cores that the shape takes of each of these nodes [thousandths]."""
        return self._need(shape.cpu_milli, self.cpu_milli_total, shape, nodes)

    def memory_need_bytes(self, shape: Shape, nodes: Integers) -> Integers | int:
        """Memory that the shape takes of each of these nodes [bytes]."""
        return self._need(shape.memory_bytes, self.memory_bytes_total, shape, nodes)

    def _need(self, asked: int, total: Integers, shape: Shape, nodes: Integers) -> Integers | int:
        if asked != SHARE:
            return asked
        need: Integers = (
            total[nodes] * shape.total_milli // (np.maximum(self.devices[nodes], 1) * WHOLE_MILLI)
        )
        return need

    def fits(self, shape: Shape, nodes: Integers) -> Truths:
        """Which of these nodes have room now; the accelerator model is not looked at."""
        fits = self.usable[nodes]
        fits &= self.cpu_milli[nodes] >= self.cpu_need_milli(shape, nodes)
        fits &= self.memory_bytes[nodes] >= self.memory_need_bytes(shape, nodes)
        if shape.fractional:
            fits &= (self.device_milli[nodes] >= shape.device_milli).any(axis=1)
        elif shape.devices:
            fits &= self.whole[nodes] >= shape.devices
        return fits

    def whole_devices(self, node: int, count: int) -> tuple[int, ...]:
        """The first so many wholly free devices of a node."""
        free = np.flatnonzero(self.device_milli[node] == WHOLE_MILLI)[:count].tolist()
        assert len(free) == count, f"{self.names[node]} has not {count} free devices"
        return tuple(free)

    def take(self, shape: Shape, node: int, devices: tuple[int, ...]) -> Taken:
        """Give these devices of a node, with cores and memory, to a request."""
        assert len(devices) == shape.devices == len(set(devices)), f"{devices} is not {shape.devices} devices"
        assert SHARE not in (shape.cpu_milli, shape.memory_bytes), "a share is taken with set_free"
        self._change(Taken(shape, node, devices), -1)
        return Taken(shape, node, devices)

    def give_back(self, taken: Taken) -> None:
        """Undo a ``take``; once only, which the caller sees to."""
        self._change(taken, 1)

    def set_free(self, node: int, cpu_milli: int, memory_bytes: int, parts: Sequence[int]) -> None:
        """Say what is free on a node, whoever counted it.

        Args:
            parts: what is left of each of its devices [thousandths].
        """
        assert len(parts) == self.devices[node], f"{self.names[node]} has {self.devices[node]} devices"
        self.cpu_milli[node] = cpu_milli
        self.memory_bytes[node] = memory_bytes
        self.device_milli[node, : len(parts)] = parts
        self.free_milli[node] = sum(parts)
        self.whole[node] = sum(part == WHOLE_MILLI for part in parts)
        self._mark(node)

    def set_usable(self, node: int, usable: bool) -> None:
        """Let new work start on a node, or not; what runs there is not touched."""
        self.usable[node] = usable
        self._mark(node)

    def _change(self, taken: Taken, sign: int) -> None:
        shape, node = taken.shape, taken.node
        cpu_milli = int(self.cpu_milli[node]) + sign * shape.cpu_milli
        memory_bytes = int(self.memory_bytes[node]) + sign * shape.memory_bytes
        name = self.names[node]
        assert 0 <= cpu_milli <= self.cpu_milli_total[node], f"{name}: cores given twice"
        assert 0 <= memory_bytes <= self.memory_bytes_total[node], f"{name}: memory given twice"
        step, whole = sign * shape.device_milli, 0
        row = self.device_milli[node]
        assert all(0 <= device < self.devices[node] for device in taken.devices), f"{name} has no such device"
        parts = [int(row[device]) for device in taken.devices]
        assert all(0 <= part + step <= WHOLE_MILLI for part in parts), f"{name}: a device given twice"
        for device, part in zip(taken.devices, parts, strict=True):
            row[device] = part + step
            whole += (part + step == WHOLE_MILLI) - (part == WHOLE_MILLI)
        self.cpu_milli[node] = cpu_milli
        self.memory_bytes[node] = memory_bytes
        self.free_milli[node] += sign * shape.total_milli
        self.whole[node] += whole
        self._mark(node)

    def _mark(self, node: int) -> None:
        self.changes += 1
        self._changed_at[node] = self.changes


def _column(values: Iterable[int]) -> Integers:
    return np.fromiter(values, dtype=np.int64)
