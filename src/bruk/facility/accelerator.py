"""The catalogue of accelerators: what a device computes, holds and draws.

Figures are dense and per device. The catalogue never decides anything; `power` turns it into watts.
The values and their sources stand in `bruk/data/accelerators.csv`.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from bruk.facility.tables import Row, table
from bruk.model.errors import NotFound

CPU_SLOT = "cpu-slot"
"""The device of a site without accelerators: one hardware thread; see `cpu_slot` for larger ones."""


class UnknownAccelerator(NotFound):
    """No accelerator of that name is in the catalogue."""

    code = "accelerator_unknown"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One model of accelerator.

    Attributes:
        name: its name in the catalogue, such as `h100-sxm`.
        title: its name for people.
        vendor: who makes it.
        fp4_pflops: dense throughput in FP4, none where unsupported [PFLOP/s].
        fp8_pflops: dense throughput in FP8, none where unsupported [PFLOP/s].
        bf16_pflops: dense throughput in BF16, none where unsupported [PFLOP/s].
        sparsity: what the figures count; `dense` throughout.
        memory_bytes: its own memory, none where the site's configuration says [byte].
        bandwidth_tb_per_s: bandwidth of that memory [TB/s].
        board_power_w: power of the board at full load [W].
        idle_power_w: power of the board at rest [W].
        server_overhead_factor: AC power of a loaded server over the sum of its boards' power [1].
        unverified: the quantities that no document or measurement backs.
    """

    name: str
    title: str
    vendor: str
    fp4_pflops: float | None
    fp8_pflops: float | None
    bf16_pflops: float | None
    sparsity: str
    memory_bytes: int | None
    bandwidth_tb_per_s: float | None
    board_power_w: float
    idle_power_w: float
    server_overhead_factor: float
    unverified: tuple[str, ...]


def accelerator(name: str) -> Accelerator:
    """The accelerator of that name; case, spaces, hyphens and underscores do not matter.

    Raises:
        UnknownAccelerator: with the nearest names in its message.
    """
    known = {_folded(each.name): each for each in accelerators()}
    found = known.get(_folded(name))
    if found is not None:
        return found
    near = difflib.get_close_matches(_folded(name), known, n=3, cutoff=0.4)
    near += [key for key in known if _folded(name) and _folded(name) in key and key not in near][:3]
    names = ", ".join(known[key].name for key in near or known)
    hint = "Did you mean" if near else "Known are"
    raise UnknownAccelerator(f"No accelerator is called {name!r}. {hint} {names}?", name=name)


@cache
def accelerators() -> tuple[Accelerator, ...]:
    """All accelerators of the catalogue, in its order."""
    return tuple(_read(name, rows) for name, rows in table("accelerators").items())


def cpu_slot(threads: int) -> Accelerator:
    """A slot of several hardware threads, as a device of a site without accelerators.

    Args:
        threads: hardware threads of one slot, at least 1.
    """
    assert threads >= 1, "a slot has at least one hardware thread"
    one = accelerator(CPU_SLOT)
    return dataclasses.replace(
        one, board_power_w=one.board_power_w * threads, idle_power_w=one.idle_power_w * threads
    )


def _read(name: str, rows: Mapping[str, Row]) -> Accelerator:
    def number(quantity: str) -> float | None:
        return float(rows[quantity].value) if quantity in rows else None

    return Accelerator(
        name=name,
        title=rows["title"].value,
        vendor=rows["vendor"].value,
        fp4_pflops=number("fp4_pflops"),
        fp8_pflops=number("fp8_pflops"),
        bf16_pflops=number("bf16_pflops"),
        sparsity=rows["sparsity"].value,
        memory_bytes=int(rows["memory_bytes"].value) if "memory_bytes" in rows else None,
        bandwidth_tb_per_s=number("bandwidth_tb_per_s"),
        board_power_w=float(rows["board_power_w"].value),
        idle_power_w=float(rows["idle_power_w"].value),
        server_overhead_factor=float(rows["server_overhead_factor"].value),
        unverified=tuple(quantity for quantity, row in rows.items() if not row.verified),
    )


def _folded(name: str) -> str:
    return "".join(character for character in name.casefold() if character not in " -_")
