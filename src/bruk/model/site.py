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
class PowerLimit:
    """The most power that a site may draw in some time, cooling and losses included.

    Attributes:
        from_ms, until_ms: when it holds, the end not included [ms]; None: for good.
    """

    watts: int
    from_ms: int = 0
    until_ms: int | None = None


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
        network: destinations that jobs may declare there (``model.egress``), as its agent reports them.
        isolation_acceptance: the words in which the operator accepted that tenants share this site
            without isolation between their runs; empty: not accepted.
        power_limits: what it may draw and when; the least that holds counts.
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
    network: tuple[str, ...] = ()
    isolation_acceptance: str = ""
    created_at_ms: int = 0
    power_limits: tuple[PowerLimit, ...] = ()

    def power_limit_w(self, at_ms: int) -> int | None:
        """The least of the limits that hold at an instant [W]; None: there is none."""
        return self.least_power_limit_w(at_ms, at_ms)

    def least_power_limit_w(self, from_ms: int, until_ms: int) -> int | None:
        """The least limit that holds at any instant from one to another [W]; None: there is none."""
        return min(
            (
                limit.watts
                for limit in self.power_limits
                if limit.from_ms <= until_ms and (limit.until_ms is None or from_ms < limit.until_ms)
            ),
            default=None,
        )

    @property
    def isolation_accepted(self) -> bool:
        """Whether tenants may share the site although nothing keeps their runs apart."""
        return bool(self.isolation_acceptance)


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
