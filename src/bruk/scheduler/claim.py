"""What a waiting item may do about it: wait for stopping runs, preempt, or have nodes kept.

Two rules, and no other:

* **Preemption.** An item may stop preemptible runs whose priority is at least ``PREEMPT_BAND``
  lower. Runs that are stopping already are counted first, so nothing is stopped for room that is
  about to be there. Of the node sets that would do, the one that costs the fewest further runs,
  and of equals the fewest devices, is taken; it is found node by node, which is a greedy choice.
  Runs that turn out not to be needed are spared. What is free there, and what the runs give back,
  is kept for the item.
* **Ageing.** For a gang that has waited longer than ``order.AGED_AFTER_MS`` the nodes of one site
  that lack the fewest devices take no new work, so that it cannot be starved by smaller work. Only
  nodes count on which enough devices are open or held by runs whose end is known: waiting for a
  replica would be waiting for ever. At most one gang per site has nodes kept: the first in order.
  There is no backfill yet, so kept nodes may stand idle until the gang starts.

It must never touch a run that is not preemptible, or one at a site or on nodes that the item could
not use. Look next at `decide`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bruk.model.plan import Eviction
from bruk.model.snapshot import Pending
from bruk.scheduler.board import Board
from bruk.scheduler.filters import Offer, Verdict
from bruk.scheduler.order import aged
from bruk.scheduler.room import Room

PREEMPT_BAND = 25


@dataclass(frozen=True, slots=True)
class Claim:
    """Room that will be there once these runs are gone.

    Attributes:
        evict: runs to stop for it.
        runs: all that must end, including those that are stopping already.
        devices_lost: that the evicted runs hold at the site.
    """

    site: str
    rooms: tuple[Room, ...]
    evict: tuple[str, ...]
    runs: tuple[str, ...]
    devices_lost: int


def make_room(board: Board, item: Pending, verdicts: Sequence[Verdict], preempt: bool) -> Claim | None:
    """The cheapest room that stopping or evicted runs would leave, kept for the item; or None."""
    claims = [
        claim
        for verdict in verdicts
        for offer in verdict.offers
        if (claim := _search(board, item, offer, preempt)) is not None
    ]
    if not claims:
        return None
    best = min(
        claims,
        key=lambda claim: (
            len(claim.evict),
            claim.devices_lost,
            len(claim.runs),
            claim.site != item.preferred_site,
            claim.site,
        ),
    )
    resources = item.resources
    for room in best.rooms:
        devices = room.pick(resources.devices, best.runs)
        room.keep(room.share(devices, resources.cpu_milli, resources.memory_bytes))
    board.stopping.update(best.evict)
    board.kept()
    return best


def evictions(board: Board, item: Pending, claim: Claim) -> Iterator[Eviction]:
    """The runs that a claim stops, with a sentence for each."""
    for run in claim.evict:
        yield Eviction(
            run,
            item.id,
            f"It has priority {board.facts[run].priority} and makes room for priority {item.priority};"
            " it goes on from its last checkpoint when there is room again.",
        )


def keep_nodes(board: Board, item: Pending, verdicts: Sequence[Verdict]) -> str | None:
    """Keep nodes for an aged gang; the site where, or None when there is none to be had."""
    if not aged(item, board.now_ms):
        return None
    resources = item.resources
    best: tuple[int, bool, str, str] | None = None
    best_rooms: list[Room] = []
    for verdict in verdicts:
        for offer in verdict.offers:
            if offer.site.reserved:
                continue
            missing = sorted(
                (max(0, resources.devices - room.open_devices), room.node.name, room)
                for room in offer.rooms
                if room.fits(resources, [run for run in room.loads if _ends(board, run)])
            )[: resources.nodes]
            if len(missing) < resources.nodes:
                continue
            rank = (
                sum(count for count, _, _ in missing),
                verdict.site != item.preferred_site,
                verdict.site,
                offer.accelerator,
            )
            if best is None or rank < best:
                best = rank
                best_rooms = [room for _, _, room in missing]
    if best is None:
        return None
    for room in best_rooms:
        room.keep(room.share(tuple(sorted(room.free)), 0, 0))
    board.sites[best[2]].reserved = True
    board.kept()
    return best[2]


def _search(board: Board, item: Pending, offer: Offer, preempt: bool) -> Claim | None:
    removable = _removable(board, item, offer, preempt)
    if not any(removable.values()):
        return None
    resources = item.resources
    rooms: list[Room] = []
    runs: list[str] = []
    for _ in range(resources.nodes):
        best: tuple[tuple[int, int, int, str], list[str], Room] | None = None
        for room in offer.rooms:
            if room in rooms:  # By identity: rooms are compared so.
                continue
            further = _further(board, item, room, removable[room.node.name], runs)
            if further is None:
                continue
            evict = [run for run in further if run not in board.stopping]
            rank = (len(evict), _devices(offer, evict), len(further), room.node.name)
            if best is None or rank < best[0]:
                best = (rank, further, room)
        if best is None:
            return None
        runs.extend(best[1])
        rooms.append(best[2])
    for run in sorted(runs, key=lambda run: (run in board.stopping, _worth(board, run))):
        rest = [other for other in runs if other != run]
        if all(room.fits(resources, rest) for room in rooms):
            runs = rest
    evict = sorted(run for run in runs if run not in board.stopping)
    return Claim(
        offer.site.site.name, tuple(rooms), tuple(evict), tuple(sorted(runs)), _devices(offer, evict)
    )


def _removable(board: Board, item: Pending, offer: Offer, preempt: bool) -> dict[str, list[str]]:
    """By node: the runs that are stopping or that the item may stop."""

    def may_go(run: str) -> bool:
        if run in board.stopping:
            return True
        facts = board.facts.get(run)
        return (
            preempt
            and facts is not None
            and facts.preemptible
            and item.priority - facts.priority >= PREEMPT_BAND
        )

    return {room.node.name: [run for run in sorted(room.loads) if may_go(run)] for room in offer.rooms}


def _further(
    board: Board, item: Pending, room: Room, removable: Sequence[str], gone: Sequence[str]
) -> list[str] | None:
    """The runs that must go besides these for one member to fit on the node; None if it cannot."""
    further: list[str] = []
    candidates = sorted(
        (run for run in removable if run not in gone),
        key=lambda run: (run not in board.stopping, -len(room.loads[run].devices), _worth(board, run)),
    )
    while not room.fits(item.resources, [*gone, *further]):
        if len(further) == len(candidates):
            return None
        further.append(candidates[len(further)])
    if further:
        # The largest were taken first, to need few; the last may be larger than what is missing.
        *others, last = further
        alike = [run for run in candidates if (run in board.stopping) == (last in board.stopping)]
        for run in sorted(alike, key=lambda run: (len(room.loads[run].devices), _worth(board, run))):
            if run not in others and room.fits(item.resources, [*gone, *others, run]):
                return [*others, run]
    return further


def _devices(offer: Offer, runs: Sequence[str]) -> int:
    """Devices that these runs hold on the nodes of an offer."""
    return sum(
        len(room.loads[run].devices)
        for room in (offer.rooms if runs else ())
        for run in runs
        if run in room.loads
    )


def _ends(board: Board, run: str) -> bool:
    """Whether it is known that the run ends."""
    facts = board.facts.get(run)
    return run in board.stopping or (facts is not None and facts.ends_by_ms is not None)


def _worth(board: Board, run: str) -> tuple[int, str]:
    """What is lost with a run; of equal runs the one with less is stopped."""
    facts = board.facts.get(run)
    return (facts.priority if facts else 0, run)
