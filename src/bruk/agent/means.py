"""What the courses of a site's runs work with, and the times and limits they keep.

Made once by ``agent`` (or by a simulation) and shared; it decides nothing.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from bruk.agent.meter import Meter
from bruk.agent.record import Records
from bruk.agent.replica import HealthProbe
from bruk.agent.stage import Stager
from bruk.agent.sync import Transport
from bruk.agent.tail import Shipper
from bruk.engines.base import Engine, NodeInventory
from bruk.model.egress import Destination


@dataclass(frozen=True, slots=True)
class Settings:
    """Times and limits of an agent.

    Attributes:
        keep_ms: how long a settled run's folder stays [ms].
        meter_ms: longest stretch of one meter record while a run goes on [ms].
        health_ms: between two health checks of a replica [ms].
        ready_within_ms: a replica that is not ready for so long is stopped [ms].
        reserve_bytes: nothing is launched with less room on the disk [bytes].
        stage_attempts_max: then the run ends with status 125.
        retry_ms, retry_ms_max: first and longest pause before trying again [ms].
        idle_wait_ms, busy_wait_ms: of the long poll, without and with runs [ms].
    """

    keep_ms: int = 3_600_000
    meter_ms: int = 5_000
    inventory_ms: int = 10_000
    health_ms: int = 1_000
    ready_within_ms: int = 120_000
    reserve_bytes: int = 256 * 2**20
    stage_attempts_max: int = 8
    hand_over_attempts_max: int = 5
    retry_ms: int = 500
    retry_ms_max: int = 15_000
    idle_wait_ms: int = 10_000
    busy_wait_ms: int = 2_000

    def pause_ms(self, attempts: int) -> int:
        """Capped exponential pause after so many failures in a row [ms]."""
        return min(self.retry_ms_max, self.retry_ms << min(attempts, 20))


@dataclass(slots=True)
class Means:
    """What a course works with; one for all courses of a site.

    Attributes:
        nodes: the newest inventory, by name.
        software: folders in which jobs may name virtual environments.
        egress: destinations that jobs may declare.
        taken_ports: promised to runs so far.
        needed_blobs: digests that staged or waiting runs need.
    """

    site: str
    python: str
    engine: Engine
    transport: Transport
    records: Records
    stager: Stager
    shipper: Shipper
    meter: Meter
    background: Executor
    probe: HealthProbe
    settings: Settings
    nodes: dict[str, NodeInventory] = field(default_factory=dict)
    software: tuple[Path, ...] = ()
    egress: tuple[Destination, ...] = ()
    taken_ports: Callable[[], set[int]] = set
    needed_blobs: Callable[[], set[str]] = set

    @property
    def of_launches(
        self,
    ) -> tuple[str, str, dict[str, NodeInventory], tuple[Path, ...], tuple[Destination, ...]]:
        """What of the site goes into every launch (see ``environment.launch_of``)."""
        return self.site, self.python, self.nodes, self.software, self.egress
