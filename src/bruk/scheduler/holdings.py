"""What is held, counted in every way that a rule asks for: by project, by tenant and by site.

One entry a run, counted when it comes and taken back when it goes. It decides nothing. Look next at `board`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bruk.model.run import DeviceSet
from bruk.model.snapshot import RunFacts
from bruk.scheduler.fleet.shape import WHOLE_MILLI
from bruk.scheduler.nodes import Nodes


@dataclass(frozen=True, slots=True)
class Held:
    """What a run counts for beside its nodes.

    Attributes:
        devices: for quotas.
        dominant_milli: of its devices, cores and memory the largest part, as devices [thousandths].
        asked: what each of its members asks of a node: cores, memory, devices and part of each.
        stops: it is stopping.
        power_uw: what it draws at full load, PUE included [W * 1e-6].
    """

    project: str
    site: str
    devices: int
    dominant_milli: int
    members: int
    asked: tuple[int, int, int, int]
    stops: bool
    power_uw: int

    @property
    def tenant(self) -> str:
        return self.project.split("/", 1)[0]


@dataclass(slots=True)
class Holdings:
    """The counts.

    Attributes:
        of: by run.
        project_devices, tenant_devices: devices.
        project_milli, tenant_milli: dominant resource, as devices [thousandths].
        stopping_devices: by project and by tenant, devices of runs that are stopping.
        site_tenants: by site and tenant, devices.
        site_power_uw: by site, what all that runs draws at full load, PUE included [W * 1e-6].
        asked: how many members ask the same of a node.
    """

    of: dict[str, Held] = field(default_factory=dict)
    project_devices: Counter[str] = field(default_factory=Counter)
    tenant_devices: Counter[str] = field(default_factory=Counter)
    project_milli: Counter[str] = field(default_factory=Counter)
    tenant_milli: Counter[str] = field(default_factory=Counter)
    stopping_devices: Counter[str] = field(default_factory=Counter)
    site_tenants: dict[str, Counter[str]] = field(default_factory=dict)
    site_power_uw: Counter[str] = field(default_factory=Counter)
    asked: Counter[tuple[int, int, int, int]] = field(default_factory=Counter)

    def add(self, run: str, held: Held) -> None:
        """Count a run."""
        assert run not in self.of, f"{run} is counted already"
        self.of[run] = held
        self._count(held, 1)

    def remove(self, run: str) -> None:
        """Count a run no more."""
        self._count(self.of.pop(run), -1)

    def _count(self, held: Held, sign: int) -> None:
        tenant = held.tenant
        self.project_devices[held.project] += sign * held.devices
        self.tenant_devices[tenant] += sign * held.devices
        self.project_milli[held.project] += sign * held.dominant_milli
        self.tenant_milli[tenant] += sign * held.dominant_milli
        self.asked[held.asked] += sign * held.members
        if held.stops:
            self.stopping_devices[held.project] += sign * held.devices
            self.stopping_devices[tenant] += sign * held.devices
        self.site_power_uw[held.site] += sign * held.power_uw
        self.site_tenants.setdefault(held.site, Counter())[tenant] += sign * held.devices


def dominant_milli(nodes: Nodes, site: str, placement: Sequence[DeviceSet], facts: RunFacts) -> int:
    """Dominant resource (Ghodsi et al., NSDI 2011), in devices of the nodes it is on [thousandths]."""
    total, fleet = 0, nodes.fleet
    for part in placement:
        own = len(part.devices) * facts.device_milli
        number = nodes.number.get((site, part.node)) if facts.cpu_milli or facts.memory_bytes else None
        if number is not None:
            devices_milli = int(fleet.devices[number]) * WHOLE_MILLI
            cpu_milli = max(int(fleet.cpu_milli_total[number]), 1)
            memory_bytes = max(int(fleet.memory_bytes_total[number]), 1)
            own = max(
                own,
                facts.cpu_milli * devices_milli // cpu_milli,
                facts.memory_bytes * devices_milli // memory_bytes,
            )
        total += own
    return total
