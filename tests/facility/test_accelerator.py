"""The catalogue answers by name and never invents a device."""

import pytest

from bruk.facility.accelerator import UnknownAccelerator, accelerator, accelerators, cpu_slot


@pytest.mark.parametrize(
    ("name", "fp8_pflops", "bf16_pflops", "memory_bytes", "board_power_w"),
    [
        ("h100-sxm", 1.98, 0.989, 80 * 10**9, 700),
        ("h200", 1.98, 0.989, 141 * 10**9, 700),
        ("b200-hgx", 4.5, 2.25, 180 * 10**9, 1000),
        ("gb300", 5, 2.5, 288 * 10**9, 1400),
        ("mi250x", None, 0.383, 128 * 10**9, 560),
    ],
)
def test_figures_are_those_of_the_table(
    name: str, fp8_pflops: float | None, bf16_pflops: float, memory_bytes: int, board_power_w: float
) -> None:
    device = accelerator(name)

    assert device.fp8_pflops == fp8_pflops
    assert device.bf16_pflops == bf16_pflops
    assert device.memory_bytes == memory_bytes
    assert device.board_power_w == board_power_w
    assert device.sparsity == "dense"


def test_names_are_forgiving_about_case_and_dashes() -> None:
    assert accelerator("H100 SXM") is accelerator("h100-sxm")
    assert accelerator("cpu_slot").title == "Processor slot"


def test_more_than_one_vendor_is_there() -> None:
    assert {"NVIDIA", "AMD"} <= {device.vendor for device in accelerators()}


@pytest.mark.parametrize("device", accelerators(), ids=lambda device: device.name)
def test_every_device_draws_more_at_work_than_at_rest(device) -> None:  # type: ignore[no-untyped-def]
    assert 0 < device.idle_power_w < device.board_power_w
    assert device.server_overhead_factor >= 1


def test_unknown_accelerator_suggests_near_names() -> None:
    with pytest.raises(UnknownAccelerator, match="h100-sxm") as caught:
        accelerator("h100-sxn")

    assert caught.value.code == "accelerator_unknown"
    assert caught.value.detail == {"name": "h100-sxn"}


@pytest.mark.parametrize("name", ["", "зверь", "x" * 10_000])
def test_odd_names_are_refused_with_the_list(name: str) -> None:
    with pytest.raises(UnknownAccelerator, match="gb300"):
        accelerator(name)


def test_a_slot_of_more_threads_draws_in_proportion() -> None:
    assert cpu_slot(4).board_power_w == pytest.approx(4 * accelerator("cpu-slot").board_power_w)
