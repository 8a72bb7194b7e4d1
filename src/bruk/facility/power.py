"""Watts and joules: what a device draws, what a run used, what the building used for it.

Estimates only where nothing measures; every figure says how it was had. It reads no meter: readers elsewhere
fill `EnergyReading`. `carbon` and `price` go on from the joules.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bruk.facility.accelerator import Accelerator
from bruk.facility.exact import exact
from bruk.facility.split import split_by_name
from bruk.model.ledger import Quality

_FROM_BEST = (Quality.MEASURED, Quality.SHARED, Quality.ESTIMATED)


@dataclass(frozen=True, slots=True)
class EnergyReading:
    """An amount of energy and how it was had.

    Attributes:
        energy_j: the energy, zero or more [J].
        quality: measured, shared or estimated.
        method: the meter, the sharing rule or the formula, in words.
    """

    energy_j: int
    quality: Quality
    method: str

    def __post_init__(self) -> None:
        assert self.energy_j >= 0, "energy is zero or more"


def weakest(first: Quality, second: Quality) -> Quality:
    """The quality that a sum of two figures can claim: the lesser of theirs."""
    return max(first, second, key=_FROM_BEST.index)


def device_power_w(device: Accelerator, utilisation: float) -> float:
    """Estimated power of one board, linear between rest and full load.

    Source: X. Fan, W.-D. Weber, L. A. Barroso, "Power provisioning for a warehouse-sized
    computer", ISCA 2007, doi:10.1145/1250662.1250665.

    Args:
        device: the accelerator.
        utilisation: share of full load, from 0 to 1 [1].

    Returns:
        power of the board [W].

    Raises:
        ImpossibleMeasurement: when the utilisation is not from 0 to 1.
    """
    share = exact(utilisation, "The utilisation", least=0, most=1)
    idle = exact(device.idle_power_w, "The idle power", least=0)
    board = exact(device.board_power_w, "The board power", least=device.idle_power_w)
    return float(idle + (board - idle) * share)


def it_energy_j(device_ms: int, power_w: float, server_overhead_factor: float = 1.0) -> int:
    """IT energy of a run: time on devices, power of one device, and the server's share around it.

    E = t P f, by the definition of power; f stands for processors, memory, fans and power supplies.

    Args:
        device_ms: time on devices, summed over them, zero or more [ms].
        power_w: mean power of one board [W].
        server_overhead_factor: AC power of the server over that of its boards, 1 or more [1].

    Returns:
        IT energy, rounded half to even [J].

    Raises:
        ImpossibleMeasurement: when an input is out of its limits.
    """
    time = exact(device_ms, "The time on devices", least=0)
    power = exact(power_w, "The power", least=0)
    factor = exact(server_overhead_factor, "The server overhead factor", least=1)
    return round(time * power * factor / 1000)


def facility_energy_j(it_energy: int, pue_milli: int) -> int:
    """Energy of the whole site for some IT energy: E_DC = PUE E_IT.

    Source: ISO/IEC 30134-2. An annual figure used for a shorter time is an approximation.

    Args:
        it_energy: IT energy, zero or more [J].
        pue_milli: power usage effectiveness times 1000, 1000 or more.

    Returns:
        facility energy, rounded half to even [J].

    Raises:
        ImpossibleMeasurement: when the PUE is below 1.
    """
    pue = exact(pue_milli, "The PUE times 1000", least=1000) / 1000
    return round(exact(it_energy, "The IT energy", least=0) * pue)


def estimate_energy(device: Accelerator, device_ms: int, utilisation: float = 1.0) -> EnergyReading:
    """The IT energy of a run where nothing measures it.

    Args:
        device: the accelerator.
        device_ms: time on devices, summed over them, zero or more [ms].
        utilisation: share of full load, from 0 to 1; full load where nothing is known [1].

    Raises:
        ImpossibleMeasurement: when an input is out of its limits.
    """
    power_w = device_power_w(device, utilisation)
    factor = device.server_overhead_factor
    method = f"{device.name}: {power_w:.6g} W at {utilisation:.0%} load, server factor {factor:g}"
    energy_j = it_energy_j(device_ms, power_w, factor)
    return EnergyReading(energy_j, Quality.ESTIMATED, method)


def share_energy(meter_j: int, weights: Mapping[str, int], rule: str) -> dict[str, EnergyReading]:
    """One meter's energy shared among the runs that used it; the shares add up to the meter exactly.

    Args:
        meter_j: what the meter counted, zero or more [J].
        weights: for each run, what the rule weighs it by, such as its processor milliseconds.
        rule: the sharing rule, in words.

    Returns:
        one reading for each run.
    """
    parts = split_by_name(meter_j, weights)
    return {run: EnergyReading(part, Quality.SHARED, rule) for run, part in parts.items()}
