"""A gateway without sockets: the product's lease, admission, accounts, journal and hand-over.

Calls are made and answered here at once; what a client got is kept, to be compared with the ledger. The
engine behind it is left out: tokens are the scenario's.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from bruk.admission import Limiter
from bruk.agent.sync import ControlAway, ControlRefused
from bruk.control import gateways
from bruk.gateway.account import Accounts
from bruk.gateway.admit import Admission
from bruk.gateway.book import UsageBook
from bruk.gateway.lease import LeaseHolder, LeaseRefused
from bruk.gateway.limits import Limits
from bruk.gateway.meter import Meter
from bruk.gateway.parse import Route, parse
from bruk.gateway.problem import Refusal
from bruk.gateway.sync import USAGE_MAX, Sync
from bruk.gateway.traffic import Traffic
from bruk.model.clock import Clock
from bruk.model.tenant import Actor
from bruk.store import places
from bruk.twin.world.cloud import Cloud
from bruk.twin.world.line import Line
from bruk.wire.bearer import BearerFile
from bruk.wire.gateway import GatewayAnswer, GatewaySync

_REQUESTS_MAX = 100


@dataclass(frozen=True, slots=True)
class Call:
    """One call that was made.

    Attributes:
        answered: its client has the whole answer.
        generation: of the switch, as the gateway had carried it out.
        leased_until_ms: the end of the last lease that control gave the gateway [ms].
    """

    request: str
    project: str
    site: str
    tokens_in: int
    tokens_out: int
    at_ms: int
    answered: bool
    generation: int
    leased_until_ms: int


@dataclass
class SimulatedGateway:
    """A gateway that can be killed and started again over its folder.

    Attributes:
        calls: every call that was admitted, in order.
        refusals: how many calls were refused, by code.
        kill_in_call: the next call is cut there: ``before the journal`` or ``before the answer``.
    """

    name: str
    site: str
    home: Path
    cloud: Cloud
    clock: Clock
    loop: asyncio.AbstractEventLoop
    calls: list[Call] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    kill_in_call: str = ""
    killed_in_call: int = 0
    up: bool = False
    _count: int = 0

    def __post_init__(self) -> None:
        actor = Actor("gateway", self.name, site=self.site)
        self.line: Line[GatewaySync, GatewayAnswer] = Line(
            self.cloud,
            lambda control, request: gateways.receive(control, actor, request),
            lambda control, request: gateways.answer(control, actor, control.changes.version),
        )

    def start(self) -> None:
        """Begin over what the folder holds; idle if it runs."""
        if self.up:
            return
        self.home.mkdir(parents=True, exist_ok=True)
        limits, limiter = Limits(), Limiter()
        self._accounts = Accounts()
        self._traffic = Traffic(self.name, self.site, _REQUESTS_MAX)
        self._leases = LeaseHolder(
            self.name, self.site, self.cloud.keyring, self.clock, self.home / "epoch", limits.lease_ms
        )
        self._admission = Admission(self._leases, self._traffic, self._accounts, limiter, self.clock)
        journal = self.home / "journal"
        self._book = UsageBook.open(journal, self.clock.new_id("jrn"), self._accounts)
        self._sync = Sync(
            gateway=self.name,
            control_url="",
            bearer=BearerFile("", None),
            leases=self._leases,
            accounts=self._accounts,
            limiter=limiter,
            traffic=self._traffic,
            book=self._book,
            clock=self.clock,
        )
        self.up = True

    def kill(self) -> None:
        """The process is gone; what its journal holds stays."""
        if self.up:
            self._book.close()
        self.up = False

    def exchange(self) -> None:
        """One exchange with control, if the process runs and control can be reached."""
        if not self.up:
            return
        try:
            message = self._sync.message(0, USAGE_MAX)
            answer = self.line.exchange(GatewaySync.model_validate_json(message.body))
            if self._sync.rely_on(answer):
                self._book.acknowledge(self._sync.settled_seq(answer))
        except (ControlAway, ControlRefused, LeaseRefused):
            return

    @property
    def waiting(self) -> bool:
        """Whether usage waits for hand-over."""
        return self.up and self._book.waiting

    def call(self, secret: str, model: str, tokens_in: int, tokens_out: int) -> None:
        """One call of a client, answered at once or refused."""
        if not self.up:
            self._refused("gateway_away")
            return
        self._count += 1
        name = f"req-{self.name}-{self._count}"
        body = b'{"model":"%s","messages":[],"max_tokens":%d}' % (model.encode(), tokens_out)
        ticket = None
        try:
            caller = self._admission.identify(f"Bearer {secret}".encode())
            ticket = self._traffic.enter(caller.project.tenant)
            request = parse(Route.CHAT, body.ljust(tokens_in))
            admitted = self._admission.admit(name, caller, request, ticket)
        except Refusal as refusal:
            if ticket is not None:
                self._traffic.leave(ticket)
            self._refused(refusal.code)
            return
        replica = admitted.replicas[0]
        meter = Meter(admitted)
        meter.reported = (tokens_in, tokens_out)
        now_ms = self.clock.now_ms()
        if self.kill_in_call == "before the journal":
            self._cut()
            return
        self.loop.run_until_complete(self._book.enter(meter.record(name, replica, now_ms, "complete")))
        answered = self.kill_in_call != "before the answer"
        self.calls.append(
            Call(
                name,
                caller.project.id,
                replica.site,
                tokens_in,
                tokens_out,
                now_ms,
                answered,
                self._traffic.generation,
                self._leased_until_ms(),
            )
        )
        if not answered:
            self._cut()
            return
        admitted.reservation.release()
        self._traffic.leave(ticket)

    def _leased_until_ms(self) -> int:
        with self.cloud.database.read() as connection:
            return places.get_gateway(connection, self.name).lease_until_ms or 0

    def _cut(self) -> None:
        self.kill_in_call = ""
        self.killed_in_call += 1
        self.kill()

    def _refused(self, code: str) -> None:
        self.refusals[code] = self.refusals.get(code, 0) + 1
