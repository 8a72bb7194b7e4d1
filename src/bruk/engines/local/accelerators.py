"""Accelerators of this machine: NVIDIA through NVML or nvidia-smi, AMD through the kernel.

A machine without any is the ordinary case and costs nothing to find out. Devices are numbered as
the vendor's tools number them (PCI bus order). Unknown models keep the maker's name in lower case,
so that a price is asked for instead of guessed.
"""

import csv
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

KFD = Path("/sys/class/kfd/kfd/topology/nodes")
SMI_TIMEOUT_S = 20
RENDER_FIRST = 128  # Linux Documentation/gpu/drm-uapi.rst: minors of render nodes begin here.
# What a maker's tool calls a board, by words that must all occur, and its name in the accelerator
# table (bruk/data/accelerators.csv). The first line that fits counts.
NAMES = (
    ("GB300", "gb300"),
    ("GB200", "gb200"),
    ("B200", "b200-hgx"),
    ("H200", "h200"),
    ("H100 80GB HBM3", "h100-sxm"),
    ("A100 SXM 80GB", "a100-sxm-80gb"),
    ("A100 SXM4 80GB", "a100-sxm-80gb"),
    ("A100 SXM4 40GB", "a100-sxm-40gb"),
    ("V100 SXM2", "v100-sxm2"),
)
# gfx_target_version of the kernel's topology: AMD's instruction set, which sister models share
# (gfx90a also MI210 and MI250, gfx942 also MI300A); unverified on real boards. The kernel counts
# each half of an MI250X as a device.
GFX_NAMES = {90010: "mi250x", 90402: "mi300x"}


@dataclass(frozen=True, slots=True)
class Accelerators:
    """Identical devices of one machine; ``count`` 0: none."""

    name: str = ""
    vendor: str = ""
    count: int = 0
    healthy: bool = True

    def unhealthy(self) -> "Accelerators":
        return replace(self, healthy=False)


def find_accelerators() -> Accelerators:
    """Ask the drivers. Where models are mixed, the first one and its like are given out."""
    nvidia = _nvidia_names()
    if nvidia:
        return _of("nvidia", [catalogue_name(name) for name in nvidia])
    return _of("amd", _amd_names(KFD))


def device_files(found: Accelerators, boards: Sequence[int]) -> list[str]:
    """Device files through which a run reaches these boards; those that are not there are harmless.

    NVIDIA numbers its files in the order of PCI addresses on ordinary machines, as its tools number
    boards. AMD's ``/dev/kfd`` reaches every board of the machine; only the render nodes are single.
    """
    if found.vendor == "nvidia":
        shared = [f"/dev/{name}" for name in ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-caps")]
        return [*shared, *(f"/dev/nvidia{index}" for index in boards)]
    if found.vendor == "amd":
        return ["/dev/kfd", *(f"/dev/dri/renderD{RENDER_FIRST + index}" for index in boards)]
    return []


def catalogue_name(title: str) -> str:
    """The accelerator table's name for what the maker's tool calls a board."""
    words = title.replace("-", " ").split()
    for wanted, name in NAMES:
        if all(word in words for word in wanted.split()):
            return name
    return "-".join(words).lower()


def _of(vendor: str, names: list[str]) -> Accelerators:
    """The leading run of identical devices: their indices are those of the whole machine."""
    if not names:
        return Accelerators()
    count = next((index for index, name in enumerate(names) if name != names[0]), len(names))
    return Accelerators(name=names[0], vendor=vendor, count=count)


def _nvidia_names() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=index,name", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, timeout=SMI_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return _nvidia_rows(done.stdout)


_INDEX = re.compile("[0-9]{1,4}")


def _nvidia_rows(said: bytes) -> list[str]:
    """The names in lines of index and name; what is no such line is passed over."""
    lines = said.decode("utf-8", "replace").splitlines()
    try:
        rows = [row for row in csv.reader(lines, skipinitialspace=True) if len(row) == 2]
    except csv.Error:
        return []
    return [name for _, name in sorted((int(index), name) for index, name in rows if _INDEX.fullmatch(index))]


def _amd_names(nodes: Path) -> list[str]:
    names = []
    try:
        folders = sorted((each for each in nodes.iterdir() if each.name.isdigit()), key=lambda p: int(p.name))
    except OSError:
        return []
    for folder in folders:
        try:
            lines = (folder / "properties").read_text().splitlines()
            values = dict(line.split(None, 1) for line in lines if len(line.split(None, 1)) == 2)
            simds, gfx = (int(values.get(name, "0")) for name in ("simd_count", "gfx_target_version"))
        except (OSError, ValueError):
            continue
        if simds > 0:  # Nodes without any are processors.
            names.append(GFX_NAMES.get(gfx, f"amd-gfx{gfx}"))
    return names
