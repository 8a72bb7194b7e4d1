"""One plan from the world as it is.

Classes of equal requests are tried in order, the oldest member of each first; what one gets, the next
does not. Within a pass nothing that was refused room can get it later, so a class is left as soon as one
of its members must wait. Passes over what is left are repeated until one starts and stops nothing,
since shares have moved and with them for whom room is kept. So a plan applied and decided again starts
nothing more, and the reasons, which are those of the last pass, speak of the world as the plan leaves it.

To read in this order: `order`, `filters`, `placement`, `preempt`, `backfill`, `explain`; and `power`, which
is asked first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import chain

from bruk.model.plan import Eviction, Placement, Plan, Waiting
from bruk.model.reason import Reason
from bruk.model.snapshot import Pending
from bruk.scheduler.backfill import reserve
from bruk.scheduler.board import Board
from bruk.scheduler.demand import Demand, Key
from bruk.scheduler.explain import Reasons, with_remedy
from bruk.scheduler.filters import Filters, Offer
from bruk.scheduler.order import ORDERS, PREEMPTING, Rank
from bruk.scheduler.placement import choose
from bruk.scheduler.power import shed
from bruk.scheduler.preempt import evictions, make_room


@dataclass(slots=True)
class Memory:
    """What is kept from one plan to the next; it never changes what a plan says, only what it costs."""

    filters: Filters = field(default_factory=Filters)
    reasons: Reasons = field(default_factory=Reasons)
    waiting: dict[Key, tuple[tuple[Pending, ...], Reason, tuple[Waiting, ...]]] = field(default_factory=dict)


@dataclass(slots=True)
class _Pass:
    """What one look at all classes led to."""

    placements: list[Placement] = field(default_factory=list)
    evictions: list[Eviction] = field(default_factory=list)
    waiting: list[tuple[Waiting, ...]] = field(default_factory=list)


@dataclass(slots=True)
class _Queue:
    """A class in one plan: its members, the oldest first, and how many of them have started."""

    demand: Demand
    members: tuple[Pending, ...]
    started: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """Names of the order and of the way of backfilling."""

    order: str
    backfill: str


def decide(board: Board, policy: Policy, now_ms: int, memory: Memory) -> Plan:
    """The plan at this instant [ms].

    Raises:
        SnapshotIncomplete: a pending item's project has no account.
    """
    with board.planning(now_ms):
        given_way = shed(board)
        queues = [_Queue(demand, demand.members) for demand in board.demands]
        placements: list[Placement] = []
        stopped: list[Eviction] = []
        while True:
            done = _look(board, policy, queues, memory)
            if done.placements:
                # What was to be stopped may not be needed now; the next pass says so anew.
                placements += done.placements
                stopped = []
                board.spare()
            elif done.evictions:
                stopped += done.evictions
            else:
                memory.reasons.forget({queue.demand.key for queue in queues})
                waiting = tuple(chain.from_iterable(done.waiting))
                return Plan(
                    now_ms,
                    tuple(placements),
                    (*given_way.evictions, *stopped),
                    waiting,
                    given_way.caps,
                    given_way.shortfalls,
                )


def _look(board: Board, policy: Policy, queues: list[_Queue], memory: Memory) -> _Pass:
    board.reserved.clear()
    rank_of = ORDERS[policy.order]
    done = _Pass()
    turns: list[tuple[Rank, int]] = []
    for number, queue in enumerate(queues):
        if queue.started < len(queue.members):
            turns.append((rank_of(queue.members[queue.started], board), number))
    heapify(turns)
    while turns:
        rank, number = heappop(turns)
        queue = queues[number]
        item = queue.members[queue.started]
        now = rank_of(item, board)
        if now != rank:
            # What was given meanwhile has moved it back.
            heappush(turns, (now, number))
            continue
        offers = memory.filters.offers(board, queue.demand)
        placement = choose(board, memory.filters, queue.demand, item, offers)
        if placement is None:
            _wait(board, policy, queue, offers, memory, done)
            continue
        board.start(item, placement)
        done.placements.append(placement)
        queue.started += 1
        if queue.started < len(queue.members):
            heappush(turns, (rank_of(queue.members[queue.started], board), number))
    return done


def _wait(
    board: Board,
    policy: Policy,
    queue: _Queue,
    offers: Sequence[Offer],
    memory: Memory,
    done: _Pass,
) -> None:
    """Nothing is free for the next of a class: do for each member what can be done, and say why."""
    demand = queue.demand
    preempt = policy.order in PREEMPTING
    at = queue.started
    # The reason speaks of what was free before anything is kept for the item itself.
    reason = _reason(board, demand, memory, done)
    while offers and at < len(queue.members):
        item = queue.members[at]
        clause, by_ms = "", None
        if (claim := make_room(board, demand, item, offers, preempt)) is not None:
            done.evictions += evictions(board, item, claim)
            clause = f"room is kept for it at {claim.site} until stopping work has ended"
        elif (kept := reserve(board, demand, offers, policy.backfill)) is not None:
            site, by_ms = kept
            clause = f"it is next at {site}, where nodes are kept for it"
        else:
            break
        if reason is not None:
            done.waiting.append((Waiting(item.id, item.workload, with_remedy(reason, clause, by_ms)),))
        at += 1
        reason = _reason(board, demand, memory, done)
    if reason is not None:
        done.waiting.append(_told(queue, at, reason, memory))


def _reason(board: Board, demand: Demand, memory: Memory, done: _Pass) -> Reason | None:
    """Why the class waits; None if this pass is not the last one, so that nobody will be told."""
    if done.placements or done.evictions:
        return None
    return memory.reasons.of(board, memory.filters, demand)


def _told(queue: _Queue, at: int, reason: Reason, memory: Memory) -> tuple[Waiting, ...]:
    """The same reason for all that are left."""
    rest = queue.members[at:] if at else queue.members
    kept = memory.waiting.get(queue.demand.key)
    if kept is None or kept[0] is not rest or kept[1] is not reason:
        kept = (rest, reason, tuple(_waiting(rest, reason)))
        memory.waiting[queue.demand.key] = kept
    return kept[2]


def _waiting(items: tuple[Pending, ...], reason: Reason) -> Iterator[Waiting]:
    for item in items:
        yield Waiting(item.id, item.workload, reason)
