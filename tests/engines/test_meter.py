"""Meters read what is there, add up across wraps, and say None where nothing answers."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.engines.meter import (
    Energy,
    MeterReading,
    Meters,
    NvmlMeter,
    RaplMeter,
    SmiMeter,
    machine_meter,
    share_mj,
)
from bruk.model.clock import ManualClock

RANGE_UJ = 1_000_000_000


def zone(root: Path, name: str, label: str, energy_uj: int) -> Path:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(f"{label}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    return folder


def test_rapl_counts_packages_across_a_wrap(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", RANGE_UJ - 5_000_000)
    zone(tmp_path, "intel-rapl:0:0", "core", 77)
    zone(tmp_path, "intel-rapl:1", "psys", 77)
    meter = RaplMeter(ManualClock(), tmp_path)
    assert meter.read() == MeterReading(1_800_000_000_000, (Energy("package:0", 0, "rapl"),))
    (package / "energy_uj").write_text(f"{RANGE_UJ - 1_000_000}\n")
    assert _mj(meter.read(), "package:0") == 4_000
    (package / "energy_uj").write_text("2500000\n")
    assert _mj(meter.read(), "package:0") == 7_500


def test_rapl_that_cannot_be_read_says_none(tmp_path: Path) -> None:
    assert RaplMeter(ManualClock(), tmp_path / "absent").read() is None
    package = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    (package / "energy_uj").unlink()
    assert RaplMeter(ManualClock(), tmp_path).read() is None
    (package / "energy_uj").write_text("not a number")
    assert RaplMeter(ManualClock(), tmp_path).read() is None


def test_nvml_counts_from_the_meters_beginning_and_leaves_out_silent_boards() -> None:
    class Silent(Exception):
        pass

    counters = {0: 5_000, 1: None}

    def total(board: int) -> int:
        value = counters[board]
        if value is None:
            raise Silent
        return value

    nvml = SimpleNamespace(
        NVMLError=Silent,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=total,
    )
    meter = NvmlMeter(ManualClock(), nvml)
    assert _mj(meter.read(), "gpu:0") == 0
    counters[0] = 8_500
    reading = meter.read()
    assert _mj(reading, "gpu:0") == 3_500
    assert _mj(reading, "gpu:1") is None
    counters[0] = None
    assert meter.read() is None


def test_power_is_summed_by_trapezoids() -> None:
    clock, answers = ManualClock(), ["0, 100.0\n1, [N/A]\n", "0, 300.0\n1, 50.00\n", "0, nan\n"]
    meter = SmiMeter(clock, lambda: answers.pop(0))
    assert _mj(meter.read(), "gpu:0") == 0
    clock.advance(10_000)
    reading = meter.read()
    assert _mj(reading, "gpu:0") == 2_000_000
    assert _mj(reading, "gpu:1") == 0
    assert meter.read() is None


def test_a_tool_that_fails_says_none() -> None:
    def fails() -> str:
        raise subprocess.CalledProcessError(9, "nvidia-smi")

    assert SmiMeter(ManualClock(), fails).read() is None


def test_several_meters_read_as_one_and_none_only_if_all_are_silent() -> None:
    one = SimpleNamespace(read=lambda: MeterReading(1, (Energy("package:0", 1500, "rapl"),)))
    silent = SimpleNamespace(read=lambda: None)
    reading = Meters(ManualClock(), [silent, one]).read()
    assert reading is not None
    assert reading.sources[0].energy_j == 1
    assert Meters(ManualClock(), [silent, silent]).read() is None


def test_a_machine_without_meters_reads_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("bruk.engines.meter.POWERCAP", tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    assert machine_meter(ManualClock()).read() is None


@given(
    energy_mj=st.integers(0, 10**12),
    used=st.lists(st.integers(0, 10**6), max_size=5),
    cores=st.integers(1, 256),
    interval_ms=st.integers(1, 10**6),
)
def test_shares_never_add_up_to_more_than_was_read(
    energy_mj: int, used: list[int], cores: int, interval_ms: int
) -> None:
    while sum(used) > cores * interval_ms:
        used.pop()
    shares = [share_mj(energy_mj, each, cores, interval_ms) for each in used]
    assert sum(shares) <= energy_mj
    assert all(share >= 0 for share in shares)


def test_the_share_is_that_of_processor_time_and_idle_is_nobodys() -> None:
    assert share_mj(60_000, used_cpu_ms=1000, cores=2, interval_ms=1000) == 30_000
    assert share_mj(60_000, used_cpu_ms=0, cores=2, interval_ms=1000) == 0
    assert share_mj(60_000, used_cpu_ms=9999, cores=2, interval_ms=1000) == 60_000
    assert share_mj(60_000, used_cpu_ms=5, cores=2, interval_ms=0) == 0


def _mj(reading: MeterReading | None, kind: str) -> int | None:
    assert reading is not None
    return reading.energy_mj(kind)
