"""Where work runs: sites, pools of identical nodes, and their health."""

from dataclasses import dataclass
from enum import StrEnum


class EngineKind(StrEnum):
    """What runs the work at a site."""

    LOCAL = "local"
    RAY = "ray"
    SLURM = "slurm"
    SIMULATED = "simulated"


class CutOffPolicy(StrEnum):
    """What a site does with running work when it has lost control and its lease has ended."""

    CONTINUE = "continue"
    STOP = "stop"


class Isolation(StrEnum):
    """What keeps one project's runs from another's at a site, as its engine reports it."""

    NONE = "none"
    USER = "user"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class Site:
    """A place under one jurisdiction with one engine.

    Attributes:
        name: unique; part of addresses.
        country: ISO 3166-1 alpha-2 code of the law that holds there; set by the operator alone.
        grid_zone: electricity bidding zone, for carbon and price.
        operator: the organisation that runs the place.
        pue_milli: power usage effectiveness times 1000 (ISO/IEC 30134-2).
        pue_source: where that figure comes from; ``assumed`` if nobody measured it.
        cut_off: what running work does when control is away past the lease.
        lease_ms: how long the agent may act on what it last heard [ms].
        isolation_accepted: the operator accepted in writing that tenants share this site without
            isolation between their runs.
    """

    name: str
    display_name: str
    country: str
    grid_zone: str
    operator: str
    engine: EngineKind = EngineKind.LOCAL
    pue_milli: int = 1500
    pue_source: str = "assumed"
    cut_off: CutOffPolicy = CutOffPolicy.CONTINUE
    lease_ms: int = 60_000
    isolation: Isolation = Isolation.NONE
    isolation_accepted: bool = False
    created_at_ms: int = 0


class NodeHealth(StrEnum):
    """What the engine reports of a node."""

    OK = "ok"
    UNHEALTHY = "unhealthy"
    LOST = "lost"  # the agent has not answered within the site's lease


@dataclass(frozen=True, slots=True)
class Node:
    """One machine, or one slice of one, with identical devices.

    Attributes:
        name: unique within its site.
        pool: the pool of identical nodes that it belongs to.
        accelerator: model name in the accelerator table, such as ``h100-sxm`` or ``cpu-slot``.
        devices: how many devices it has; their indices are ``0 … devices-1``.
        domain: rack or fast-link domain.
        drained: the operator wants no new work there.
    """

    site: str
    name: str
    pool: str
    accelerator: str
    devices: int
    cpu_milli: int
    memory_bytes: int
    domain: str = ""
    health: NodeHealth = NodeHealth.OK
    drained: bool = False
