"""Whose energy it was: the machine's meters, told apart by run.

An accelerator belongs to one run at a time, so its board's energy is measured; a processor package
is shared by the stated rule of ``engines.meter.share_mj``. Where nothing answers, or the agent did
not see the stretch begin, it says None and control estimates, openly.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from bruk.agent.meter import Energy
from bruk.engines.base import Status
from bruk.engines.meter import SHARE_METHOD, Meter, MeterReading, share_mj
from bruk.facility.accelerator import CPU_SLOT
from bruk.model.clock import Clock

_FRESH_MS = 1_000


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where the last stretch of a run ended.

    Attributes:
        rest_mj: below one joule, carried into the next stretch [mJ].
    """

    at_ms: int
    cpu_ms: int
    reading: MeterReading
    rest_mj: int = 0


class MachineEnergy:
    """The energy of runs on one machine; implements ``meter.EnergyReader``."""

    def __init__(
        self, meter: Meter, clock: Clock, accelerators: Mapping[str, str], cores: int | None = None
    ) -> None:
        """
        Args:
            accelerators: node name to its accelerator's name, as in the inventory.
            cores: logical processors of the machine; None: ask the system.
        """
        self._meter = meter
        self._clock = clock
        self._accelerators = accelerators
        self._cores = cores or os.cpu_count() or 1
        self._marks: dict[str, _Mark] = {}
        self._newest: tuple[int, MeterReading | None] | None = None

    def begin(self, status: Status, at_ms: int) -> None:
        """A run has just started: its first stretch begins here."""
        reading = self._read()
        if reading is not None:
            self._marks[status.run] = _Mark(at_ms, status.cpu_ms, reading)

    def energy(self, status: Status, from_ms: int, to_ms: int) -> Energy | None:
        """Energy of the run over ``[from_ms, to_ms)``; None where no meter answers."""
        before, reading = self._marks.pop(status.run, None), self._read()
        if reading is None:
            return None
        used: tuple[int, str, str] | None = None
        if before is not None and before.at_ms == from_ms:
            used = self._used(status, before, reading, to_ms - from_ms)
        total_mj = used[0] + before.rest_mj if used and before else 0
        self._marks[status.run] = _Mark(to_ms, status.cpu_ms, reading, total_mj % 1000)
        return Energy(total_mj // 1000, *used[1:]) if used else None

    def forget(self, run: str) -> None:
        """The run is over."""
        self._marks.pop(run, None)

    def _used(
        self, status: Status, before: _Mark, after: MeterReading, interval_ms: int
    ) -> tuple[int, str, str] | None:
        """Energy [mJ], its quality and method; None where a source is missing."""
        kinds = {self._accelerators.get(part.node, CPU_SLOT) for part in status.placement}
        if kinds == {CPU_SLOT}:
            sources = [each.kind for each in after.sources if each.kind.startswith("package:")]
            energy_mj = _difference(before.reading, after, sources)
            if energy_mj is None:
                return None
            used_ms = status.cpu_ms - before.cpu_ms
            return share_mj(energy_mj, used_ms, self._cores, interval_ms), "shared", SHARE_METHOD
        sources = [f"gpu:{index}" for part in status.placement for index in part.devices]
        energy_mj = _difference(before.reading, after, sources)
        if energy_mj is None:
            return None
        return energy_mj, "measured", next(each.method for each in after.sources if each.kind in sources)

    def _read(self) -> MeterReading | None:
        # One reading serves all runs of a step; some meters take a second to answer.
        now_ms = self._clock.monotonic_ms()
        if self._newest is None or now_ms - self._newest[0] >= _FRESH_MS:
            self._newest = (now_ms, self._meter.read())
        return self._newest[1]


def _difference(before: MeterReading, after: MeterReading, sources: list[str]) -> int | None:
    """What these sources used between two readings [mJ]; None unless both have all of them."""
    total_mj = 0
    for kind in sources:
        first, last = before.energy_mj(kind), after.energy_mj(kind)
        if first is None or last is None:
            return None
        total_mj += max(0, last - first)
    return total_mj if sources else None
