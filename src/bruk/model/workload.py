"""What is wanted: jobs that run to completion, endpoints that keep replicas serving."""

from dataclasses import dataclass, field
from enum import StrEnum


class Purpose(StrEnum):
    """What a job is for; only reports and defaults look at it."""

    TRAIN = "train"
    FINE_TUNE = "fine_tune"
    EVALUATE = "evaluate"
    BATCH = "batch"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Resources:
    """What one replica, or one job as a gang, needs.

    Attributes:
        nodes: members of the gang; all start together or none does.
        devices: devices on each node.
        accelerators: model names that will do; empty means any.
        cpu_milli: cores beside the devices, per node [thousandths]; 0 means the slot's own.
        memory_bytes: memory beside the devices, per node [bytes]; 0 means the slot's own.
        device_milli: of each device [thousandths]; less than 1000 shares one device with others.
    """

    nodes: int = 1
    devices: int = 1
    accelerators: tuple[str, ...] = ()
    cpu_milli: int = 0
    memory_bytes: int = 0
    device_milli: int = 1000

    @property
    def devices_total(self) -> int:
        return self.nodes * self.devices


@dataclass(frozen=True, slots=True)
class Software:
    """With what a run's command is started: pinned, and recorded with the run.

    Attributes:
        kind: ``site`` (the site's own environment), ``venv`` (a virtual environment by path at
            the site), ``container`` or ``apptainer`` (an image reference).
        reference: the path or the image; empty for ``site``.
    """

    kind: str = "site"
    reference: str = ""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job as its tenant wrote it.

    Exactly one of ``command`` and ``recipe`` is given.

    Attributes:
        command: argument list; never passed through a shell.
        recipe: name of a bundled recipe: ``pretrain``, ``finetune``, ``evaluate`` or ``serve``.
        config: the recipe's configuration.
        secrets: names of the project's secrets that it finds in its environment.
        inputs: name to artifact id; found under ``BRUK_DATA_DIR/name``.
        outputs: names under ``BRUK_OUTPUT_DIR`` kept as artifacts when the run succeeds.
        network: destinations beyond its own loopback that it may reach, each ``host:port`` as
            ``egress.parse`` reads it; a site starts it only if its operator allows them all.
        model: register the output of this name as a model under this id.
        evaluates: the model id that an evaluation job is about.
        sites: sites that the tenant asks for; empty means any that its law allows.
        time_limit_s: the run is stopped after this [s].
        retry_limit: attempts beyond the first after a failure of the run's own.
        grace_s: between SIGTERM and SIGKILL [s].
        disk_bytes: most that the run may write [bytes].
        preemptible: may be stopped for work of higher priority.
        deadline_at_ms: deferrable work must end by then [ms]; None: not deferrable.
    """

    purpose: Purpose = Purpose.OTHER
    command: tuple[str, ...] = ()
    recipe: str = ""
    config: dict[str, object] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    software: Software = field(default_factory=Software)
    resources: Resources = field(default_factory=Resources)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    model: str = ""
    evaluates: str = ""
    sites: tuple[str, ...] = ()
    time_limit_s: int = 3600
    retry_limit: int = 1
    grace_s: int = 30
    disk_bytes: int = 10 * 2**30
    preemptible: bool = True
    deadline_at_ms: int | None = None
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """An endpoint: replicas of one model behind one name at the gateway.

    Attributes:
        model: the model id.
        serving_engine: ``auto`` takes vLLM where it is installed, else ``transformers``; ``attached`` is a
            server that already runs, which Bruk neither starts nor stops.
        replicas: how many to keep; 0 for one that is attached.
        tenants: tenants that may call it besides the owner's; ``*`` means every tenant.
        context_tokens: longest prompt plus answer [tokens]; the upper bound that admission
            reserves for.
        url, served_name, key_secret: of an attached server: its address, its own name of the model, and
            the secret of the project that holds its key (empty: it asks for none). Its one site is where
            its operator says that it is.
    """

    model: str
    serving_engine: str = "auto"
    resources: Resources = field(default_factory=Resources)
    replicas: int = 1
    tenants: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    context_tokens: int = 1024
    grace_s: int = 10
    url: str = ""
    served_name: str = ""
    key_secret: str = ""

    @property
    def attached(self) -> bool:
        """Whether it is a server that already runs."""
        return self.serving_engine == "attached"


class WorkloadKind(StrEnum):
    """The two kinds of workload."""

    JOB = "job"
    ENDPOINT = "endpoint"


class Wanted(StrEnum):
    """What the user wants of a workload. Only commands of the user move it."""

    RUN = "run"
    STOP = "stop"


class Outcome(StrEnum):
    """How a workload ended. ``control.reconcile`` moves it, once, away from OPEN."""

    OPEN = "open"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Workload:
    """A job or an endpoint, with what the user wants and how it ended.

    Attributes:
        id: ``job_…`` or ``ep_…``.
        name: chosen by the tenant; an endpoint's is unique on the platform.
        priority: 0 (lowest) to 100.
        not_before_ms: the back-off after a failed attempt ends then [ms].
        failures: attempts that failed of their own.
        outcome_detail: one sentence on why it ended so.
    """

    id: str
    name: str
    project: str
    kind: WorkloadKind
    spec: JobSpec | EndpointSpec
    created_at_ms: int
    created_by: str
    priority: int = 50
    wanted: Wanted = Wanted.RUN
    outcome: Outcome = Outcome.OPEN
    outcome_detail: str = ""
    ended_at_ms: int | None = None
    not_before_ms: int = 0
    failures: int = 0

    @property
    def tenant(self) -> str:
        return self.project.split("/", 1)[0]

    @property
    def job(self) -> JobSpec:
        """The specification of a job; asserts that it is one."""
        assert isinstance(self.spec, JobSpec), f"{self.id} is not a job"
        return self.spec

    @property
    def endpoint(self) -> EndpointSpec:
        """The specification of an endpoint; asserts that it is one."""
        assert isinstance(self.spec, EndpointSpec), f"{self.id} is not an endpoint"
        return self.spec

    @property
    def resources(self) -> Resources:
        return self.spec.resources
