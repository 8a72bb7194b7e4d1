"""One plan from one snapshot.

Items are tried one by one in order; what one gets, the next does not. Passes over what is left are
repeated until one starts and stops nothing, since shares have moved and with them for whom room is
kept. So the plan applied and decided again is empty, and the reasons, which are those of the last
pass, speak of the world as the plan leaves it. It must never change the snapshot.

To read in this order: `order`, `filters`, `placement`, `claim`, `explain`.
"""

from dataclasses import dataclass, field

from bruk.model.plan import Eviction, Placement, Plan, Waiting
from bruk.model.snapshot import Pending, Snapshot
from bruk.scheduler.board import Board
from bruk.scheduler.claim import evictions, keep_nodes, make_room
from bruk.scheduler.explain import explain, with_remedy
from bruk.scheduler.filters import examine
from bruk.scheduler.order import ORDERS
from bruk.scheduler.placement import PLACEMENTS, choose


@dataclass(slots=True)
class _Pass:
    """What one look at all items led to."""

    placements: list[Placement] = field(default_factory=list)
    evictions: list[Eviction] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    left: list[Pending] = field(default_factory=list)


def decide(snapshot: Snapshot) -> Plan:
    """The plan; ``snapshot.order`` and ``snapshot.placement`` must exist.

    Raises:
        SnapshotIncomplete: a pending item's project has no account.
    """
    for item in snapshot.pending:
        assert item.resources.nodes >= 1, f"{item.id} asks for no nodes"
        assert item.resources.devices >= 1, f"{item.id} asks for no devices"
    board = Board(snapshot)
    placements: list[Placement] = []
    stopped: list[Eviction] = []
    left = list(snapshot.pending)
    while True:
        done = _look(board, left, snapshot)
        placements += done.placements
        stopped += done.evictions
        left = done.left
        if not (done.placements or done.evictions):
            return Plan(snapshot.now_ms, tuple(placements), tuple(stopped), tuple(done.waiting))


def _look(board: Board, items: list[Pending], snapshot: Snapshot) -> _Pass:
    board.forget_kept()
    rule = PLACEMENTS[snapshot.placement]
    preempt = snapshot.order != "fifo"
    done = _Pass()
    for item in ORDERS[snapshot.order](items, board):
        verdicts = examine(board, item)
        placement = choose(item, verdicts, rule)
        if placement is not None:
            board.start(item, placement)
            done.placements.append(placement)
            continue
        # The reason speaks of what was free before anything is kept for the item itself.
        reason = explain(board, item, verdicts)
        claim = make_room(board, item, verdicts, preempt)
        if claim is not None:
            done.evictions += evictions(board, item, claim)
            reason = with_remedy(reason, f"room is kept for it at {claim.site} until stopping work has ended")
        else:
            site = keep_nodes(board, item, verdicts)
            if site is not None:
                reason = with_remedy(reason, f"it has waited long, so nodes are kept for it at {site}")
        done.waiting.append(Waiting(item.id, item.workload, reason))
        done.left.append(item)
    return done
