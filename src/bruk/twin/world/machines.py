"""The machines of a simulated site and what runs on them: they outlive the agent that drives them.

``SimulatedEngine`` is the mock engine over these machines: nodes may fail, and the agent may be killed just
before or after it launches or stops something. What ever ran is kept here, as the truth that the records
are compared with.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from bruk.engines.base import Inventory, Launch, NodeInventory
from bruk.engines.mock import Behaviour, MockEngine, MockRun, MockWorld
from bruk.model.clock import Clock
from bruk.model.run import DeviceSet, Observed
from bruk.model.site import Isolation, NodeHealth


class Killed(BaseException):
    """SIGKILL: nothing that would clean up may catch it."""


@dataclass(frozen=True, slots=True)
class Lived:
    """What really happened to one run, in the world's time [ms]; an end of None: it lives."""

    run: str
    workload: str
    placement: tuple[DeviceSet, ...]
    started_at_ms: int
    ended_at_ms: int | None
    observed: Observed
    exit_code: int | None
    stopped: bool

    @property
    def devices(self) -> int:
        return sum(len(part.devices) for part in self.placement)

    def lives_at(self, now_ms: int) -> bool:
        return self.started_at_ms <= now_ms and (self.ended_at_ms is None or self.ended_at_ms > now_ms)


@dataclass
class Machines:
    """Nodes, what runs on them, and everything that ever ran there.

    Attributes:
        failed: names of nodes that are down.
        clashes: launches refused because a device was in use; none may ever be.
    """

    site: str
    nodes: tuple[NodeInventory, ...]
    clock: Clock
    behave: Callable[["Machines", Launch], Behaviour]
    failed: set[str] = field(default_factory=set)
    history: dict[str, MockRun] = field(default_factory=dict)
    launches: list[str] = field(default_factory=list)
    launches_of: dict[str, list[str]] = field(default_factory=dict)
    clashes: list[str] = field(default_factory=list)
    kill_at: str = ""
    world: MockWorld = field(init=False)
    _going: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = MockWorld(behave=lambda launch: self.behave(self, launch))

    def fail(self, node: str) -> None:
        """The node goes down with everything on it."""
        self.failed.add(node)
        for handle, run in self.history.items():
            if any(part.node == node for part in run.launch.placement):
                self._lose(handle, run)

    def mend(self, node: str) -> None:
        """The node is there again, empty."""
        self.failed.discard(node)

    def reboot(self) -> None:
        """Every process of the site is gone, and nobody saw how it ended."""
        for handle, run in self.history.items():
            self._lose(handle, run)

    def _lose(self, handle: str, run: MockRun) -> None:
        if self.lived(handle).ended_at_ms is None:
            lost_after_ms = self.clock.now_ms() - run.started_at_ms
            run.behaviour = replace(run.behaviour, lost_after_ms=lost_after_ms)

    def begun(self, handle: str, launch: Launch) -> None:
        """A launch started something."""
        self.launches.append(handle)
        self.launches_of.setdefault(launch.env["BRUK_WORKLOAD_ID"], []).append(handle)
        self._going.append(handle)

    def lived(self, handle: str) -> Lived:
        """What happened to the run of this handle, up to now."""
        run = self.history[handle]
        observed, exit_code, ended_at_ms, _ = MockEngine.state_of(run, self.clock.now_ms())
        return Lived(
            run.launch.run,
            run.launch.env["BRUK_WORKLOAD_ID"],
            run.launch.placement,
            run.started_at_ms,
            ended_at_ms,
            observed,
            exit_code,
            run.stop_at_ms is not None,
        )

    def lives(self) -> Iterator[Lived]:
        """Everything that ever ran here, in order of launch."""
        for handle in self.launches:
            yield self.lived(handle)

    def living(self) -> list[Lived]:
        """What runs here now, in order of launch; what has ended is not looked at again."""
        now_ms = self.clock.now_ms()
        found = [(handle, self.lived(handle)) for handle in self._going]
        found = [(handle, lived) for handle, lived in found if lived.lives_at(now_ms)]
        self._going = [handle for handle, _ in found]
        return [lived for _, lived in found]

    def lives_of(self, workload: str) -> Iterator[Lived]:
        """Every run of this workload here, in order of launch."""
        for handle in self.launches_of.get(workload, ()):
            yield self.lived(handle)

    def ran_ms(self, workload: str) -> int:
        """How long runs of this workload have run here so far [ms]: what its checkpoints hold."""
        now_ms = self.clock.now_ms()
        return sum((found.ended_at_ms or now_ms) - found.started_at_ms for found in self.lives_of(workload))

    def reached(self, point: str) -> None:
        """The agent is about to do this, or has just done it.

        Raises:
            Killed: it was to be killed here.
        """
        if self.kill_at == point:
            self.kill_at = ""
            raise Killed(point)


class SimulatedEngine(MockEngine):
    """The engine that one life of an agent uses; the machines outlive it."""

    def __init__(self, machines: Machines) -> None:
        super().__init__(machines.clock, machines.world, machines.nodes, Isolation.SANDBOX)
        self._machines = machines

    def inventory(self) -> Inventory:
        found = super().inventory()
        failed = self._machines.failed
        nodes = tuple(
            replace(node, health=NodeHealth.UNHEALTHY) if node.name in failed else node
            for node in found.nodes
        )
        return replace(found, nodes=nodes)

    def launch(self, launch: Launch) -> str:
        machines = self._machines
        machines.reached("before launch")
        known = len(self.world.launched)
        handle = super().launch(launch)
        if len(self.world.launched) > known:
            machines.history[handle] = self.world.runs[handle]
            machines.begun(handle, launch)
            _write_outputs(launch)
            if any(part.node in machines.failed for part in launch.placement):
                machines.fail(next(part.node for part in launch.placement if part.node in machines.failed))
        machines.reached("after launch")
        return handle

    def stop(self, handle: str, grace_s: int) -> None:
        self._machines.reached("before stop")
        super().stop(handle, grace_s)
        self._machines.reached("after stop")

    def in_use(self, launch: Launch, by: str) -> None:
        self._machines.clashes.append(f"{launch.run} found a device in use by {by}")
        super().in_use(launch, by)


def _write_outputs(launch: Launch) -> None:
    """What the scenario's programs write; they are named in their commands."""
    for name in launch.env.get("OUTPUTS", "").split():
        content = launch.env.get("CONTENT", name)
        place = launch.folder / "outputs" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
