"""What was used, at which price, and who did what: the two records that never change."""

from dataclasses import dataclass
from enum import StrEnum


class Resource(StrEnum):
    """What is counted and priced. The unit of its quantity stands in ``UNITS``."""

    DEVICE_TIME = "device_time"
    TOKENS_IN = "tokens_in"
    TOKENS_OUT = "tokens_out"
    CREDIT = "credit"  # a correction; the amount alone counts


UNITS: dict[Resource, str] = {
    Resource.DEVICE_TIME: "device_ms",
    Resource.TOKENS_IN: "token",
    Resource.TOKENS_OUT: "token",
    Resource.CREDIT: "",
}

# How much of the unit one price is for: an hour of a device, a million tokens.
PRICED_QUANTITY: dict[Resource, int] = {
    Resource.DEVICE_TIME: 3_600_000,
    Resource.TOKENS_IN: 1_000_000,
    Resource.TOKENS_OUT: 1_000_000,
    Resource.CREDIT: 1,
}


class Quality(StrEnum):
    """How an energy figure came to be."""

    MEASURED = "measured"  # a meter that belongs to this run alone
    SHARED = "shared"  # a meter of several runs, split by a stated rule
    ESTIMATED = "estimated"  # no meter answered


@dataclass(frozen=True, slots=True)
class Price:
    """A price with its effective date; never changed, only followed by a newer version.

    Attributes:
        item: accelerator name for device time, model id for tokens; ``*`` is the fallback.
        price_microeur: for one device-hour or one million tokens [EUR * 1e-6].
        version: 1, 2, … within (resource, item).
    """

    resource: Resource
    item: str
    version: int
    price_microeur: int
    effective_from_ms: int
    created_by: str = ""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """How much of what, for whom, where, when, at which price. Never changed.

    Attributes:
        seq: position in the chain, from 1.
        key: idempotency key; the same usage arrives twice and counts once.
        from_ms, to_ms: when it was used [ms].
        quantity: in the unit of its resource.
        energy_j: facility energy, IT times PUE [J]; 0 for tokens, whose energy is their
            replica's device time.
        it_energy_j: energy of the devices and their share of the node [J].
        carbon_mg: location-based [mg CO2e].
        prev, hash: the chain (see ``seal``).
    """

    seq: int
    key: str
    at_ms: int
    from_ms: int
    to_ms: int
    tenant: str
    project: str
    site: str
    resource: Resource
    item: str
    quantity: int
    price_microeur: int
    price_version: int
    amount_microeur: int
    workload: str = ""
    run: str = ""
    request: str = ""
    gateway: str = ""
    it_energy_j: int = 0
    energy_j: int = 0
    carbon_mg: int = 0
    quality: Quality | None = None
    note: str = ""
    prev: str = ""
    hash: str = ""

    @classmethod
    def credit(
        cls, key: str, at_ms: int, project: str, amount_microeur: int, *, note: str, workload: str = ""
    ) -> "LedgerEntry":
        """A correction of the past in the project's favour; the chain gives it its number.

        Args:
            key: tells it from all other credits.
            amount_microeur: what is given back [EUR * 1e-6].
        """
        return cls(
            seq=0,
            key=f"credit/{key}",
            at_ms=at_ms,
            from_ms=at_ms,
            to_ms=at_ms,
            tenant=project.split("/")[0],
            project=project,
            site="",
            resource=Resource.CREDIT,
            item="",
            quantity=0,
            price_microeur=0,
            price_version=0,
            amount_microeur=-amount_microeur,
            workload=workload,
            note=note,
        )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to what. Hash-chained; personal data stays outside, behind ``actor_id``.

    Attributes:
        action: dotted verb, such as ``switch.off`` or ``key.create``.
        target: identifier of what it was done to.
        outcome: ``done`` or the error code of the refusal.
        detail: JSON-serialisable, without secrets.
    """

    seq: int
    at_ms: int
    actor_kind: str
    actor_id: str
    action: str
    target: str
    outcome: str
    detail: dict[str, object]
    prev: str = ""
    hash: str = ""
