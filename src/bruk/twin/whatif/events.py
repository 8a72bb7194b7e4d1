"""What may happen to a running system, as an operator would put it."""

from dataclasses import dataclass

from bruk.model.errors import InvalidInput
from bruk.model.snapshot import Snapshot
from bruk.model.switch import HoldScope


class EventImpossible(InvalidInput):
    """An event is about something that the snapshot does not have, or ends before it begins."""

    code = "event_impossible"


@dataclass(frozen=True, slots=True)
class PowerChanged:
    """A site may draw only so much for a time.

    Attributes:
        watts: the limit, cooling included [W]; or
        percent: how much less than what holds, or else than what it draws, at that moment [%].
        from_ms, until_ms: when [ms]; None: until the end.
    """

    site: str
    watts: int | None
    percent: int
    from_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """A hold stands for a time on the platform, a site or a tenant."""

    scope: HoldScope
    target: str
    from_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Lost:
    """Nodes die with what runs there, and come back empty; all of a site if none is named."""

    site: str
    node: str
    from_ms: int
    until_ms: int | None


WhatIf = PowerChanged | SwitchedOff | Lost


def check(snapshot: Snapshot, event: WhatIf) -> None:
    """Refuse an event that cannot happen in this world.

    Raises:
        EventImpossible: there is no such site, node or tenant, or it ends before it begins.
    """
    sites = {state.site.name: state for state in snapshot.sites}
    tenants = {account.tenant.name for account in snapshot.accounts}
    if event.until_ms is not None and event.until_ms <= event.from_ms:
        raise EventImpossible("An event ends after it begins.")
    if isinstance(event, SwitchedOff):
        known = {HoldScope.SITE: set(sites), HoldScope.TENANT: tenants, HoldScope.PLATFORM: {"*"}}
        if event.target not in known[event.scope]:
            raise EventImpossible(_unknown(event.scope.value, event.target, known[event.scope]))
        return
    if event.site not in sites:
        raise EventImpossible(_unknown("site", event.site, set(sites)))
    if isinstance(event, Lost) and event.node:
        nodes = {node.name for node in sites[event.site].nodes}
        if event.node not in nodes:
            raise EventImpossible(_unknown(f"node at {event.site}", event.node, nodes))


def _unknown(what: str, name: str, known: set[str]) -> str:
    few = ", ".join(sorted(known)[:10]) or "none"
    return f"The snapshot has no {what} called {name!r}; it has: {few}{', …' if len(known) > 10 else ''}."
