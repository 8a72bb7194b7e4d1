"""Which sites and nodes would do for an item, and what refused the others.

The filters are tried in the order of ``ReasonCode``; the first that refuses speaks. Site rules look
at a site as a whole, offer rules at its nodes of one accelerator, for a gang never mixes
accelerators. It must never look at what is free just now: that is `placement`. The rules themselves
stand in `site_rules` and `offer_rules`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bruk.model.reason import ReasonCode
from bruk.model.snapshot import Pending
from bruk.scheduler.board import Board, SiteBoard
from bruk.scheduler.offer_rules import item_refusal, no_accelerator, offer_refusal
from bruk.scheduler.refusal import Refusal
from bruk.scheduler.room import Room
from bruk.scheduler.site_rules import SITE_RULES


@dataclass(frozen=True, slots=True)
class Offer:
    """Nodes of one accelerator at one site that would do if nothing else ran there."""

    site: SiteBoard
    accelerator: str
    rooms: Sequence[Room]
    price_microeur: int


@dataclass(slots=True)
class Verdict:
    """What the filters say of one site.

    Attributes:
        refusal: of the offer that came furthest; None while offers are left.
        nodes_refused: nodes that each filter took out.
    """

    site: str
    nodes_total: int
    refusal: Refusal | None = None
    nodes_refused: dict[ReasonCode, int] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)

    def refuse_nodes(self, code: ReasonCode, nodes: int) -> None:
        """Count nodes as taken out by this filter."""
        if nodes:
            self.nodes_refused[code] = self.nodes_refused.get(code, 0) + nodes


def examine(board: Board, item: Pending) -> list[Verdict]:
    """One verdict per site, sorted by name.

    Raises:
        SnapshotIncomplete: the item's project has no account.
    """
    whole = item_refusal(board, item)
    return [_examine_site(board, item, board.sites[name], whole) for name in sorted(board.sites)]


def _examine_site(board: Board, item: Pending, site: SiteBoard, whole: Refusal | None) -> Verdict:
    verdict = Verdict(site.site.name, len(site.rooms))
    for rule in SITE_RULES:
        refusal = rule(board, item, site)
        if refusal is not None:
            verdict.refusal = refusal
            verdict.refuse_nodes(refusal.code, verdict.nodes_total)
            return verdict
    names = [
        name
        for name in sorted(site.by_accelerator)
        if not item.resources.accelerators or name in item.resources.accelerators
    ]
    offered = sum(len(site.by_accelerator[name]) for name in names)
    verdict.refuse_nodes(ReasonCode.ACCELERATOR, verdict.nodes_total - offered)
    if not names:
        verdict.refusal = no_accelerator(item, site)
        return verdict
    furthest: tuple[int, int] | None = None
    for name in names:
        rooms = site.by_accelerator[name]
        price_microeur = board.price_microeur(name)
        refusal = offer_refusal(board, item, site, name, rooms, price_microeur) or whole
        if refusal is None:
            assert price_microeur is not None
            usable = [room for room in rooms if room.usable]
            large = [room for room in usable if room.large_enough(item.resources)]
            verdict.refuse_nodes(ReasonCode.NODE_HEALTH, len(rooms) - len(usable))
            verdict.refuse_nodes(ReasonCode.TOO_LARGE, len(usable) - len(large))
            verdict.offers.append(Offer(site, name, large, price_microeur))
            continue
        verdict.refuse_nodes(refusal.code, len(rooms))
        # Of two offers refused by the same filter the cheaper one is worth advice.
        rank = (refusal.rank, -(price_microeur or 0))
        if furthest is None or rank > furthest:
            furthest = rank
            verdict.refusal = refusal
    if verdict.offers:
        verdict.refusal = None
    return verdict
