"""The engine protocol: small and required. Optional capabilities are separate protocols.

Handles are plain text that survives the agent: a restarted agent passes them to ``recover`` and
adopts what still runs; an engine never starts the same run and generation twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from bruk.model.errors import BrukError, ErrorKind
from bruk.model.run import DeviceSet, Observed
from bruk.model.site import Isolation, NodeHealth


class EngineError(BrukError):
    """The engine could not do what was asked."""

    code = "engine_error"
    kind = ErrorKind.UNAVAILABLE


class LaunchFailed(EngineError):
    """The run could not be started; nothing of it is left."""

    code = "launch_failed"


class UnknownHandle(EngineError):
    """The engine does not know this handle."""

    code = "unknown_handle"
    kind = ErrorKind.NOT_FOUND


class StillRunning(EngineError):
    """The records of a run that has not ended cannot be dropped."""

    code = "run_still_running"
    kind = ErrorKind.CONFLICT


@dataclass(frozen=True, slots=True)
class NodeInventory:
    """A node as the engine sees it (see ``model.site.Node``)."""

    name: str
    pool: str
    accelerator: str
    devices: int
    cpu_milli: int
    memory_bytes: int
    domain: str = ""
    health: NodeHealth = NodeHealth.OK


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the site has, and how well it keeps projects apart."""

    nodes: tuple[NodeInventory, ...]
    isolation: Isolation


@dataclass(frozen=True, slots=True)
class Launch:
    """A run ready to start: inputs are staged, folders exist, the environment is complete.

    Attributes:
        command: argument list, never passed through a shell.
        env: the whole environment of the run; nothing is inherited beside it.
        folder: the run's own folder; the engine keeps its record and logs in it.
        workdir: where the command starts.
        writable: folders the run may write.
        readable: folders the run may read beside its software.
        time_limit_s: stopped after this [s]; None: no limit.
        grace_s: between SIGTERM and SIGKILL [s].
        disk_bytes: most it may write under ``writable`` [bytes]; 0: not limited.
        memory_bytes: limit of its address space's resident part [bytes]; 0: the slots' share.
        network: destinations (``model.egress``) that it may reach beyond its loopback, which is what
            replicas and gangs need and in a sandbox is the run's own. An engine that cannot hold a
            run to them refuses it.
        ports: TCP ports of its loopback on which it serves, reached on this machine's loopback under
            the same number.
    """

    run: str
    generation: int
    placement: tuple[DeviceSet, ...]
    command: tuple[str, ...]
    env: dict[str, str]
    folder: Path
    workdir: Path
    writable: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    time_limit_s: int | None = None
    grace_s: int = 30
    disk_bytes: int = 0
    memory_bytes: int = 0
    network: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()


class EndCause(StrEnum):
    """Why a run is ending or has ended; the engine says it, ``detail`` explains it."""

    NONE = ""  # of its own, or not ending at all
    STOP = "stop"  # ``stop`` was called
    TIME_LIMIT = "time_limit"
    DISK = "disk"  # it wrote more than it was allowed
    MEMORY = "memory"  # it held more than it was allowed
    PROCESSES = "processes"  # it had more processes than it was allowed
    START = "start"  # it could not be started


@dataclass(frozen=True, slots=True)
class Status:
    """What the engine sees of one run.

    Attributes:
        processes: living processes of the run, over all descendants.
        exit_code: as a shell shows it (128 + signal); None until exited.
        detail: one sentence when something is worth saying (killed for time, for disk, ...).
        cpu_ms: processor time used so far by all its processes, as far as known [ms].
        cause: who or what is ending it, or has; stays when it has exited.
        alive_at_ms: when it was seen alive, on the line of time that its start stands on; None where
            the engine has no other clock than the agent's.
    """

    handle: str
    run: str
    generation: int
    observed: Observed
    processes: int = 0
    exit_code: int | None = None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    detail: str = ""
    cpu_ms: int = 0
    placement: tuple[DeviceSet, ...] = field(default=())
    cause: EndCause = EndCause.NONE
    alive_at_ms: int | None = None


class Engine(Protocol):
    """What every engine does. Methods block briefly; the agent calls them from a thread."""

    def inventory(self) -> Inventory:
        """The nodes and devices that the engine may give out."""
        ...

    def launch(self, launch: Launch) -> str:
        """Start a run and return its handle; repeated for the same run and generation it
        returns the same handle and starts nothing.

        Raises:
            LaunchFailed: it could not start, or a device is in use by another run.
        """
        ...

    def poll(self, handles: Sequence[str]) -> list[Status]:
        """The state of each handle, in order.

        Raises:
            UnknownHandle: one is not known.
        """
        ...

    def stop(self, handle: str, grace_s: int) -> None:
        """Ask for the end: SIGTERM, the grace [s], then SIGKILL to every descendant. Returns at
        once; repeated calls only ever shorten the grace."""
        ...

    def logs(self, handle: str, offset: int, limit: int) -> tuple[bytes, int]:
        """Up to ``limit`` bytes of output (stdout and stderr as they came) from ``offset``, and
        the next offset."""
        ...

    def recover(self, handle: str) -> Status:
        """After a restart of the agent: find the run again, or say how it ended (EXITED with the
        true status and times) or that nobody can know (LOST)."""
        ...

    def handles(self) -> Iterator[str]:
        """Every handle that the engine's records know, also from before a restart."""
        ...

    def forget(self, handle: str) -> None:
        """Drop the records and the output of an ended run; an unknown handle is no error.

        Raises:
            StillRunning: stop it first.
        """
        ...
