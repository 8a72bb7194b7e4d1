"""Where an item that may run goes: the candidates among what is free now, best first.

The rule gives each node a score, lower is better (see `scores`). A gang scores the sum of its nodes
and stays in one domain where it can; otherwise it spans as few domains as it can. Replicas of one endpoint
are spread over nodes. It must never break a gang over sites or accelerators, and never give what is
kept for somebody else. Look next at `reserve`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bruk.model.plan import Candidate, Placement
from bruk.model.reason import ReasonCode
from bruk.model.run import DeviceSet
from bruk.model.snapshot import Pending
from bruk.model.workload import WorkloadKind
from bruk.scheduler.board import Board
from bruk.scheduler.demand import Demand
from bruk.scheduler.filters import Filters, Offer
from bruk.scheduler.fleet.arrays import Integers
from bruk.scheduler.fleet.rows import NO_ROOM, Row
from bruk.scheduler.nodes import Nodes

LEADING_COUNT = 3

# What each domain beyond the first adds to a gang's score: more than any sum over nodes.
SPREAD_SCORE = 1_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """Nodes that would do now, the best first, and their score."""

    site: str
    accelerator: str
    nodes: tuple[int, ...]
    score: int


def choose(
    board: Board, filters: Filters, demand: Demand, item: Pending, every: Sequence[Offer]
) -> Placement | None:
    """The best placement among all offers, or None when nothing that would do is free.

    The site where the item's checkpoint is goes first; then the lowest score.
    """
    members = item.resources.nodes
    room = board.scores.room(demand.shape)
    offers = [offer for offer in every if room[offer.group] >= members]
    if not offers:
        return None
    row = board.scores.row(demand.shape)
    open_nodes = _open_nodes(board, demand, row)
    preferred = [offer for offer in offers if offer.site == item.preferred_site]
    rest = [offer for offer in offers if offer.site != item.preferred_site]
    best: list[Choice] = []
    for among in (preferred, rest):
        if among and len(best) < LEADING_COUNT:
            found = _choices(board, demand, row, open_nodes, among)
            best += found[: LEADING_COUNT - len(best)]
    return _placement(board, filters, demand, item, row, best, every) if best else None


def _open_nodes(board: Board, demand: Demand, row: Row) -> Integers:
    """Nodes with room, by number, without those where it is kept for somebody else."""
    key = row.key
    barred = board.reserved.barred(demand.shape, board.ends_ms(demand.like))
    if barred.size:
        key = key.copy()
        key[barred] = NO_ROOM
    return np.flatnonzero(key != NO_ROOM)


def _choices(
    board: Board, demand: Demand, row: Row, open_nodes: Integers, offers: Sequence[Offer]
) -> list[Choice]:
    groups = board.nodes.groups
    allowed = np.zeros(len(groups), dtype=np.bool_)
    allowed[[offer.group for offer in offers]] = True
    found = open_nodes[allowed[board.nodes.group[open_nodes]]]
    members = demand.like.resources.nodes
    if members == 1:
        found = found[_by_turn(board, demand, row, found)]
        return [
            Choice(*_where(board.nodes, node), (node,), board.scores.score(int(row.key[node])))
            for node in found[:LEADING_COUNT].tolist()
        ]
    choices = [
        choice
        for offer in offers
        for choice in _gangs(board, row, found[board.nodes.group[found] == offer.group], members)
    ]
    return sorted(choices, key=lambda choice: (choice.score, [int(row.key[node]) for node in choice.nodes]))


def _by_turn(board: Board, demand: Demand, row: Row, found: Integers) -> Integers:
    """Places of the best few nodes, the best first; of a replica those with fewer of its like first."""
    keys = row.key[found]
    item = demand.like
    if item.kind is WorkloadKind.ENDPOINT:
        beside = Counter(node for run in _replicas(board, item) for node in board.nodes.on.get(run, ()))
        taken = np.array([beside[node] for node in found.tolist()], dtype=np.int64)
        return np.lexsort((keys, taken))[:LEADING_COUNT]
    if len(keys) > 4 * LEADING_COUNT:
        few = np.argpartition(keys, LEADING_COUNT)[:LEADING_COUNT]
        return few[np.argsort(keys[few])]
    return np.argsort(keys)[:LEADING_COUNT]


def _replicas(board: Board, item: Pending) -> Iterator[str]:
    """Runs of the same endpoint, and what this plan starts of it."""
    workload = item.workload
    for run in board.nodes.on:
        known = board.runs.get(run)
        if known.workload == workload if known is not None else run.split("#")[0] == workload:
            yield run


def _gangs(board: Board, row: Row, found: Integers, members: int) -> Iterator[Choice]:
    """In each domain that can hold the gang the best nodes; else the best over the fewest domains."""
    if len(found) < members:
        return
    keys = row.key[found]
    domains = board.nodes.fleet.domain[found]
    order = np.lexsort((keys, domains))
    nodes, domains = found[order], domains[order]
    starts = np.flatnonzero(np.diff(domains, prepend=-1))
    sizes = np.diff(starts, append=len(nodes))
    whole = starts[sizes >= members]
    site, accelerator = _where(board.nodes, int(found[0]))
    if whole.size:
        scores = row.key[nodes] // max(len(board.nodes), 1)
        sums = np.concatenate(([0], np.cumsum(scores)))
        totals = sums[whole + members] - sums[whole]
        for place in np.lexsort((row.key[nodes[whole]], totals))[:LEADING_COUNT].tolist():
            start = int(whole[place])
            yield Choice(
                site, accelerator, tuple(nodes[start : start + members].tolist()), int(totals[place])
            )
        return
    taken: list[int] = []
    spread = -1
    for place in np.lexsort((row.key[nodes[starts]], -sizes)).tolist():
        start = int(starts[place])
        taken += nodes[start : start + min(int(sizes[place]), members - len(taken))].tolist()
        spread += 1
        if len(taken) == members:
            break
    score = sum(board.scores.score(int(row.key[node])) for node in taken)
    yield Choice(site, accelerator, tuple(taken), score + spread * SPREAD_SCORE)


def _where(nodes: Nodes, node: int) -> tuple[str, str]:
    group = nodes.groups[int(nodes.group[node])]
    return group.site, group.accelerator


def _placement(
    board: Board,
    filters: Filters,
    demand: Demand,
    item: Pending,
    row: Row,
    best: Sequence[Choice],
    offers: Sequence[Offer],
) -> Placement:
    chosen, fleet = best[0], board.nodes.fleet
    filtered = filters.nodes_refused(board, demand)
    left = open_counts(board, demand)
    filtered[ReasonCode.CAPACITY] += sum(offer.would - left[offer.group] for offer in offers)
    shape = demand.shape
    devices = tuple(
        DeviceSet(
            fleet.names[node],
            (int(row.device[node]),) if shape.fractional else fleet.whole_devices(node, shape.devices),
        )
        for node in sorted(chosen.nodes)
    )
    return Placement(
        pending=item.id,
        workload=item.workload,
        site=chosen.site,
        accelerator=chosen.accelerator,
        devices=devices,
        filtered={code: filtered[code] for code in ReasonCode if filtered[code]},
        leading=tuple(
            Candidate(choice.site, tuple(fleet.names[node] for node in choice.nodes), choice.score)
            for choice in best
        ),
    )


def open_counts(board: Board, demand: Demand) -> list[int]:
    """By group: how many nodes have room that is not kept for somebody else."""
    room = board.scores.room(demand.shape)
    barred = board.reserved.barred(demand.shape, board.ends_ms(demand.like))
    if not barred.size:
        return room
    with_room = barred[board.scores.row(demand.shape).key[barred] != NO_ROOM]
    left = list(room)
    for group in board.nodes.group[with_room].tolist():
        left[group] -= 1
    return left
