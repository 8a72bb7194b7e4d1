"""The scheduler's state: loaded from a snapshot, moved by events, asked for plans.

``schedule(snapshot)`` is ``State.load(snapshot).decide(snapshot.now_ms)``, and after any events
``decide`` gives what a cold ``schedule`` of the resulting snapshot gives. It must never read a
clock, draw chance or depend on the order in which a snapshot lists things. Look next at `decide`.
"""

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import assert_never

from bruk.model.errors import InvalidInput
from bruk.model.plan import Plan
from bruk.model.snapshot import Snapshot
from bruk.scheduler.backfill import BACKFILLS
from bruk.scheduler.board import Board
from bruk.scheduler.decide import Memory, Policy, decide
from bruk.scheduler.event import (
    AccountChanged,
    AccountRemoved,
    Event,
    HoldRaised,
    HoldReleased,
    PendingAdded,
    PendingRemoved,
    PricesChanged,
    RunAdded,
    RunEnded,
    SiteChanged,
    SiteRemoved,
)
from bruk.scheduler.order import ORDERS
from bruk.scheduler.scores import PLACEMENTS


class UnknownPolicy(InvalidInput):
    """The snapshot names an order, a placement rule or a way of backfilling that does not exist."""

    code = "unknown_policy"


class State:
    """Everything the scheduler knows between decisions; holds no clock."""

    def __init__(
        self,
        prices_microeur: Mapping[str, int],
        order: str,
        placement: str,
        backfill: str = "easy",
        device_power_w: Mapping[str, int] | None = None,
    ) -> None:
        """An empty world under these prices and policies.

        Raises:
            UnknownPolicy: the order, the placement rule or the way of backfilling does not exist; the
                message lists them.
        """
        _known("order", order, ORDERS)
        _known("placement", placement, PLACEMENTS)
        _known("backfill", backfill, BACKFILLS)
        self._policy = Policy(order, backfill)
        self._board = Board(dict(prices_microeur), placement, dict(device_power_w or {}))
        self._memory = Memory()

    @classmethod
    def load(cls, snapshot: Snapshot) -> "State":
        """The state that a snapshot describes.

        Raises:
            UnknownPolicy: see ``__init__``.
        """
        state = cls(
            snapshot.prices_microeur,
            snapshot.order,
            snapshot.placement,
            snapshot.backfill,
            snapshot.device_power_w,
        )
        for site in snapshot.sites:
            state.apply(SiteChanged(site))
        for account in snapshot.accounts:
            state.apply(AccountChanged(account))
        for pending in snapshot.pending:
            assert pending.id not in state._board.demands.items, f"{pending.id} is pending twice"
            state.apply(PendingAdded(pending))
        for run in snapshot.runs:
            state.apply(RunAdded(run, snapshot.run_facts.get(run.id)))
        for hold in snapshot.holds:
            state.apply(HoldRaised(hold))
        return state

    def apply(self, event: Event) -> None:
        """Let an event happen. Ending, removing or releasing what is not there changes nothing."""
        board = self._board
        match event:
            case RunAdded(run, facts):
                board.set_run(run, facts)
            case RunEnded(run_id):
                board.drop_run(run_id)
            case PendingAdded(pending):
                board.demands.add(pending)
            case PendingRemoved(pending_id):
                board.demands.remove(pending_id)
            case HoldRaised(hold):
                board.set_hold(hold)
            case HoldReleased(hold_id):
                board.drop_hold(hold_id)
            case SiteChanged(site):
                board.set_site(site)
            case SiteRemoved(site_name):
                board.drop_site(site_name)
            case AccountChanged(account):
                board.set_account(account)
            case AccountRemoved(project):
                board.drop_account(project)
            case PricesChanged(prices_microeur):
                board.set_prices(dict(prices_microeur))
            case _:
                assert_never(event)

    def follow(self, snapshot: Snapshot) -> None:
        """Let everything happen that leads to this snapshot; its policies must be the state's."""
        board, facts = self._board, snapshot.run_facts
        policy = (snapshot.order, snapshot.placement, snapshot.backfill)
        assert policy == (self._policy.order, board.placement, self._policy.backfill), "policies are fixed"
        sites = {state.site.name: state for state in snapshot.sites}
        accounts = {account.project.id: account for account in snapshot.accounts}
        pending = {item.id: item for item in snapshot.pending}
        runs = {run.id: run for run in snapshot.runs if not run.ended}
        holds = {hold.id: hold for hold in snapshot.holds}
        events: list[Event] = [PricesChanged(snapshot.prices_microeur)]
        events += [RunEnded(key) for key in board.runs.keys() - runs.keys()]
        events += [PendingRemoved(key) for key in board.demands.items.keys() - pending.keys()]
        events += [HoldReleased(key) for key in board.holds.keys() - holds.keys()]
        events += [SiteRemoved(key) for key in board.sites.keys() - sites.keys()]
        events += [AccountRemoved(key) for key in board.accounts.keys() - accounts.keys()]
        events += [SiteChanged(row) for key, row in sites.items() if board.sites.get(key) != row]
        events += [AccountChanged(row) for key, row in accounts.items() if board.accounts.get(key) != row]
        events += [PendingAdded(row) for key, row in pending.items() if board.demands.items.get(key) != row]
        events += [HoldRaised(row) for key, row in holds.items() if board.holds.get(key) != row]
        events += [
            RunAdded(run, facts.get(key))
            for key, run in runs.items()
            if board.runs.get(key) != run or board.facts.get(key) != facts.get(key)
        ]
        board.set_device_power(snapshot.device_power_w)
        for event in events:
            self.apply(event)

    def snapshot(self, now_ms: int) -> Snapshot:
        """The whole state as a snapshot at this instant [ms], everything sorted by identifier."""
        board = self._board
        return Snapshot(
            now_ms=now_ms,
            sites=tuple(board.sites[key] for key in sorted(board.sites)),
            accounts=tuple(board.accounts[key] for key in sorted(board.accounts)),
            pending=tuple(board.demands.items[key] for key in sorted(board.demands.items)),
            runs=tuple(board.runs[key] for key in sorted(board.runs)),
            holds=tuple(board.holds[key] for key in sorted(board.holds)),
            prices_microeur=dict(sorted(board.prices_microeur.items())),
            run_facts={key: board.facts[key] for key in sorted(board.facts)},
            order=self._policy.order,
            placement=board.placement,
            backfill=self._policy.backfill,
            device_power_w=dict(sorted(board.device_power_w.items())),
        )

    def decide(self, now_ms: int) -> Plan:
        """What to do at this instant [ms].

        Raises:
            SnapshotIncomplete: a pending item's project has no account.
        """
        with _collector_at_rest():
            return decide(self._board, self._policy, now_ms, self._memory)


def schedule(snapshot: Snapshot) -> Plan:
    """The plan for a snapshot: the same snapshot gives the same plan, byte for byte.

    Raises:
        UnknownPolicy: the snapshot names a policy that does not exist.
        SnapshotIncomplete: a pending item's project has no account.
    """
    with _collector_at_rest():
        return State.load(snapshot).decide(snapshot.now_ms)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Python's cyclic collector does not run: it would look through all that lives on several times a plan.

    A plan makes tens of thousands of objects and no cycles among them.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _known(what: str, name: str, names: Iterable[str]) -> None:
    known = sorted(names)
    if name not in known:
        raise UnknownPolicy(
            f"There is no {what} called {name!r}. Take one of: {', '.join(known)}.",
            what=what,
            name=name,
            known=known,
        )
