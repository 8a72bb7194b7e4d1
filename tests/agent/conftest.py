"""A scripted control without a network, and a site around the mock engine that can be restarted."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bruk.agent.agent import Agent, Inline
from bruk.agent.hand import Hand
from bruk.agent.means import Settings
from bruk.agent.sync import ControlAway, ControlRefused
from bruk.engines.mock import MockEngine, MockWorld
from bruk.model.clock import ManualClock
from bruk.model.run import DeviceSet, RunWanted
from bruk.model.site import CutOffPolicy
from bruk.model.switch import Hold, HoldScope
from bruk.wire.agent import InputOrder, Observation, RunOrder, SyncRequest, SyncResponse

SITE = "essonne"
SETTINGS = Settings(reserve_bytes=0, keep_ms=60_000)


@dataclass
class Blob:
    """A blob on its way, in small blocks; breaks off after ``break_after`` bytes."""

    data: bytes
    offset: int
    break_after: int | None = None

    def blocks(self) -> Iterator[bytes]:
        sent = 0
        for start in range(self.offset, len(self.data), 100):
            if self.break_after is not None and sent >= self.break_after:
                raise ControlAway("the line broke")
            block = self.data[start : start + 100]
            sent += len(block)
            yield block


@dataclass
class Control:
    """What control wants, set by the test; what it was told, kept for the test."""

    version: int = 1
    generation: int = 1
    runs: dict[str, RunOrder] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    lease_ms: int = 60_000
    cut_off: CutOffPolicy = CutOffPolicy.CONTINUE
    acknowledged_seq: int = 0
    closed: set[str] = field(default_factory=set)
    blobs: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    shipped: dict[tuple[str, str], bytes] = field(default_factory=dict)
    requests: list[SyncRequest] = field(default_factory=list)
    fetched: list[tuple[str, int]] = field(default_factory=list)
    meters: dict[int, Any] = field(default_factory=dict)
    away: bool = False
    refuse_uploads: bool = False
    break_after: int | None = None

    def want(self, order: RunOrder) -> None:
        self.runs[order.run] = order
        self.version += 1

    def stop(self, run: str, **changes: Any) -> None:
        order = self.runs[run]
        changes = {"wanted": RunWanted.STOP, "generation": order.generation + 1, **changes}
        self.want(order.model_copy(update=changes))

    def settle(self, run: str) -> None:
        del self.runs[run]
        self.version += 1

    def hold(self, scope: HoldScope = HoldScope.SITE, target: str = SITE) -> None:
        self.generation += 1
        self.version += 1
        self.holds.append(Hold(f"hold_{self.generation}", scope, target, self.generation, "op", 0, "test"))

    def release(self) -> None:
        self.generation += 1
        self.version += 1
        self.holds.clear()

    def put(self, name: str, data: bytes, kind: str = "file") -> InputOrder:
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return InputOrder(name=name, digest=digest, kind=kind, size_bytes=len(data))

    def answer(self, request: SyncRequest) -> SyncResponse:
        self.requests.append(request)
        for meter in request.meters:
            known = self.meters.setdefault(meter.seq, meter)
            assert known == meter, "a sequence number never changes its meaning"
        self.acknowledged_seq = max([self.acknowledged_seq, *self.meters])
        return SyncResponse(
            asked=request.asked,
            version=self.version,
            generation=self.generation,
            holds=list(self.holds),
            runs=list(self.runs.values()),
            acknowledged_seq=self.acknowledged_seq,
            lease_ms=self.lease_ms,
            cut_off=self.cut_off,
            now_ms=request.now_ms,
            scopes_done=[scope for scope in request.scopes if scope in self.closed],
        )

    # The agent's side of it.

    async def sync(self, request: SyncRequest) -> SyncResponse:
        self._reach()
        return self.answer(request)

    @contextmanager
    def fetch(self, digest: str, offset: int) -> Iterator[Blob]:
        self._reach()
        self.fetched.append((digest, offset))
        if digest not in self.blobs:
            raise ControlRefused(f"there is no blob {digest}")
        yield Blob(self.blobs[digest], offset, self.break_after)

    def hand_over(self, digest: str, file: Path) -> None:
        self._reach()
        if self.refuse_uploads:
            raise ControlRefused("too large")
        data = file.read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest
        self.uploads[digest] = data

    def ship(self, run: str, stream: str, offset: int, data: bytes) -> int:
        self._reach()
        have = self.shipped.get((run, stream), b"")
        if offset <= len(have):
            have += data[len(have) - offset :]
            self.shipped[run, stream] = have
        return len(have)

    def _reach(self) -> None:
        if self.away:
            raise ControlAway("control is away")


def order(run: str = "run_1", **changes: Any) -> RunOrder:
    """A job's order on the mock's first device."""
    fields: dict[str, Any] = {
        "run": run,
        "workload": "job_1",
        "scope": "job_1",
        "project": "acme/lab",
        "generation": 1,
        "wanted": RunWanted.START,
        "placement": [DeviceSet("node-1", (0,))],
        "command": ["python", "train.py"],
    }
    return RunOrder(**{**fields, **changes})


class Deferred(Inline):
    """A background whose work waits until the test lets it go."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[Callable[[], None]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:
                future.set_exception(error)

        self._waiting.append(work)
        return future

    def go(self) -> None:
        """Do everything that waits."""
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            work()


@dataclass
class SiteUnderTest:
    """A site whose agent can die and come back; the engine's world outlives it."""

    home: Path
    clock: ManualClock
    control: Control
    world: MockWorld
    settings: Settings = SETTINGS
    healthy: Callable[[str], bool] = lambda address: True
    python: str = "/usr/bin/python3"
    energy: Any = None
    background: Any = field(default_factory=Inline)
    agent: Agent | None = None

    @property
    def hand(self) -> Hand:
        if self.agent is None:
            self.agent = Agent(
                self.home,
                SITE,
                "http://control.invalid",
                "token",
                MockEngine(self.clock, self.world),
                self.clock,
                self.python,
                settings=self.settings,
                transport=self.control,
                probe=lambda address: self.healthy(address),
                background=self.background,
                energy=self.energy,
            )
            self.agent.hand.recover()
        return self.agent.hand

    def restart(self) -> None:
        if self.agent is not None:
            self.agent.close()
        self.agent = None

    def drive(self, advance_ms: int = 0) -> bool:
        self.clock.advance(advance_ms)
        return self.hand.drive(self.clock.now_ms())

    def exchange(self, advance_ms: int = 0) -> SyncRequest:
        """One round: report, answer (unless control is away), drive."""
        self.clock.advance(advance_ms)
        request = self.hand.report(self.clock.now_ms())
        if not self.control.away:
            self.hand.take(self.control.answer(request), self.clock.now_ms())
        self.hand.drive(self.clock.now_ms())
        return request

    def seen(self, run: str = "run_1") -> Observation:
        """What the agent would say of a run now."""
        request = self.hand.report(self.clock.now_ms())
        return next(found for found in request.observations if found.run == run)

    def report(self) -> SyncRequest:
        return self.hand.report(self.clock.now_ms())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteUnderTest]:
    under_test = SiteUnderTest(tmp_path / SITE, ManualClock(), Control(), MockWorld())
    yield under_test
    under_test.restart()
