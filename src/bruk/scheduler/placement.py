"""Where an item that may run goes: the candidates among what is free now, best first.

A rule gives each node a score, lower is better; a gang scores the sum of its nodes and stays in one
domain where it can. Ties go by price, then by the names of site and nodes. It must never break a
gang over sites or accelerators. Look next at `decide`.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bruk.model.plan import Candidate, Placement
from bruk.model.reason import ReasonCode
from bruk.model.run import DeviceSet
from bruk.model.snapshot import Pending
from bruk.scheduler.filters import Offer, Verdict
from bruk.scheduler.room import Room

LEADING_COUNT = 3

# What each domain beyond the first adds to a gang's score: more than any sum of free devices.
SPREAD_SCORE = 1_000_000

Rule = Callable[[Room, int], int]


def bestfit(room: Room, devices: int) -> int:
    """Free devices that would be left over on the node."""
    return room.open_devices - devices


PLACEMENTS: dict[str, Rule] = {"bestfit": bestfit}


@dataclass(frozen=True, slots=True)
class Choice:
    """Nodes that would do now, and their score."""

    offer: Offer
    rooms: tuple[Room, ...]
    score: int

    @property
    def site(self) -> str:
        return self.offer.site.site.name

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(room.node.name for room in self.rooms)


def choose(item: Pending, verdicts: Iterable[Verdict], rule: Rule) -> Placement | None:
    """The best placement, or None when nothing that would do is free.

    The site where the item's checkpoint is goes first; then the lowest score.
    """
    kept_verdicts = list(verdicts)
    every = (
        choice
        for verdict in kept_verdicts
        for offer in verdict.offers
        for choice in _choices(item, offer, rule)
    )
    best = heapq.nsmallest(LEADING_COUNT, every, key=lambda choice: _rank(item, choice))
    if not best:
        return None
    chosen = best[0]
    filtered: dict[ReasonCode, int] = {}
    for verdict in kept_verdicts:
        full = sum(1 for offer in verdict.offers for room in offer.rooms if not room.fits(item.resources))
        for code, nodes in (*verdict.nodes_refused.items(), (ReasonCode.CAPACITY, full)):
            if nodes:
                filtered[code] = filtered.get(code, 0) + nodes
    return Placement(
        pending=item.id,
        workload=item.workload,
        site=chosen.site,
        accelerator=chosen.offer.accelerator,
        devices=tuple(
            DeviceSet(room.node.name, room.pick(item.resources.devices))
            for room in sorted(chosen.rooms, key=lambda room: room.node.name)
        ),
        filtered={code: filtered[code] for code in ReasonCode if code in filtered},
        leading=tuple(Candidate(choice.site, choice.names, choice.score) for choice in best),
    )


def _rank(item: Pending, choice: Choice) -> tuple[bool, int, int, str, tuple[str, ...]]:
    preferred = choice.site == item.preferred_site
    return (not preferred, choice.score, choice.offer.price_microeur, choice.site, choice.names)


def _choices(item: Pending, offer: Offer, rule: Rule) -> Iterator[Choice]:
    resources = item.resources
    scored = [
        (rule(room, resources.devices), room.node.name, room) for room in offer.rooms if room.fits(resources)
    ]
    if len(scored) < resources.nodes:
        return
    if resources.nodes == 1:
        for score, _, room in scored:
            yield Choice(offer, (room,), score)
        return
    scored.sort(key=lambda entry: entry[:2])
    domains: dict[str, list[tuple[int, str, Room]]] = {}
    for entry in scored:
        domains.setdefault(entry[2].node.domain, []).append(entry)
    whole = [members for members in domains.values() if len(members) >= resources.nodes]
    for members in whole or [scored]:
        taken = members[: resources.nodes]
        spread = len({room.node.domain for _, _, room in taken}) - 1
        score = sum(score for score, _, _ in taken) + spread * SPREAD_SCORE
        yield Choice(offer, tuple(room for _, _, room in taken), score)
