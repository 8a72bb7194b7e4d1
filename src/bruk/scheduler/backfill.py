"""When an item that waits for room gets it, and the nodes that are kept for it until then.

``easy``: the first in order at each site that lacks nothing but room gets a reservation.
``conservative``: each of the first ``RESERVATIONS_MAX`` in order, on nodes that nobody else has one on.
``greedy``: nobody; everything that fits may start, and large gangs may wait for ever behind small work.

By the time limits of what runs; where work ends early the next plan moves the reservation forward.
Look next at `decide`.
"""

from collections.abc import Sequence

import numpy as np

from bruk.scheduler.board import Board
from bruk.scheduler.demand import Demand
from bruk.scheduler.filters import Offer
from bruk.scheduler.fleet.arrays import Integers
from bruk.scheduler.nodes import NEVER_MS
from bruk.scheduler.reserve import free_at

# As many as Slurm looks at by default (slurm.conf, SchedulerParameters, bf_max_job_test).
RESERVATIONS_MAX = 500

BACKFILLS = ("easy", "conservative", "greedy")

Start = tuple[int, bool, str, tuple[int, ...]]


def reserve(
    board: Board, demand: Demand, offers: Sequence[Offer], backfill: str
) -> tuple[str, int | None] | None:
    """Keep nodes for an item of the class; the site, and when it starts at the latest [ms].

    The time is None if it may start at any moment, as when a run overstays its limit. Nothing is kept if
    another has a reservation at every site that would do, or nobody knows when there will be room.
    """
    reserved = board.reserved
    if backfill == "greedy" or (backfill == "conservative" and reserved.count >= RESERVATIONS_MAX):
        return None
    best: Start | None = None
    for offer in offers:
        if backfill == "easy" and offer.site in reserved.sites:
            continue
        found = _first_start(board, demand, offer, best[0] if best is not None else NEVER_MS)
        if found is not None:
            start = (found[0], offer.site != demand.like.preferred_site, offer.site, found[1])
            if best is None or start < best:
                best = start
    if best is None:
        return None
    at_ms, _, site, nodes = best
    for node in nodes:
        need = reserved.need(demand.shape, node)
        there = free_at(board.nodes, node, at_ms)
        reserved.keep(node, at_ms, there.less(need))
    reserved.sites.add(site)
    reserved.count += 1
    return site, at_ms if at_ms > board.now_ms else None


def _first_start(
    board: Board, demand: Demand, offer: Offer, by_ms: int
) -> tuple[int, tuple[int, ...]] | None:
    """The first instant, up to the given one, at which the gang has its nodes, and these nodes."""
    nodes, members = board.nodes, demand.like.resources.nodes
    of = nodes.groups[offer.group].nodes
    of = of[nodes.fleet.usable[of]]
    of = np.array([node for node in of.tolist() if not board.reserved.is_kept(node)], dtype=np.int64)
    if demand.shape.devices >= nodes.free_at_ms.shape[1] or len(of) < members:
        return None
    at_ms: Integers = nodes.free_at_ms[of, demand.shape.devices]
    order = np.lexsort((of, at_ms))
    found: list[tuple[int, int]] = []
    for place in order.tolist():
        least_ms, node = int(at_ms[place]), int(of[place])
        if least_ms == NEVER_MS or least_ms > by_ms:
            break
        if len(found) >= members and least_ms > sorted(found)[members - 1][0]:
            break  # Nothing that comes later can be earlier than what is there.
        when_ms = _fits_from(board, demand, node, least_ms)
        if when_ms is not None:
            found.append((when_ms, node))
    if len(found) < members:
        return None
    chosen = sorted(found)[:members]
    return chosen[-1][0], tuple(node for _, node in chosen)


def _fits_from(board: Board, demand: Demand, node: int, least_ms: int) -> int | None:
    """The first instant from then on at which a node has room; None if nobody knows one."""
    need = board.reserved.need(demand.shape, node)
    ends = sorted({load.ends_ms for load in board.nodes.loads[node].values()} | {0})
    for end_ms in ends:
        if least_ms <= end_ms < NEVER_MS and free_at(board.nodes, node, end_ms).holds(need):
            return end_ms
    return None
