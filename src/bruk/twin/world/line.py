"""What lies between a site or a gateway and control: messages get lost, arrive twice, late, or not at all.

A line is told the fate of coming messages and counts those that met it. It implements the agent's
``Transport``, without a network.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

from bruk.agent.sync import ControlAway, ControlRefused
from bruk.control import agents
from bruk.control.control import Control
from bruk.control.logs import Stream
from bruk.model.errors import BrukError, Conflict, ErrorKind
from bruk.model.tenant import Actor
from bruk.store import work
from bruk.twin.world.cloud import Cloud, ControlDown
from bruk.wire.agent import SyncRequest, SyncResponse

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Told = TypeVar("Told")


class Fate(StrEnum):
    """What happens to one exchange."""

    LOST = "message_lost"
    UNANSWERED = "answer_lost"
    REPEATED = "message_repeated"
    LATE = "message_late"  # it arrives after the next one
    STALE = "answer_late"  # an answer arrives that is older than the newest before it


# Of so many answers before, the oldest is the one that comes late.
_ANSWERS_BEFORE = 3


@dataclass
class Line(Generic[Request, Answer]):
    """One line to control.

    Attributes:
        receive, answer: the two halves of control's side of the exchange.
        cut: nothing gets through.
        fates: of the coming messages, in order; None: nothing happens to it.
        met: how often each fate was met.
    """

    cloud: Cloud
    receive: Callable[[Control, Request], object]
    answer: Callable[[Control, Request], Answer]
    cut: bool = False
    fates: deque[Fate | None] = field(default_factory=deque)
    met: dict[Fate, int] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    _late: list[Request] = field(default_factory=list)
    _before: deque[Answer] = field(default_factory=lambda: deque(maxlen=_ANSWERS_BEFORE))

    def exchange(self, request: Request) -> Answer:
        """One exchange.

        Raises:
            ControlAway: it did not come through, as far as the sender knows.
        """
        self.reach()
        fate = self.fates.popleft() if self.fates else None
        if fate is not None:
            self.met[fate] = self.met.get(fate, 0) + 1
        if fate is Fate.LOST:
            raise ControlAway("the message was lost")
        if fate is Fate.LATE:
            self._late.append(request)
            raise ControlAway("the message takes its time")
        found = self._deliver(request)
        if fate is Fate.REPEATED:
            found = self._deliver(request)
        for late in self._late:
            self._deliver(late)
        self._late.clear()
        oldest = self._before[0] if self._before else found
        self._before.append(found)
        if fate is Fate.UNANSWERED:
            raise ControlAway("the answer was lost")
        return oldest if fate is Fate.STALE else found

    def reach(self) -> None:
        """Raise ControlAway where nothing gets through."""
        if self.cut:
            raise ControlAway("the line is cut")

    def _deliver(self, request: Request) -> Answer:
        def both(control: Control) -> Answer:
            self.receive(control, request)
            return self.answer(control, request)

        return self.ask(both)

    def ask(self, act: Callable[[Control], Told]) -> Told:
        """Ask control something over this line; its refusals as the agent's transport tells them."""
        self.reach()
        try:
            return self.cloud.ask(act)
        except ControlDown as error:
            raise ControlAway(str(error)) from None
        except BrukError as error:
            if error.kind is ErrorKind.UNAVAILABLE:
                raise ControlAway(error.message) from None
            self.refusals.append(f"{error.code}: {error.message}")
            raise ControlRefused(error.message) from None


@dataclass
class Fetched:
    """A blob that came whole."""

    data: bytes
    offset: int

    def blocks(self) -> Iterator[bytes]:
        yield self.data[self.offset :]


class AgentLine:
    """An agent's transport over a line."""

    def __init__(self, cloud: Cloud, site: str) -> None:
        actor = Actor("agent", site, site=site)
        self._site = site
        self.line: Line[SyncRequest, SyncResponse] = Line(
            cloud,
            lambda control, request: agents.receive(control, actor, request),
            lambda control, request: agents.answer(
                control, actor, control.changes.version, request.scopes, request.asked
            ),
        )

    async def sync(self, request: SyncRequest) -> SyncResponse:
        return self.line.exchange(request)

    @contextmanager
    def fetch(self, digest: str, offset: int) -> Iterator[Fetched]:
        def read(control: Control) -> bytes:
            with control.read() as connection:
                if digest not in agents.digests_for(connection, self._site):
                    raise ControlRefused(f"no run at {self._site} needs the bytes {digest}")
            with control.blobs.open(digest) as file:
                return file.read()

        yield Fetched(self.line.ask(read), offset)

    def hand_over(self, digest: str, file: Path) -> None:
        def keep(control: Control) -> None:
            if not control.blobs.has(digest):
                control.blobs.put(control.clock.new_id("blob"), [file.read_bytes()], digest)

        self.line.ask(keep)

    def ship(self, run: str, stream: str, offset: int, data: bytes) -> int:
        def keep(control: Control) -> int:
            with control.read() as connection:
                work.get_run(connection, run)
            try:
                return control.logs.append(run, Stream({"logs": "log"}.get(stream, stream)), offset, data)
            except Conflict as gap:
                return int(str(gap.detail["next_offset"]))

        return self.line.ask(keep)
