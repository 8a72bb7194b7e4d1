"""One attempt of a job, or one replica of an endpoint, placed on devices of one site."""

from dataclasses import dataclass
from enum import StrEnum


class RunWanted(StrEnum):
    """What control wants of a run. ``control.apply`` and ``control.switch`` move it, once."""

    START = "start"
    STOP = "stop"


class StopReason(StrEnum):
    """Why control wants a run to stop."""

    CANCELLED = "cancelled"  # the user cancelled the workload
    HELD = "held"  # a hold stands over it
    PREEMPTED = "preempted"  # the plan evicted it
    RESIDENCY = "residency"  # its project's law was narrowed and no longer allows this site
    BUDGET = "budget"  # its project's budget or grant is used up
    TIME_LIMIT = "time_limit"
    SCALED = "scaled"  # the endpoint wants fewer replicas, or is being replaced
    POWER = "power"  # its site must draw less power
    DRAINED = "drained"  # its node is being emptied


class Observed(StrEnum):
    """What the engine sees of a run. Only observations of the site's agent move it."""

    ASSIGNED = "assigned"  # placed; the agent has not answered yet
    STARTING = "starting"  # the agent stages inputs or the engine launches
    RUNNING = "running"  # its process lives
    STOPPING = "stopping"  # SIGTERM was sent; the grace is running
    EXITED = "exited"  # ended, with an exit status, nothing of it left
    LOST = "lost"  # the engine no longer knows it and cannot say how it ended


@dataclass(frozen=True, slots=True)
class DeviceSet:
    """Devices of one node: sorted indices."""

    node: str
    devices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """An attempt or a replica.

    Attributes:
        attempt: 1, 2, … within its workload.
        generation: raised with every change of what is wanted; a late message changes nothing.
        exit_code: status as the shell would show it (128 + signal); None until exited.
        address: ``http://127.0.0.1:port`` of a replica, as reported by its agent.
        ready: a replica answered its health check.
        resumed_from_step: as the run itself reported on its progress file.
        software: what the agent found and recorded (versions, interpreter), when it started.
        metered_until_ms: usage up to here stands in the ledger [ms].
        interrupted: it ended because it was told to, not of its own.
        stop_detail: why it is to stop, in a sentence.
        stopped_for: the tenant whose work takes its place; empty for nobody's.
    """

    id: str
    workload: str
    project: str
    site: str
    attempt: int
    placement: tuple[DeviceSet, ...]
    accelerator: str
    created_at_ms: int
    generation: int = 1
    wanted: RunWanted = RunWanted.START
    stop_reason: StopReason | None = None
    stop_requested_at_ms: int | None = None
    observed: Observed = Observed.ASSIGNED
    exit_code: int | None = None
    detail: str = ""
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    address: str = ""
    ready: bool = False
    resumed_from_step: int | None = None
    software: str = ""
    metered_until_ms: int | None = None
    stop_detail: str = ""
    stopped_for: str = ""

    @property
    def tenant(self) -> str:
        return self.project.split("/", 1)[0]

    @property
    def devices_total(self) -> int:
        return sum(len(part.devices) for part in self.placement)

    @property
    def ended(self) -> bool:
        """Nothing of it is left at the site, as far as anyone knows."""
        return self.observed in (Observed.EXITED, Observed.LOST)

    @property
    def interrupted(self) -> bool:
        """It was told to stop, so its end says nothing about the job itself."""
        return self.wanted is RunWanted.STOP and self.stop_reason is not StopReason.TIME_LIMIT

    @property
    def gave_way(self) -> bool:
        """Its operator took its place away: for power, a hold, its node, or work of another tenant."""
        if self.stop_reason is StopReason.PREEMPTED:
            return self.stopped_for not in ("", self.tenant)
        return self.stop_reason in (StopReason.HELD, StopReason.POWER, StopReason.DRAINED)
