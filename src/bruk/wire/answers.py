"""Answers of the API that put several things together, as dataclasses.

The nouns themselves are those of ``model``. Fields that a newer control adds are left out; one that
is missing is an error, never a silent nothing.
"""

from dataclasses import dataclass, field
from typing import Any

from bruk.model.inspection import Inspection, InspectionState
from bruk.model.plan import Candidate
from bruk.model.reason import Reason, ReasonCode
from bruk.model.run import DeviceSet, Run
from bruk.model.site import Site
from bruk.model.switch import Acknowledgement, Hold
from bruk.model.tenant import RateLimits, User
from bruk.model.workload import Workload


@dataclass(frozen=True, slots=True)
class SwitchState:
    """The switch as it stands.

    Attributes:
        local_holds: raised by hand at the sites themselves.
    """

    generation: int
    holds: tuple[Hold, ...]
    local_holds: tuple[Hold, ...]
    acknowledgements: tuple[Acknowledgement, ...]


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """An operator's request to look at a project's content, as it stands.

    Attributes:
        by: name of the operator who asked.
    """

    inspection: Inspection
    state: InspectionState
    by: str


@dataclass(frozen=True, slots=True)
class HeldCredential:
    """A login link, a session or a token of a person, without its secret.

    Attributes:
        kind: ``login``, ``session`` or ``token``.
        source: what it was made by, in words.
        last_used_at_ms: to within a minute or so [ms].
        used_here: it is what the caller asks with.
    """

    id: str
    kind: str
    source: str
    created_at_ms: int
    expires_at_ms: int
    last_used_at_ms: int | None = None
    used_here: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    """What lets a person in now."""

    user: User
    held: tuple[HeldCredential, ...]


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """A project's API key as people see it: neither its secret nor what is kept in the secret's place.

    Attributes:
        prefix: the first characters of the secret, so that people can tell keys apart.
        old_until_ms: when the secret before the last rotation ends; None: there is none [ms].
        last_used_at_ms: to within a minute or so [ms].
        limits: on calls of models with it.
    """

    id: str
    project: str
    name: str
    prefix: str
    created_at_ms: int
    expires_at_ms: int | None = None
    disabled: bool = False
    old_until_ms: int | None = None
    last_used_at_ms: int | None = None
    limits: RateLimits = field(default_factory=RateLimits)


@dataclass(frozen=True, slots=True)
class NodeKind:
    """How many nodes of one kind a site has: what a job can ask for there, and no node's name or state.

    Attributes:
        nodes: how many there are, whatever their health.
        devices, cpu_milli, memory_bytes: of each.
    """

    accelerator: str
    nodes: int
    devices: int
    cpu_milli: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class SigningKeyStatus:
    """A key that signs records, or signed them.

    Attributes:
        until_ms: when the next followed it; None: it signs now [ms].
        revoked_from_ms: from when on what it signed is not believed, if it was compromised [ms].
    """

    number: int
    key_id: str
    public_key: str
    from_ms: int
    until_ms: int | None = None
    revoked_from_ms: int | None = None


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """A gateway as control knows it."""

    name: str
    site: str
    created_at_ms: int
    last_sync_at_ms: int | None = None
    lease_until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """A site at a glance.

    Attributes:
        connected: its agent has spoken to control within the site's lease.
        devices_used, runs: by runs that the caller may see; of operators and auditors, all.
        local_hold: standing at the site itself, as its agent reports it.
        clock_ahead_ms: of its agent, before control's; negative if it is behind, 0 if it hardly differs.
    """

    site: Site
    connected: bool
    nodes: int
    devices: int
    devices_used: int
    runs: int
    last_sync_at_ms: int | None = None
    local_hold: dict[str, Any] | None = None
    clock_ahead_ms: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """The platform at a glance.

    Attributes:
        now_ms: by control's clock, when it answered; 0 from an older control [ms].
    """

    version: str
    sites: tuple[SiteStatus, ...]
    switch: SwitchState
    gateway_url: str = ""
    gateways: tuple[dict[str, Any], ...] = ()
    now_ms: int = 0
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """Everything about one workload: what is wanted, what is observed, what it waits for.

    Attributes:
        runs: oldest first.
        progress: newest line of its newest run's progress file.
    """

    workload: Workload
    runs: tuple[Run, ...] = ()
    waiting_for: Reason | None = None
    progress: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a run was placed, what was filtered out for it and which places were best."""

    run: str
    site: str
    accelerator: str
    devices: tuple[DeviceSet, ...]
    filtered: dict[ReasonCode, int] = field(default_factory=dict)
    leading: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Why:
    """Why a workload waits, and why its runs were placed where they are."""

    workload: Workload
    waiting_for: Reason | None
    placements: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class SiteEstimate:
    """Upper bounds of what a job may use at one site, if it ran for its whole time limit.

    Attributes:
        amount_microeur: at today's price [EUR * 1e-6].
        energy_j: facility energy at full load, estimated [J].
        carbon_mg: with the grid zone's mean day [mg CO2e].
    """

    site: str
    accelerator: str
    device_ms: int
    amount_microeur: int
    energy_j: int
    carbon_mg: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Upper bounds over the sites where a job may run; no sites when its law allows none.

    Attributes:
        attempts_max: how often it is begun at most where it fails of its own; each costs as much again.
        waiting_for: what it would wait for if it was submitted now and nothing else waited.
    """

    amount_microeur_max: int
    device_ms_max: int
    sites: tuple[SiteEstimate, ...]
    attempts_max: int = 1
    waiting_for: Reason | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget and what is used of it [EUR * 1e-6].

    Attributes:
        committed_microeur: set aside for running work and for gateways.
        left_microeur: what a project may still spend; None: not limited, or a tenant's.
    """

    budget_microeur: int | None
    spent_microeur: int
    committed_microeur: int
    left_microeur: int | None = None


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A receipt in the list of them.

    Attributes:
        complete: everyone who must carry the switch out has answered, and it is signed for good.
    """

    id: str
    action: str
    generation: int
    created_at_ms: int
    complete: bool


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """An invoice in the list of them [EUR * 1e-6]."""

    number: str
    tenant: str
    from_ms: int
    to_ms: int
    issued_at_ms: int
    total_microeur: int


@dataclass(frozen=True, slots=True)
class IssuedInvoice:
    """An invoice that was just issued.

    Attributes:
        document: the sealed document.
    """

    number: str
    tenant: str
    from_ms: int
    to_ms: int
    issued_at_ms: int
    document: dict[str, Any]
