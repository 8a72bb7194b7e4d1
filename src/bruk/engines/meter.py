"""Energy meters of one machine: RAPL for processor packages, NVML or nvidia-smi for accelerators.

A meter only reads; it never estimates. Where nothing answers it says None and the caller estimates,
openly. How a package's energy is shared among runs is the rule of ``share_mj`` and nothing else.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bruk.model.clock import Clock

POWERCAP = Path("/sys/class/powercap")
SMI_TIMEOUT_S = 20
SHARE_METHOD = "package energy by share of processor time used in processor time available"


@dataclass(frozen=True, slots=True)
class Energy:
    """What one source has used since its meter was made.

    Attributes:
        kind: ``package:N`` (processor and, where the hardware counts it there, its memory) or
            ``gpu:N`` (a board, numbered as inventory numbers devices).
        energy_mj: never falls [mJ].
        method: how it was read, for the record.
    """

    kind: str
    energy_mj: int
    method: str

    @property
    def energy_j(self) -> int:
        """The same, rounded down [J]."""
        return self.energy_mj // 1000


@dataclass(frozen=True, slots=True)
class MeterReading:
    """All sources of a node at one time."""

    at_ms: int
    sources: tuple[Energy, ...]

    def energy_mj(self, kind: str) -> int | None:
        """Energy of that source; None if the reading has none of that kind [mJ]."""
        return next((each.energy_mj for each in self.sources if each.kind == kind), None)


class Meter(Protocol):
    """Reads cumulative energy."""

    def read(self) -> MeterReading | None:
        """The newest reading; None when nothing answers. Blocks briefly."""
        ...


def share_mj(energy_mj: int, used_cpu_ms: int, cores: int, interval_ms: int) -> int:
    """A run's share of its package's energy over an interval [mJ].

    The run pays for the part of the package's processor time that it used; what nobody used is
    idle power and the operator's. Rounded down, so that shares never add up to more than was read.

    Args:
        energy_mj: of the package in the interval [mJ].
        used_cpu_ms: processor time of the run in the interval [ms].
        cores: logical processors of the package.
        interval_ms: its length [ms].
    """
    available_ms = cores * interval_ms
    if available_ms <= 0:
        return 0
    return energy_mj * min(max(used_cpu_ms, 0), available_ms) // available_ms


class RaplMeter:
    """Linux powercap's packages (Documentation/power/powercap/powercap.rst): ``energy_uj`` counts
    microjoules and wraps at ``max_energy_range_uj``. Read it at least every few minutes, or a wrap
    goes unseen."""

    def __init__(self, clock: Clock, root: Path = POWERCAP) -> None:
        self._clock = clock
        self._total_uj: dict[str, int] = {}
        self._last_uj: dict[str, int] = {}
        # Only packages: their subzones (core, dram) are counted in them or not on every machine.
        self._zones = sorted(root.glob("intel-rapl:[0-9]*")) if root.is_dir() else []
        self._zones = [zone for zone in self._zones if zone.name.count(":") == 1]

    def read(self) -> MeterReading | None:
        sources = []
        for zone in self._zones:
            try:
                if not (zone / "name").read_text().startswith("package"):
                    continue
                now_uj = int((zone / "energy_uj").read_text())
                range_uj = int((zone / "max_energy_range_uj").read_text())
            except (OSError, ValueError):
                continue  # Since 2020 most kernels let only root read it.
            last_uj = self._last_uj.get(zone.name, now_uj)
            step_uj = now_uj - last_uj if now_uj >= last_uj else now_uj + range_uj - last_uj
            self._last_uj[zone.name] = now_uj
            self._total_uj[zone.name] = self._total_uj.get(zone.name, 0) + step_uj
            kind = f"package:{zone.name.partition(':')[2]}"
            sources.append(Energy(kind, self._total_uj[zone.name] // 1000, "rapl"))
        return MeterReading(self._clock.now_ms(), tuple(sources)) if sources else None


class NvmlMeter:
    """NVIDIA boards by NVML's own counter (nvmlDeviceGetTotalEnergyConsumption, since Volta) [mJ]."""

    def __init__(self, clock: Clock, nvml: Any) -> None:
        """Take the ``pynvml`` module, initialised here.

        Raises:
            Exception: of NVML's own kind, when no driver answers.
        """
        nvml.nvmlInit()
        self._clock = clock
        self._nvml = nvml
        count = nvml.nvmlDeviceGetCount()
        self._boards = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        self._base_mj: dict[int, int] = {}

    def read(self) -> MeterReading | None:
        sources = []
        for index, board in enumerate(self._boards):
            try:
                now_mj = int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(board))
            except self._nvml.NVMLError:
                continue
            base_mj = self._base_mj.setdefault(index, now_mj)
            sources.append(Energy(f"gpu:{index}", max(now_mj - base_mj, 0), "nvml"))
        return MeterReading(self._clock.now_ms(), tuple(sources)) if sources else None


def _smi_power() -> str:
    query = ["nvidia-smi", "--query-gpu=index,power.draw", "--format=csv,noheader,nounits"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=SMI_TIMEOUT_S, check=True)
    return done.stdout


class SmiMeter:
    """NVIDIA boards by ``nvidia-smi``'s power, summed between readings (trapezoids): use it only
    where NVML's counter is not to be had, and read it every few seconds."""

    def __init__(self, clock: Clock, ask: Callable[[], str] = _smi_power) -> None:
        self._clock = clock
        self._ask = ask
        self._total_mj: dict[int, int] = {}
        self._last: dict[int, tuple[int, int]] = {}

    def read(self) -> MeterReading | None:
        try:
            lines = self._ask().splitlines()
        except (OSError, ValueError, subprocess.SubprocessError):  # Also a tool that answers no text.
            return None
        now_ms = self._clock.monotonic_ms()
        sources = []
        for line in lines:
            number, _, power = (part.strip() for part in line.partition(","))
            try:
                index, power_mw = int(number), int(float(power) * 1000)
            except (ValueError, OverflowError):
                continue  # "[N/A]" on boards that do not say, or "inf" on broken ones.
            before_ms, before_mw = self._last.get(index, (now_ms, power_mw))
            step_mj = (power_mw + before_mw) * (now_ms - before_ms) // 2000
            self._last[index] = (now_ms, power_mw)
            self._total_mj[index] = self._total_mj.get(index, 0) + step_mj
            sources.append(Energy(f"gpu:{index}", self._total_mj[index], "nvidia-smi power"))
        return MeterReading(self._clock.now_ms(), tuple(sources)) if sources else None


class Meters:
    """Several meters as one."""

    def __init__(self, clock: Clock, meters: Sequence[Meter]) -> None:
        self._clock = clock
        self._meters = meters

    def read(self) -> MeterReading | None:
        sources: list[Energy] = []
        for meter in self._meters:
            reading = meter.read()
            sources.extend(reading.sources if reading else ())
        return MeterReading(self._clock.now_ms(), tuple(sources)) if sources else None


def machine_meter(clock: Clock) -> Meter:
    """Every meter that this machine has; on one without any it always reads None."""
    meters: list[Meter] = [RaplMeter(clock)]
    with contextlib.suppress(Exception):  # No module, no driver, or no board: all mean no NVML.
        import pynvml

        meters.append(NvmlMeter(clock, pynvml))
    if len(meters) == 1 and shutil.which("nvidia-smi"):
        meters.append(SmiMeter(clock))
    return Meters(clock, meters)
