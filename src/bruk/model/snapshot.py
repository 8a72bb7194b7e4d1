"""Everything the scheduler may know, as one frozen value: same snapshot, same plan."""

from dataclasses import dataclass, field

from bruk.model.run import Run
from bruk.model.site import Node, Site
from bruk.model.switch import Hold
from bruk.model.tenant import Project, Residency, Tenant
from bruk.model.workload import Resources, WorkloadKind


@dataclass(frozen=True, slots=True)
class SiteState:
    """A site with its nodes, and whether its agent answers.

    Attributes:
        connected: the agent has synced within the site's lease.
        carbon_mg_per_kwh: forecast of the intensity of its electricity, an hour each [mgCO2e/kWh]; empty:
            unknown.
        carbon_from_ms: when the first of these hours begins, at or before now [ms].
    """

    site: Site
    nodes: tuple[Node, ...]
    connected: bool
    carbon_mg_per_kwh: tuple[int, ...] = ()
    carbon_from_ms: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """What a project has used and may still use.

    Attributes:
        residency: the tenant's narrowed by the project's.
        use_device_ms: decayed use of devices of the *tenant*, for fair share [device-ms].
        project_use_device_ms: the project's own part of it.
        budget_left_microeur: the smaller of the tenant's and the project's rest, with
            reservations taken off; None means not limited.
        grant_left_device_ms: None means not limited.
    """

    project: Project
    tenant: Tenant
    residency: Residency
    use_device_ms: int = 0
    project_use_device_ms: int = 0
    budget_left_microeur: int | None = None
    grant_left_device_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """One placement that is asked for: an attempt of a job, or one replica of an endpoint.

    Attributes:
        id: unique in the snapshot: the workload's id, with ``#k`` for replicas.
        model: the model it serves or is about, for holds on models.
        time_limit_ms: longest it may run, which admission multiplies by the price [ms]; for a
            replica, the span that must be affordable before it is started.
        network: destinations that its run declares.
        inputs_missing: names of inputs that do not exist yet.
        deadline_at_ms: until then it may be deferred to greener hours [ms]; None: it may not.
    """

    id: str
    workload: str
    kind: WorkloadKind
    project: str
    priority: int
    created_at_ms: int
    resources: Resources
    sites: tuple[str, ...] = ()
    model: str = ""
    time_limit_ms: int = 0
    not_before_ms: int = 0
    preemptible: bool = True
    inputs_missing: tuple[str, ...] = ()
    preferred_site: str = ""
    network: tuple[str, ...] = ()
    deadline_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the scheduler must know of an unfinished run beyond the run itself.

    Attributes:
        preemptible: may be stopped for work of higher priority.
        model: the model it serves or is about, for holds on models.
        cpu_milli: cores that it holds on each of its nodes [thousandths]; 0: its devices' share.
        memory_bytes: memory that it holds on each of its nodes [bytes]; 0: its devices' share.
        ends_by_ms: latest instant at which its time limit ends it [ms]; None: no end is known, as
            of a replica.
        device_milli: of each of its devices [thousandths].
        kept_until_ms: what it did up to here is kept by a checkpoint [ms]; None: nothing is.
        restart_ms: what starting it again takes, until it works on [ms].
        flexibility_percent: how much of its power may be taken from it: 0, 10, 25 or 50 [%].
        power_cap_percent: how much is taken now [%].
    """

    priority: int = 50
    preemptible: bool = True
    model: str = ""
    cpu_milli: int = 0
    memory_bytes: int = 0
    ends_by_ms: int | None = None
    device_milli: int = 1000
    kept_until_ms: int | None = None
    restart_ms: int = 0
    flexibility_percent: int = 0
    power_cap_percent: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The scheduler's whole world at one instant.

    Attributes:
        now_ms: the instant [ms].
        runs: unfinished runs, which hold their devices.
        prices_microeur: accelerator name to price of a device-hour, fallback ``*``; a name that
            is missing has no price.
        run_facts: by id of the run; a run without an entry is never preempted.
        order: name of the order in which pending items are tried.
        placement: name of the rule that chooses among the nodes that would do.
        device_power_w: what a device of each accelerator draws at full load with its part of the server
            [W]; one that is missing is taken to draw nothing.
        backfill: whether and how what is behind may overtake what waits for room.
    """

    now_ms: int
    sites: tuple[SiteState, ...] = ()
    accounts: tuple[Account, ...] = ()
    pending: tuple[Pending, ...] = ()
    runs: tuple[Run, ...] = ()
    holds: tuple[Hold, ...] = ()
    prices_microeur: dict[str, int] = field(default_factory=dict)
    run_facts: dict[str, RunFacts] = field(default_factory=dict)
    order: str = "fair"
    placement: str = "bruk"
    backfill: str = "easy"
    device_power_w: dict[str, int] = field(default_factory=dict)
