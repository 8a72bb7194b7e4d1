"""The scheduler's state: loaded from a snapshot, moved by events, asked for plans.

``schedule(snapshot)`` is ``State.load(snapshot).decide(snapshot.now_ms)``, and after any events
``decide`` gives what a cold ``schedule`` of the resulting snapshot gives. It must never read a
clock, draw chance or depend on the order in which a snapshot lists things. Look next at `decide`.
"""

from collections.abc import Mapping
from typing import assert_never

from bruk.model.errors import InvalidInput
from bruk.model.plan import Plan
from bruk.model.run import Run
from bruk.model.snapshot import Account, Pending, RunFacts, SiteState, Snapshot
from bruk.model.switch import Hold
from bruk.scheduler.decide import decide
from bruk.scheduler.event import (
    AccountChanged,
    Event,
    HoldRaised,
    HoldReleased,
    PendingAdded,
    PendingRemoved,
    RunAdded,
    RunEnded,
    SiteChanged,
)
from bruk.scheduler.order import ORDERS
from bruk.scheduler.placement import PLACEMENTS


class UnknownPolicy(InvalidInput):
    """The snapshot names an order or a placement rule that does not exist."""

    code = "unknown_policy"


class State:
    """Everything the scheduler knows between decisions; holds no clock."""

    def __init__(self, prices_microeur: Mapping[str, int], order: str, placement: str) -> None:
        """An empty world under these prices, this order and this placement rule.

        Raises:
            UnknownPolicy: the order or the placement rule does not exist; the message lists them.
        """
        _known("order", order, ORDERS)
        _known("placement", placement, PLACEMENTS)
        self._prices_microeur = dict(prices_microeur)
        self._order = order
        self._placement = placement
        self._sites: dict[str, SiteState] = {}
        self._accounts: dict[str, Account] = {}
        self._pending: dict[str, Pending] = {}
        self._runs: dict[str, Run] = {}
        self._run_facts: dict[str, RunFacts] = {}
        self._holds: dict[str, Hold] = {}

    @classmethod
    def load(cls, snapshot: Snapshot) -> "State":
        """The state that a snapshot describes.

        Raises:
            UnknownPolicy: see ``__init__``.
        """
        state = cls(snapshot.prices_microeur, snapshot.order, snapshot.placement)
        for site in snapshot.sites:
            state.apply(SiteChanged(site))
        for account in snapshot.accounts:
            state.apply(AccountChanged(account))
        for pending in snapshot.pending:
            assert pending.id not in state._pending, f"{pending.id} is pending twice"
            state.apply(PendingAdded(pending))
        for run in snapshot.runs:
            state.apply(RunAdded(run, snapshot.run_facts.get(run.id)))
        for hold in snapshot.holds:
            state.apply(HoldRaised(hold))
        return state

    def apply(self, event: Event) -> None:
        """Let an event happen. Ending, removing or releasing what is not there changes nothing."""
        match event:
            case RunAdded(run, facts):
                self._runs.pop(run.id, None)
                self._run_facts.pop(run.id, None)
                if not run.ended:
                    self._runs[run.id] = run
                    if facts is not None:
                        self._run_facts[run.id] = facts
            case RunEnded(run_id):
                self._runs.pop(run_id, None)
                self._run_facts.pop(run_id, None)
            case PendingAdded(pending):
                self._pending[pending.id] = pending
            case PendingRemoved(pending_id):
                self._pending.pop(pending_id, None)
            case HoldRaised(hold):
                self._holds[hold.id] = hold
            case HoldReleased(hold_id):
                self._holds.pop(hold_id, None)
            case SiteChanged(site):
                self._sites[site.site.name] = site
            case AccountChanged(account):
                self._accounts[account.project.id] = account
            case _:
                assert_never(event)

    def snapshot(self, now_ms: int) -> Snapshot:
        """The whole state as a snapshot at this instant [ms], everything sorted by identifier."""
        return Snapshot(
            now_ms=now_ms,
            sites=tuple(self._sites[key] for key in sorted(self._sites)),
            accounts=tuple(self._accounts[key] for key in sorted(self._accounts)),
            pending=tuple(self._pending[key] for key in sorted(self._pending)),
            runs=tuple(self._runs[key] for key in sorted(self._runs)),
            holds=tuple(self._holds[key] for key in sorted(self._holds)),
            prices_microeur=dict(sorted(self._prices_microeur.items())),
            run_facts={key: self._run_facts[key] for key in sorted(self._run_facts)},
            order=self._order,
            placement=self._placement,
        )

    def decide(self, now_ms: int) -> Plan:
        """What to do at this instant [ms].

        Raises:
            SnapshotIncomplete: a pending item's project has no account.
        """
        return decide(self.snapshot(now_ms))


def schedule(snapshot: Snapshot) -> Plan:
    """The plan for a snapshot: the same snapshot gives the same plan, byte for byte.

    Raises:
        UnknownPolicy: the snapshot names an order or a placement rule that does not exist.
        SnapshotIncomplete: a pending item's project has no account.
    """
    return State.load(snapshot).decide(snapshot.now_ms)


def _known(what: str, name: str, table: Mapping[str, object]) -> None:
    if name not in table:
        raise UnknownPolicy(
            f"There is no {what} called {name!r}. Take one of: {', '.join(sorted(table))}.",
            what=what,
            name=name,
            known=sorted(table),
        )
