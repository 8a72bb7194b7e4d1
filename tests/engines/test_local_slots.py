"""What the machine gives out, and what stands behind a device."""

import os
import stat
from pathlib import Path

import pytest

from bruk.engines.local.accelerators import (
    Accelerators,
    _amd_names,
    _of,
    catalogue_name,
    find_accelerators,
)
from bruk.engines.local.slots import LocalConfig, Slots
from bruk.facility.accelerator import accelerators
from bruk.model.run import DeviceSet
from bruk.model.site import Isolation, NodeHealth

NONE = Accelerators
EIGHT = Accelerators("h100-sxm", "nvidia", 8)


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    monkeypatch.setattr(os, "cpu_count", lambda: 4)


def on(*devices: int, node: str = "node-1") -> tuple[DeviceSet, ...]:
    return (DeviceSet(node, devices),)


@pytest.mark.usefixtures("four_cores")
def test_one_slot_a_core_with_an_equal_share_of_memory() -> None:
    slots = Slots(LocalConfig(memory_bytes=4000), NONE)
    (node,) = slots.inventory().nodes
    assert (node.name, node.accelerator, node.devices, node.cpu_milli) == ("node-1", "cpu-slot", 4, 4000)
    assert slots.inventory().isolation is Isolation.NONE
    assert slots.cores(on(1, 3)) == [1, 3]
    assert slots.memory_bytes(on(1, 3)) == 2000


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize(
    ("wanted", "cores"),
    [
        (1, [[0, 1, 2, 3]]),
        (2, [[0, 1], [2, 3]]),
        (3, [[0], [1], [2, 3]]),
        (6, [[0], [1], [2], [3], [0], [1]]),
    ],
)
def test_slots_divide_the_cores(wanted: int, cores: list[list[int]]) -> None:
    slots = Slots(LocalConfig(slots=wanted), NONE)
    assert [slots.cores(on(index)) for index in range(wanted)] == cores


@pytest.mark.usefixtures("four_cores")
def test_two_sites_share_a_machine_by_cores() -> None:
    whole = Slots(LocalConfig(), NONE).inventory().nodes[0].memory_bytes
    first, second = Slots(LocalConfig(cores=(0,)), NONE), Slots(LocalConfig(cores=(1, 2, 3)), NONE)
    assert (first.cores(on(0)), second.cores(on(0))) == ([0], [1])
    shares = [slots.inventory().nodes[0].memory_bytes for slots in (first, second)]
    assert sum(shares) <= whole
    assert shares[0] < shares[1]


@pytest.mark.usefixtures("four_cores")
def test_cores_that_are_not_ours_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(AssertionError, match="not all among"):
        Slots(LocalConfig(cores=(0, 9)), NONE)


@pytest.mark.usefixtures("four_cores")
def test_accelerators_stand_on_a_node_of_their_own() -> None:
    slots = Slots(LocalConfig(memory_bytes=8000), lambda: EIGHT)
    (node,) = slots.inventory().nodes
    assert (node.name, node.pool, node.accelerator, node.devices) == (
        "node-1-gpu",
        "h100-sxm",
        "h100-sxm",
        8,
    )
    assert slots.cores(on(0, node="node-1-gpu")) == []
    assert slots.memory_bytes(on(0, 1, node="node-1-gpu")) == 2000
    both = Slots(LocalConfig(slots=2), lambda: EIGHT)
    assert [node.accelerator for node in both.inventory().nodes] == ["cpu-slot", "h100-sxm"]
    assert both.cores(on(1)) == [2, 3]


def test_accelerators_that_vanish_make_their_node_unhealthy_until_they_are_back() -> None:
    answers = [EIGHT, Accelerators(), EIGHT]
    slots = Slots(LocalConfig(), lambda: answers.pop(0))
    seen = [slots.inventory().nodes[0].health]
    for _ in range(2):
        slots.look_again()
        seen.append(slots.inventory().nodes[0].health)
    assert seen == [NodeHealth.OK, NodeHealth.UNHEALTHY, NodeHealth.OK]
    assert slots.inventory().nodes[0].devices == 8


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"),
        ("NVIDIA A100-SXM4-40GB", "a100-sxm-40gb"),
        ("Tesla V100-SXM2-32GB", "v100-sxm2"),
        ("NVIDIA GB200", "gb200"),
        ("NVIDIA B200", "b200-hgx"),
    ],
)
def test_known_boards_have_the_name_of_the_accelerator_table(title: str, name: str) -> None:
    assert catalogue_name(title) == name
    assert name in {each.name for each in accelerators()}


def test_an_unknown_board_keeps_its_makers_name() -> None:
    assert catalogue_name("NVIDIA H100 PCIe") == "nvidia-h100-pcie"
    assert catalogue_name("NVIDIA GeForce RTX 4090") == "nvidia-geforce-rtx-4090"


def test_a_mixed_machine_offers_its_leading_run() -> None:
    assert _of("nvidia", ["h200", "h200", "h100-sxm"]) == Accelerators("h200", "nvidia", 2)
    assert _of("nvidia", []) == Accelerators()


def test_nvidia_is_asked_through_its_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tool(tmp_path, "printf '1, NVIDIA H200\\n0, NVIDIA H200\\nrubbish\\n'")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_accelerators() == Accelerators("h200", "nvidia", 2)


def test_a_failing_driver_means_no_accelerators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tool(tmp_path, "echo 'NVIDIA-SMI has failed'; exit 9")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("bruk.engines.local.accelerators.KFD", tmp_path / "absent")
    assert find_accelerators().count == 0


def test_amd_is_asked_through_the_kernel(tmp_path: Path) -> None:
    for number, (simds, gfx) in enumerate([(0, 0), (880, 90010), (880, 90010), (10, 4242)]):
        (tmp_path / str(number)).mkdir()
        text = f"cpu_cores_count 64\nsimd_count {simds}\ngfx_target_version {gfx}\n"
        (tmp_path / str(number) / "properties").write_text(text)
    assert _amd_names(tmp_path) == ["mi250x", "mi250x", "amd-gfx4242"]
    assert _amd_names(tmp_path / "absent") == []


def _tool(folder: Path, script: str) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
