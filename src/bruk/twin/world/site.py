"""A site of a simulated cloud: the product's agent over simulated machines.

The agent is stepped as its loop would step it. Killed, it leaves its home and its machines as they are, and
`start` begins its next life over both.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bruk.agent.agent import Agent, Inline
from bruk.agent.means import Settings
from bruk.agent.sync import ControlAway, ControlRefused
from bruk.engines.base import EngineError
from bruk.twin.world.clock import MachineClock
from bruk.twin.world.line import AgentLine
from bruk.twin.world.machines import Killed, Machines, SimulatedEngine
from bruk.wire.agent import SyncResponse

# Between two looks at a run its use is written down at most this often [ms]: a day has many runs.
METER_MS = 1_800_000
SETTINGS = Settings(
    keep_ms=60_000, meter_ms=METER_MS, inventory_ms=0, reserve_bytes=0, ready_within_ms=7_200_000
)


@dataclass
class SimulatedSite:
    """A site: an agent that comes and goes, and machines that stay."""

    name: str
    home: Path
    clock: MachineClock
    machines: Machines
    line: AgentLine
    agent: Agent | None = None
    kills: int = 0
    complaints: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Begin a life of the agent, if it has none and its engine answers."""
        if self.agent is not None:
            return
        agent = Agent(
            self.home,
            self.name,
            "",
            "",
            SimulatedEngine(self.machines),
            self.clock,
            "/usr/bin/python3",
            settings=SETTINGS,
            transport=self.line,
            probe=lambda address: True,
            background=Inline(),
        )
        try:
            agent.hand.recover()
        except EngineError:
            agent.close()
            return
        self.agent = agent

    def kill(self) -> None:
        """The agent's process is gone."""
        if self.agent is not None:
            self.agent.close()
            self.kills += 1
        self.agent = None

    def turn(self) -> None:
        """What the agent does in a while: look, tell control, follow it."""
        self._living(self._turn)

    def drive(self) -> None:
        """One step of the agent without control."""
        self._living(lambda agent: agent.hand.drive(self.clock.now_ms()))

    def _turn(self, agent: Agent) -> None:
        hand = agent.hand
        hand.drive(self.clock.now_ms())
        for _ in range(2):
            answer = self._exchange(agent)
            if answer is None:
                return
            hand.take(answer, self.clock.now_ms())
            if not hand.drive(self.clock.now_ms()):
                return

    def _exchange(self, agent: Agent) -> SyncResponse | None:
        try:
            return self.line.line.exchange(agent.hand.report(self.clock.now_ms(), 0))
        except ControlRefused as error:
            self.complaints.append(f"control refused what {self.name} said: {error.message}")
        except ControlAway:
            pass
        return None

    def _living(self, act: Callable[[Agent], object]) -> None:
        if self.agent is None:
            return
        try:
            act(self.agent)
        except Killed:
            self.kill()
