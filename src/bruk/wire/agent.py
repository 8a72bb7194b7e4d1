"""The agent's one exchange with control, and the shapes in it.

Level-triggered and idempotent: each message says everything that holds now, so a lost, late or
repeated one does no harm. Usage alone is a stream; it carries its journal's identity and sequence
numbers, and control answers up to where it has it.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bruk.model.artifact import ArtifactKind
from bruk.model.run import DeviceSet, Observed, RunWanted, StopReason
from bruk.model.site import CutOffPolicy, Isolation, NodeHealth
from bruk.model.switch import Acknowledgement, Hold
from bruk.wire.fields import Destination, Identifier, Label, NodeName

Count = Annotated[int, Field(ge=0, le=2**62)]
SCOPES_MAX = 200
Scopes = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=SCOPES_MAX)]
# What one node, one site and one run can have at most, as requests for them are bounded; the scheduler counts
# devices one by one.
NODE_DEVICES_MAX = 1024
NODE_CPU_MILLI_MAX = 10**7
NODE_MEMORY_BYTES_MAX = 2**50
NODES_MAX = 100_000
OUTPUTS_MAX = 200


class Shape(BaseModel):
    """Base of every shape: unknown fields are refused, values are not coerced from other types."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeReport(Shape):
    """One node as the engine sees it. The country is never the agent's to say."""

    name: NodeName
    pool: Label
    accelerator: Label
    devices: Annotated[int, Field(ge=0, le=NODE_DEVICES_MAX)]
    cpu_milli: Annotated[int, Field(ge=0, le=NODE_CPU_MILLI_MAX)]
    memory_bytes: Annotated[int, Field(ge=0, le=NODE_MEMORY_BYTES_MAX)]
    domain: Label = ""
    health: NodeHealth = NodeHealth.OK


class OutputReport(Shape):
    """An output whose bytes control already has: the agent uploads before it reports."""

    name: Label
    kind: ArtifactKind
    digest: Label
    size_bytes: Count


class Observation(Shape):
    """What the engine sees of one run, cumulative.

    Attributes:
        progress: the newest line of the run's progress file.
        outputs: those of the run's order; an output that is missing is absent here and named in
            ``detail``, and then a job with exit status 0 has failed all the same.
        interrupted: the agent itself ended it (a hold, the site's own key, the end of the lease,
            or before it started), so that its end says nothing about the job.
    """

    run: Label
    generation: int
    observed: Observed
    exit_code: int | None = None
    detail: str = ""
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    address: str = ""
    ready: bool = False
    resumed_from_step: int | None = None
    software: str = ""
    progress: dict[str, float | int | str | None] | None = None
    processes: Count = 0
    outputs: list[OutputReport] = Field(default_factory=list, max_length=OUTPUTS_MAX)
    interrupted: bool = False


class MeterRecord(Shape):
    """Use of devices by one run over ``[from_ms, to_ms)``.

    Attributes:
        seq: in the agent's journal.
        device_ms: devices times time [ms].
        it_energy_j: as a meter said; None where no meter answers and control estimates.
        quality: of ``it_energy_j``: measured or shared; ignored when that is None.
    """

    seq: Count
    run: str
    generation: int
    from_ms: Count
    to_ms: Count
    device_ms: Count
    it_energy_j: Count | None = None
    quality: str = "estimated"
    method: str = ""


class SyncRequest(Shape):
    """Everything the agent knows.

    Attributes:
        asked: of this request alone; its answer bears it too, so that an earlier one's is known as late.
        journal: persistent identity of the agent's journal, for deduplication of meters.
        known_version: version of the last answer it acted on; control answers at once when
            something newer holds, else when something changes or ``wait_ms`` has passed.
        network: destinations that the site's operator lets jobs declare.
        meters_after: ``meters`` follow on this number of the journal without a gap. A control that has
            less (it was restored from a backup) takes none and says up to where it has them.
        scopes: workloads whose checkpoints the agent keeps and of which it knows no run.
    """

    asked: Identifier = "-"
    site: Label
    agent_version: Label
    boot_id: Label
    journal: Label
    now_ms: Count
    known_version: Count = 0
    wait_ms: Count = 0
    nodes: list[NodeReport] = Field(max_length=NODES_MAX)
    isolation: Isolation = Isolation.NONE
    network: list[Destination] = Field(default_factory=list, max_length=1000)
    observations: list[Observation] = Field(default_factory=list)
    meters: list[MeterRecord] = Field(default_factory=list, max_length=5000)
    meters_after: Count = 0
    acknowledgement: Acknowledgement
    local_hold: Hold | None = None
    scopes: Scopes = Field(default_factory=list)


class InputOrder(Shape):
    """An input to stage before launch: fetch ``/api/v1/agent/blobs/{digest}``."""

    name: str
    digest: str
    kind: str
    size_bytes: Count


class RunOrder(Shape):
    """A run wanted at the site, whole: the agent needs nothing else to start or stop it.

    Attributes:
        scope: identity under which checkpoints persist across attempts (the workload's id).
        outputs: names under the output folder to hand over when it ends with status 0.
        network: destinations that it may reach beyond its own loopback, if the site's operator allows them.
        model: the model it serves or evaluates, for holds on that model; empty if none.
        replica: it serves: give it a port and a key, and watch its ``/health``.
        replica_key: bearer token that the replica must demand.
        time_limit_s: None for replicas.
        started: control has seen it alive. An agent that does not know it has lost it and says so; it
            never starts it a second time.
    """

    run: str
    workload: str
    scope: str
    project: str
    generation: int
    wanted: RunWanted
    stop_reason: StopReason | None = None
    placement: list[DeviceSet]
    command: list[str] = Field(default_factory=list)
    recipe: str = ""
    config: dict[str, object] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)
    software_kind: str = "site"
    software_reference: str = ""
    inputs: list[InputOrder] = Field(default_factory=list)
    outputs: list[str] = Field(default_factory=list)
    network: list[str] = Field(default_factory=list)
    attempt: int = 1
    time_limit_s: int | None = None
    grace_s: int = 30
    disk_bytes: Count = 0
    model: str = ""
    replica: bool = False
    replica_key: str = ""
    metered_until_ms: int | None = None
    started: bool = False


class SyncResponse(Shape):
    """Everything control wants of the site.

    Attributes:
        asked: of the request that this answers; an answer to any other is late.
        version: of what is wanted here; give it back as ``known_version``.
        runs: every run that is wanted started or stopped and not yet settled. A run the agent
            knows and that is not listed is settled: its folders may go after ``keep_ms``.
        holds: those that cover this site.
        acknowledged_seq: meters up to here are in the ledger.
        lease_ms: how long the agent may act on this answer [ms].
        scopes_done: those of the request's ``scopes`` that will never run again, or that control
            does not know: their checkpoints may go.
    """

    asked: Identifier
    version: Count
    generation: Count
    holds: list[Hold]
    runs: list[RunOrder]
    acknowledged_seq: Count
    lease_ms: Count
    cut_off: CutOffPolicy
    now_ms: Count
    scopes_done: Scopes = Field(default_factory=list)
