"""One plan from one snapshot.

Items are tried one by one in order; what one gets, the next does not. Passes over what is left are
repeated until one starts and stops nothing, since shares have moved and with them for whom room is
kept. So a plan applied and decided again starts nothing more, and the reasons, which are those of the last
pass, speak of the world as the plan leaves it. It must never change the snapshot.

To read in this order: `order`, `filters`, `placement`, `claim`, `explain`.
"""

from dataclasses import dataclass, field, replace

from bruk.model.plan import Eviction, Placement, Plan, Waiting
from bruk.model.reason import Reason
from bruk.model.snapshot import Pending, Snapshot
from bruk.scheduler.board import Board
from bruk.scheduler.claim import evictions, keep_nodes, make_room
from bruk.scheduler.explain import explain, with_remedy
from bruk.scheduler.filters import examine
from bruk.scheduler.order import ORDERS, aged
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
    stopping = frozenset(board.stopping)
    placements: list[Placement] = []
    stopped: list[Eviction] = []
    left = list(snapshot.pending)
    while True:
        done = _look(board, left, snapshot)
        left = done.left
        if done.placements:
            # What was to be stopped may not be needed now; the next pass says so anew.
            placements += done.placements
            stopped = []
            board.stopping = set(stopping)
        elif done.evictions:
            stopped += done.evictions
        else:
            return Plan(snapshot.now_ms, tuple(placements), tuple(stopped), tuple(done.waiting))


_Class = tuple[Pending, bool]


def _class_of(item: Pending, board: Board) -> _Class:
    """What an answer depends on: items that differ only in who they are and how long they waited."""
    return (replace(item, id="", workload="", created_at_ms=0), aged(item, board.now_ms))


def _look(board: Board, items: list[Pending], snapshot: Snapshot) -> _Pass:
    board.forget_kept()
    rule = PLACEMENTS[snapshot.placement]
    preempt = snapshot.order != "fifo"
    done = _Pass()
    told: dict[_Class, tuple[int, Reason]] = {}
    for item in ORDERS[snapshot.order](items, board):
        kind = _class_of(item, board)
        version, known = told.get(kind, (-1, None))
        if known is not None and version == board.version:
            done.waiting.append(Waiting(item.id, item.workload, known))
            done.left.append(item)
            continue
        verdicts = examine(board, item)
        placement = choose(item, verdicts, rule)
        if placement is not None:
            board.start(item, placement)
            done.placements.append(placement)
            continue
        # The reason speaks of what was free before anything is kept for the item itself.
        reason = explain(board, item, verdicts)
        if (claim := make_room(board, item, verdicts, preempt)) is not None:
            done.evictions += evictions(board, item, claim)
            reason = with_remedy(reason, f"room is kept for it at {claim.site} until stopping work has ended")
        elif (site := keep_nodes(board, item, verdicts)) is not None:
            reason = with_remedy(reason, f"it has waited long, so nodes are kept for it at {site}")
        else:
            # Nothing was done for it, so the next equal item gets the same answer.
            told[kind] = (board.version, reason)
        done.waiting.append(Waiting(item.id, item.workload, reason))
        done.left.append(item)
    return done
