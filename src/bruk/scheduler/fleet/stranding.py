"""How much of a node's free devices the work expected next could not use: Bruk's own measure.

For a mix in which a request has shape m with probability p_m, with R the free parts of all devices of
a node, C its free cores and F its wholly free devices, what is stranded of a node is

    V = sum over devices of W(r)
        + R * (closed + cores(C) + STRETCH_WEIGHT * stretch(C / R) + GANG_WEIGHT * gang(F))

* ``W(r)`` of a device with r left is what will stay unused for good, if requests keep coming and
  each is taken or left as is best: W solves  W(r) = r/H + (1 - 1/H) * sum over m of p_m *
  min(W(r), W(r - d_m)),  d_m being the part of one device that m takes and H the patience: after H
  requests on average what is left stays so. An optimal stopping problem (Bellman 1957), solved exactly
  from the small r upwards.
* ``closed`` is the share of requests that may not use the node's accelerator model; all other terms
  count those only that may.
* ``cores(C)`` is the share of requests that need more cores than are left: they could not come.
* ``stretch(x)`` = sum over m of p_m * max(0, 1 - x / c_m), c_m being the cores that m takes for each
  device: what part of the devices would be left when the cores are gone, were all work like m. It
  looks further ahead than ``cores``.
* ``gang(F)`` is the share of requests that need more whole devices than are wholly free.

``closed``, ``cores`` and ``gang`` follow the fragmentation of FGD (see `fragmentation`); ``W`` and
``stretch`` look beyond the next request. Each is a small table over one number, so that a node costs a few
look-ups. Look next at `waste`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bruk.scheduler.fleet.arrays import Integers
from bruk.scheduler.fleet.shape import WHOLE_MILLI, Shape

Reals = NDArray[np.float64]

PATIENCE = 50.0
STRETCH_WEIGHT = 0.5
GANG_WEIGHT = 0.5
# Devices are looked at in steps of this part [thousandths].
STEP_MILLI = 10


@dataclass(frozen=True, slots=True)
class Tables:
    """The terms of V for one mix.

    Attributes:
        stranded_milli: W by what is left of a device, 0 to 1000 [thousandths].
        cores: sorted needs of cores [thousandths], and the share of requests above each place.
        stretch: sorted needs of cores for each device, and above each place the share of requests
            and the sum of share over need.
        gang: share of requests that need more whole devices, by how many are free.
        closed: share of requests that need devices and may not use this accelerator model.
    """

    stranded_milli: Reals
    cores: tuple[Integers, Reals]
    stretch: tuple[Reals, Reals, Reals]
    gang: Reals
    closed: float

    @classmethod
    def of(cls, shares: Mapping[Shape, float], devices_max: int, model: str = "") -> "Tables":
        """The tables of a mix, on nodes of a model with at most so many devices."""
        every = [(shape, share) for shape, share in shares.items() if shape.devices]
        needy = [(shape, share) for shape, share in every if not shape.models or model in shape.models]
        share = np.array([part for _, part in needy], dtype=np.float64)
        cpu = np.array([max(shape.cpu_milli, 0) for shape, _ in needy], dtype=np.int64)
        each = np.array([max(shape.cpu_milli, 0) * WHOLE_MILLI / shape.total_milli for shape, _ in needy])
        by_cpu, by_each = np.argsort(cpu, kind="stable"), np.argsort(each, kind="stable")
        rate = np.divide(share, each, out=np.zeros_like(share), where=each > 0)
        gangs = np.zeros(devices_max + 1)
        for shape, part in needy:
            if not shape.fractional:
                gangs[: shape.devices] += part
        return cls(
            stranded_milli=stranded(dict(needy)),
            cores=(cpu[by_cpu], _above(share[by_cpu])),
            stretch=(each[by_each], _above(share[by_each]), _above(rate[by_each])),
            gang=gangs,
            closed=sum(part for shape, part in every if shape.models and model not in shape.models),
        )

    def value_milli(self, cpu_milli: Integers, free_milli: Integers, whole: Integers) -> Reals:
        """V without its first term, of nodes with so much free [thousandths of a device]."""
        needs, missing = self.cores
        lost = missing[needs.searchsorted(cpu_milli, side="right")]
        each = cpu_milli * (WHOLE_MILLI / np.maximum(free_milli, 1))
        places, share, rate = self.stretch
        place = places.searchsorted(each, side="right")
        lost = lost + STRETCH_WEIGHT * (share[place] - each * rate[place])
        return np.asarray(free_milli * (lost + self.closed + GANG_WEIGHT * self.gang[whole]))


def stranded(shares: Mapping[Shape, float], patience: float = PATIENCE) -> Reals:
    """W(r) for every r from 0 to 1000 [thousandths of a device]."""
    sizes: dict[int, float] = {}
    for shape, share in shares.items():
        if shape.devices == 1:
            steps = -(-shape.device_milli // STEP_MILLI)
            sizes[steps] = sizes.get(steps, 0.0) + share
    stop, table = 1 / patience, [0.0]
    for left in range(1, WHOLE_MILLI // STEP_MILLI + 1):
        # With what is kept unknown, the best choice is to take every request that leaves less: the
        # candidates are added from the smallest for as long as they are below the mean they give.
        numerator, weight = stop * left, stop
        for after, share in sorted(
            (table[left - size], part) for size, part in sizes.items() if size <= left
        ):
            if after * weight >= numerator:
                break
            numerator += (1 - stop) * share * after
            weight += (1 - stop) * share
        table.append(numerator / weight)
    return np.repeat(np.array(table), STEP_MILLI)[: WHOLE_MILLI + 1] * STEP_MILLI


def _above(parts: Reals) -> Reals:
    """At each place of a sorted list, the sum of what stands there and after it; 0 at the end."""
    return np.append(np.cumsum(parts[::-1])[::-1], 0.0)
