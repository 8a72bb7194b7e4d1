"""The requests in flight, and what the switch needs to know of them.

A generation of the switch is acknowledged only when nothing that its holds cover is in flight any more;
requests that were in flight when the holds came are let finish and counted as drained. It must never
acknowledge early. Look next at `admit` for where requests are refused, at `sync` for where the
acknowledgement goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bruk.gateway.problem import Refusal
from bruk.model.switch import Acknowledgement, EnforcerKind, Hold


@dataclass(eq=False, slots=True)
class Ticket:
    """One request in flight.

    Attributes:
        tenant, model, site: whose it is, the model it calls (empty until known), and where it runs.
        held: a hold that came later covers it.
        cut: ends it at once with this reason; set while it can be cut.
        cut_reason: why it was cut, or None.
        body_bytes: of its body, as much as was read [bytes].
        status, tokens_in, tokens_out: how it ended and what it used, once that is in the journal.
    """

    tenant: str
    model: str = ""
    site: str = ""
    held: bool = False
    cut: Callable[[], object] | None = None
    cut_reason: str | None = None
    body_bytes: int = 0
    status: str = ""
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(slots=True)
class Traffic:
    """Everything in flight at one gateway.

    Attributes:
        draining: the process is ending; nothing more is admitted.
        refused, drained: by holds, since the process started.
    """

    gateway: str
    site: str
    requests_max: int
    bodies_bytes_max: int = 2**62
    on_change: Callable[[], object] = lambda: None
    draining: bool = False
    refused: int = 0
    drained: int = 0
    _bodies_bytes: int = 0
    _tickets: set[Ticket] = field(default_factory=set)
    _holds: tuple[Hold, ...] = ()
    _wanted_generation: int = 0
    _generation: int = 0

    @property
    def generation(self) -> int:
        """The newest generation of the switch that was carried out in full."""
        return self._generation

    def __len__(self) -> int:
        return len(self._tickets)

    def enter(self, tenant: str) -> Ticket:
        """Count a request in.

        Raises:
            Refusal: too many are in flight, or the process is ending.
        """
        if self.draining:
            raise Refusal("shutting_down", "This gateway is shutting down. Try again.", retry_after_s=1)
        if len(self._tickets) >= self.requests_max:
            raise Refusal(
                "too_many_requests",
                f"This gateway is busy with {self.requests_max} requests, the most that it takes at once."
                " Try again shortly.",
                retry_after_s=1,
            )
        ticket = Ticket(tenant)
        self._tickets.add(ticket)
        return ticket

    def hold(self, ticket: Ticket, more_bytes: int) -> None:
        """Count more of a request's body.

        Raises:
            Refusal: all bodies together are longer than may be kept.
        """
        ticket.body_bytes += more_bytes
        self._bodies_bytes += more_bytes
        if self._bodies_bytes > self.bodies_bytes_max:
            raise Refusal(
                "too_many_requests",
                "This gateway holds as many long requests as it can. Try again shortly.",
                retry_after_s=1,
            )

    def leave(self, ticket: Ticket) -> None:
        """Count a request out, once everything about it is durable."""
        self._tickets.discard(ticket)
        self._bodies_bytes -= ticket.body_bytes
        ticket.body_bytes = 0
        if ticket.held:
            self.drained += 1
            self._settle()

    def enforce(self, generation: int, holds: tuple[Hold, ...]) -> None:
        """Stand by these holds from now on; the generation is acknowledged once nothing covered is left."""
        self._wanted_generation = generation
        self._holds = holds
        for ticket in self._tickets:
            ticket.held = self.covered(ticket.tenant, ticket.model, ticket.site) is not None
        self._settle()

    def covered(self, tenant: str, model: str = "", site: str = "") -> Hold | None:
        """The first hold over such a request: at the gateway's own site, or at the replica's."""
        for hold in self._holds:
            if hold.covers(self.site, tenant, model) or (site and hold.covers(site, tenant, model)):
                return hold
        return None

    def cut(self, reason: str) -> None:
        """End every request in flight, for this reason."""
        for ticket in list(self._tickets):
            if ticket.cut is not None and ticket.cut_reason is None:
                ticket.cut_reason = reason
                ticket.cut()

    def acknowledgement(self, at_ms: int) -> Acknowledgement:
        """What this gateway has carried out by now."""
        return Acknowledgement(
            EnforcerKind.GATEWAY,
            self.gateway,
            self._generation,
            at_ms,
            refused=self.refused,
            drained=self.drained,
        )

    def _settle(self) -> None:
        if self._generation == self._wanted_generation or _any_held(self._tickets):
            return
        self._generation = self._wanted_generation
        self.on_change()


def _any_held(tickets: Iterable[Ticket]) -> bool:
    return any(ticket.held for ticket in tickets)
