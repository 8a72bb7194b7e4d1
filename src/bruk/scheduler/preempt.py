"""Which runs are stopped so that a waiting item can start, and which are waited for.

An item may stop preemptible runs whose priority is at least ``PREEMPT_BAND`` lower, and runs of its
own priority or a lower one that were borrowed: by which another project of its tenant goes beyond its
quota, if the item stays within its project's, or another tenant beyond its own, if it stays within its
tenant's. Runs that are stopping already are counted first, so that nothing is stopped for room that is
about to be there. Of the nodes that would do those are taken where the runs that must go are of the
lowest tier; of equals where the least work is lost: devices times the time since the last checkpoint
and what a restart takes. Runs that turn out not to be needed are spared. It is a greedy choice, node by
node, over the ``NODES_MAX`` nodes that lack the fewest devices.

It must never touch a run that is not preemptible, one without facts, or one on nodes that the item
could not use. Look next at `decide`.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bruk.model.plan import Eviction
from bruk.model.snapshot import Pending
from bruk.scheduler.board import Board
from bruk.scheduler.demand import Demand
from bruk.scheduler.filters import Offer
from bruk.scheduler.fleet.rows import NO_ROOM
from bruk.scheduler.fleet.shape import WHOLE_MILLI
from bruk.scheduler.nodes import STOPPING_TIER
from bruk.scheduler.reserve import Room

PREEMPT_BAND = 25
NODES_MAX = 256
# Tier of what was borrowed: below every priority.
BORROWED = -1


@dataclass(frozen=True, slots=True)
class Claim:
    """Room that will be there once these runs are gone.

    Attributes:
        nodes: by number.
        evict: runs to stop for it, the least loss first.
        runs: all that must end, including those that are stopping already.
        tier: the highest of those that are evicted.
        lost_device_ms: work that is done again [device-ms].
    """

    site: str
    nodes: tuple[int, ...]
    evict: tuple[str, ...]
    runs: tuple[str, ...]
    tier: int
    lost_device_ms: int
    devices: int


@dataclass(slots=True)
class _Search:
    """What one item may take, and what of each run would be lost.

    Attributes:
        reclaim: whether it is within its project's quota, and within its tenant's, and somebody is not.
    """

    board: Board
    demand: Demand
    preempt: bool
    reclaim: tuple[bool, bool]

    def tier(self, run: str, gone: Collection[str] = ()) -> int | None:
        """The tier at which the item may stop a run; None if it may not."""
        facts = self.board.facts.get(run)
        known = self.board.runs.get(run)
        if not self.preempt or facts is None or known is None or not facts.preemptible:
            return None
        item = self.demand.like
        if any(self.reclaim) and item.priority >= facts.priority and self._borrowed(run, gone):
            return BORROWED
        return facts.priority if item.priority - facts.priority >= PREEMPT_BAND else None

    def _borrowed(self, run: str, gone: Collection[str]) -> bool:
        """Whether the run holds what its project, or its tenant, took beyond its quota from the item's."""
        board, held = self.board, self.board.holdings.of[run]
        project = self.demand.like.project
        if held.project == project:
            return False
        within_tenant = held.tenant == project.split("/", 1)[0]
        if not self.reclaim[0 if within_tenant else 1]:
            return False
        beyond = board.beyond(held.project)[0 if within_tenant else 1]
        for other in gone:
            lent = board.holdings.of[other]
            same = lent.project == held.project if within_tenant else lent.tenant == held.tenant
            if same and other not in board.stopping:
                beyond -= lent.devices
        return beyond >= held.devices

    def worth(self, run: str) -> tuple[int, int, int, str]:
        """Of two runs the one with less is stopped."""
        facts = self.board.facts.get(run)
        tier = self.tier(run)
        if tier is None:
            tier = facts.priority if facts else 0
        return (tier, self.board.lost_device_ms(run), facts.priority if facts else 0, run)

    def gives(self, node: int, run: str) -> Room:
        """What a run gives back on a node."""
        load = self.board.nodes.loads[node].get(run)
        if load is None:
            return Room(0, 0, 0)
        whole = sum(1 for device in load.devices if self._alone(node, run, device))
        return Room(whole, load.cpu_milli, load.memory_bytes)

    def _alone(self, node: int, run: str, device: int) -> bool:
        load = self.board.nodes.loads[node][run]
        if device >= int(self.board.nodes.fleet.devices[node]):
            return False
        left = int(self.board.nodes.fleet.device_milli[node, device])
        return left + load.device_milli >= WHOLE_MILLI

    def further(self, node: int, gone: Sequence[str]) -> list[str] | None:
        """The runs that must go besides these for one member to fit on the node; None if it cannot."""
        board = self.board
        need = board.reserved.need(self.demand.shape, node)
        have = board.reserved.free(node).plus(board.reserved.later(node))
        for run in gone:
            have = have.plus(self.gives(node, run))
        candidates = [
            run
            for run in board.nodes.loads[node]
            if run not in gone
            and run not in board.reserved.claimed
            and (run in board.stopping or self.tier(run, gone) is not None)
        ]
        candidates.sort(key=lambda run: self._turn(node, run))
        found: list[str] = []
        given: list[Room] = []
        while not have.holds(need):
            if len(found) == len(candidates):
                return None
            run = candidates[len(found)]
            if run not in board.stopping and self.tier(run, [*gone, *found]) is None:
                # What was borrowed is back already; this one is within its quota.
                candidates.remove(run)
                continue
            found.append(run)
            given.append(self.gives(node, run))
            have = have.plus(given[-1])
        if found:
            # The last may be larger than what is missing: of those that do, the one with the least loss.
            *others, last = found
            have = have.less(given[-1])
            alike = [run for run in candidates if (run in board.stopping) == (last in board.stopping)]
            for run in sorted(alike, key=self.worth):
                if run not in board.stopping and self.tier(run, [*gone, *others]) is None:
                    continue
                if run not in others and have.plus(self.gives(node, run)).holds(need):
                    return [*others, run]
        return found

    def _turn(self, node: int, run: str) -> tuple[bool, int, int, int, str]:
        tier, lost, _, _ = self.worth(run)
        devices = self.gives(node, run).devices
        return (run not in self.board.stopping, tier, -devices, lost, run)

    def fits_without(self, node: int, runs: Iterable[str]) -> bool:
        """Whether one member fits on the node once these runs are gone."""
        have = self.board.reserved.free(node).plus(self.board.reserved.later(node))
        for run in runs:
            have = have.plus(self.gives(node, run))
        return have.holds(self.board.reserved.need(self.demand.shape, node))


def make_room(
    board: Board, demand: Demand, item: Pending, offers: Sequence[Offer], preempt: bool
) -> Claim | None:
    """The cheapest room that stopping or evicted runs would leave, kept for the item; or None."""
    if demand.shape.fractional:
        return None  # A part of a device is free soon enough; nothing is stopped for it.
    reclaim = _may_reclaim(board, item) if preempt else (False, False)
    least = board.nodes.least_tier_of_all
    if least != STOPPING_TIER and not (preempt and (any(reclaim) or least <= item.priority - PREEMPT_BAND)):
        return None  # There is nothing that stops or may be stopped.
    search = _Search(board, demand, preempt, reclaim)
    claims = [claim for offer in offers if (claim := _claim(search, offer)) is not None]
    if not claims:
        return None
    best = min(
        claims,
        key=lambda claim: (
            claim.tier,
            claim.lost_device_ms,
            len(claim.evict),
            claim.devices,
            len(claim.runs),
            claim.site != item.preferred_site,
            claim.site,
            claim.nodes,
        ),
    )
    _keep(search, best)
    for run in best.evict:
        board.evict(run)
    return best


def _may_reclaim(board: Board, item: Pending) -> tuple[bool, bool]:
    """Whether the item is within its project's quota, and its tenant's, and others are beyond theirs."""
    account = board.account(item)
    if account.project.quota_devices is None and account.tenant.quota_devices is None:
        return (False, False)
    claims, devices = board.reserved.claims, item.resources.devices_total
    project, tenant = board.beyond(item.project)
    others = [board.beyond(name) for name in board.accounts]
    return (
        account.project.quota_devices is not None
        and project + claims[item.project] + devices <= 0
        and any(beyond > 0 for beyond, _ in others),
        account.tenant.quota_devices is not None
        and tenant + claims[account.tenant.name] + devices <= 0
        and any(beyond > 0 for _, beyond in others),
    )


def evictions(board: Board, item: Pending, claim: Claim) -> Iterator[Eviction]:
    """The runs that a claim stops, with a sentence for each."""
    for run in claim.evict:
        priority = board.facts[run].priority
        if item.priority - priority >= PREEMPT_BAND:
            why = f"It has priority {priority} and makes room for priority {item.priority}"
        else:
            why = "It goes beyond a quota, and another needs what is within its own"
        yield Eviction(run, item.id, f"{why}; it goes on from its last checkpoint when there is room again.")


def _keep(search: _Search, claim: Claim) -> None:
    reserved = search.board.reserved
    kept = []
    for node in claim.nodes:
        need, free, later = (
            reserved.need(search.demand.shape, node),
            reserved.free(node),
            reserved.later(node),
        )
        given = later
        for run in claim.runs:
            given = given.plus(search.gives(node, run))
        # What is given back is taken first, so that what is free now may serve others.
        kept.append((node, free.less(need.less(given)), given.less(need)))
    reserved.claimed.update(claim.runs)
    item = search.demand.like
    for owner in (item.project, search.board.account(item).tenant.name):
        reserved.claims[owner] += item.resources.devices_total
    for node, spare, rest in kept:
        reserved.keep(node, 0, spare, rest)


def _claim(search: _Search, offer: Offer) -> Claim | None:
    board, members = search.board, search.demand.like.resources.nodes
    costs: dict[int, list[str]] = {}
    for node in _candidates(search, offer):
        further = search.further(node, ())
        if further is not None:
            costs[node] = further
    nodes: list[int] = []
    runs: list[str] = []
    while len(nodes) < members:
        if not costs:
            return None
        node = min(costs, key=lambda node: (_cost(search, costs[node]), node))
        chosen = costs.pop(node)
        nodes.append(node)
        runs += chosen
        touched = {other for run in chosen for other in board.nodes.on[run]} & costs.keys()
        if any(search.reclaim) and chosen:
            touched = set(costs)  # What may still be taken back changes everywhere.
        for other in sorted(touched):
            further = search.further(other, runs)
            if further is None:
                del costs[other]
            else:
                costs[other] = further
    for run in sorted(runs, key=lambda run: (run not in board.stopping, search.worth(run)), reverse=True):
        rest = [other for other in runs if other != run]
        if all(search.fits_without(node, rest) for node in nodes):
            runs = rest
    evict = sorted((run for run in runs if run not in board.stopping), key=search.worth)
    if not runs:
        return None
    tier, lost, _, devices, _ = _cost(search, evict)
    return Claim(offer.site, tuple(nodes), tuple(evict), tuple(sorted(runs)), tier, lost, devices)


def _cost(search: _Search, runs: Sequence[str]) -> tuple[int, int, int, int, int]:
    evict = [run for run in runs if run not in search.board.stopping]
    return (
        max((search.worth(run)[0] for run in evict), default=BORROWED - 1),
        sum(search.board.lost_device_ms(run) for run in evict),
        len(evict),
        sum(search.board.holdings.of[run].devices for run in evict),
        len(runs),
    )


def _candidates(search: _Search, offer: Offer) -> list[int]:
    """Nodes of an offer where enough might be free without everything that may go."""
    board, shape, priority = search.board, search.demand.shape, search.demand.like.priority
    nodes = board.nodes
    fleet = nodes.fleet
    of = nodes.groups[offer.group].nodes
    of = of[fleet.usable[of] & (fleet.devices[of] >= shape.devices)]
    if not any(search.reclaim):
        least = nodes.least_tier[of]
        with_room = board.scores.row(shape).key[of] != NO_ROOM
        going = least == STOPPING_TIER
        if search.preempt:
            going |= least <= priority - PREEMPT_BAND
        if not going.any():
            return []
        of = of[going | with_room]
    lacking = np.maximum(0, shape.devices - fleet.whole[of])
    order = np.lexsort((of, lacking))
    return [int(node) for node in of[order][:NODES_MAX]]
