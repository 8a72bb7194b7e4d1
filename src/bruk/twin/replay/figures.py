"""How a replay went: waiting, use, energy and carbon, from when each job started.

Everything is summed in whole device-milliseconds between events, so that nothing depends on a step
width. Power is the catalogue's at full load while a device is held and at rest while it is not; carbon
is that of the zone's mean day, hour by hour. See ``facility`` for the formulas and their sources.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import mul

import numpy as np
from numpy.typing import NDArray

from bruk.facility.accelerator import accelerator
from bruk.facility.carbon import carbon_mg, mean_day_intensity
from bruk.facility.power import device_power_w, facility_energy_j, it_energy_j
from bruk.facility.series import HOUR_MS, J_PER_KWH, EnergySlice
from bruk.facility.site import ReferenceSite
from bruk.twin.replay.jobs import NEVER, Jobs, Played

Integers = NDArray[np.int64]

DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Figures:
    """A replay in numbers.

    Attributes:
        jobs: that ran.
        impossible: that are larger than the pool, or whose record is unusable.
        mean_jct_s: from arrival to end [s].
        mean_wait_s: from arrival to end, less the time for which it ran [s].
        p95_wait_s: the least wait that 95 % of the jobs do not exceed [s].
        makespan_s: from the first arrival to the last end [s].
        utilisation_pct: devices that jobs asked for and held, over all, over the makespan [%].
        energy_kwh: of the whole site over the makespan [kWh].
        gco2e: of that energy [g].
    """

    jobs: int
    impossible: int
    mean_jct_s: float
    mean_wait_s: float
    p95_wait_s: float
    makespan_s: float
    utilisation_pct: float
    energy_kwh: float
    gco2e: float


def figures(jobs: Jobs, played: Played, pool_devices: int, site: ReferenceSite) -> Figures:
    """The figures of a replay on so many devices of a site's model, under the site's PUE and zone."""
    ran = [job for job, start_ms in enumerate(played.starts_ms) if start_ms != NEVER]
    impossible = len(jobs) - len(ran) + jobs.unusable
    if not ran:
        return Figures(0, impossible, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    arrival = np.array([jobs.arrival_ms[job] for job in ran], dtype=np.int64)
    length = np.array([jobs.length_ms[job] for job in ran], dtype=np.int64)
    end = np.array([played.ends_ms[job] for job in ran], dtype=np.int64)
    waits = np.sort(end - arrival - length)
    first_ms, last_ms = int(arrival.min()), int(end.max())
    parts = np.array(list(_parts(jobs, played)), dtype=np.int64)
    devices = [jobs.devices[job] for job in parts[:, 0].tolist()]
    held_ms = sum(map(mul, devices, (parts[:, 2] - parts[:, 1]).tolist()))
    span_ms = (first_ms, last_ms)
    energy_j, mass_mg = _footprint(parts[:, 1], parts[:, 2], devices, span_ms, pool_devices, site)
    whole_ms = pool_devices * (last_ms - first_ms)
    return Figures(
        jobs=len(ran),
        impossible=impossible,
        mean_jct_s=sum((end - arrival).tolist()) / len(ran) / 1000,
        mean_wait_s=sum(waits.tolist()) / len(ran) / 1000,
        p95_wait_s=int(waits[-(-95 * len(ran) // 100) - 1]) / 1000,
        makespan_s=(last_ms - first_ms) / 1000,
        utilisation_pct=100 * held_ms / whole_ms if whole_ms else 0.0,
        energy_kwh=energy_j / J_PER_KWH,
        gco2e=mass_mg / 1000,
    )


def held_devices(jobs: Jobs, played: Played) -> list[tuple[float, float]]:
    """How many devices are held after each event, by hours since the trace's beginning [h]."""
    changes: dict[int, int] = {}
    for job, start_ms, end_ms in _parts(jobs, played):
        changes[start_ms] = changes.get(start_ms, 0) + jobs.devices[job]
        changes[end_ms] = changes.get(end_ms, 0) - jobs.devices[job]
    points, held = [], 0
    for at_ms in sorted(changes):
        held += changes[at_ms]
        points.append((at_ms / HOUR_MS, float(held)))
    return points


def _parts(jobs: Jobs, played: Played) -> Iterable[tuple[int, int, int]]:
    """What runs, from when to when [ms]."""
    if played.parts is not None:
        return played.parts
    return (
        (job, start_ms, end_ms)
        for job, (start_ms, end_ms) in enumerate(zip(played.starts_ms, played.ends_ms, strict=True))
        if start_ms != NEVER
    )


def _footprint(
    start: Integers,
    end: Integers,
    devices: Sequence[int],
    span_ms: tuple[int, int],
    pool_devices: int,
    site: ReferenceSite,
) -> tuple[int, int]:
    """Energy [J] and carbon [mg], by the hour of the day: the mean day repeats, so that 24 sums do."""
    model = accelerator(site.accelerator)
    slices = []
    for hour in range(24):
        held_ms = sum(map(mul, devices, (_until(end, hour) - _until(start, hour)).tolist()))
        first, last = (int(_until(np.array([at]), hour)[0]) for at in span_ms)
        idle_ms = pool_devices * (last - first) - held_ms
        energy_j = sum(
            it_energy_j(time_ms, device_power_w(model, load), model.server_overhead_factor)
            for time_ms, load in ((held_ms, 1.0), (idle_ms, 0.0))
        )
        slices.append(
            EnergySlice(hour * HOUR_MS, (hour + 1) * HOUR_MS, facility_energy_j(energy_j, site.pue_milli))
        )
    total_j = sum(piece.energy_j for piece in slices)
    return total_j, carbon_mg(slices, mean_day_intensity(site.zone))


def _until(at_ms: Integers, hour: int) -> Integers:
    """How long this hour of the day has been, from time 0 to these instants [ms]."""
    days, rest = np.divmod(at_ms, DAY_MS)
    return np.asarray(days * HOUR_MS + np.clip(rest - hour * HOUR_MS, 0, HOUR_MS))
