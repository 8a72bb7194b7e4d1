"""Which sites and nodes would do for a class of requests, and what refused the others.

The filters are tried in the order of ``ReasonCode``; the first that refuses speaks. Site rules look
at a site as a whole, offer rules at its nodes of one accelerator, for a gang never mixes
accelerators. What depends on law, holds, nodes and prices alone is kept for the class until one of
them changes; what depends on counts (isolation, budget, grant, quota, time) is asked each time. It must
never look at what is free just now: that is `placement`. The rules themselves stand in `site_rules`
and `offer_rules`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from bruk.model.reason import ReasonCode
from bruk.model.snapshot import SiteState
from bruk.scheduler import defer
from bruk.scheduler.board import Board
from bruk.scheduler.demand import Demand, Key
from bruk.scheduler.offer_rules import budget_refusal, item_refusal, no_accelerator, offer_refusal
from bruk.scheduler.power import power_refusal
from bruk.scheduler.refusal import Refusal
from bruk.scheduler.site_rules import SITE_RULES, isolation


@dataclass(frozen=True, slots=True)
class Offer:
    """Nodes of one accelerator at one site that would do if nothing else ran there.

    Attributes:
        group: number of the group of nodes.
        would: how many of them.
    """

    site: str
    group: int
    accelerator: str
    would: int
    price_microeur: int


@dataclass(slots=True)
class Verdict:
    """What the filters say of one site.

    Attributes:
        refusal: of the offer that came furthest; None while offers are left.
        nodes_refused: nodes that each filter took out.
        own: every filter up to isolation let it pass.
    """

    site: str
    nodes_total: int
    refusal: Refusal | None = None
    nodes_refused: dict[ReasonCode, int] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)
    own: bool = True

    def refuse_nodes(self, code: ReasonCode, nodes: int) -> None:
        """Count nodes as taken out by this filter."""
        if nodes:
            self.nodes_refused[code] = self.nodes_refused.get(code, 0) + nodes


class Filters:
    """The verdicts of every class, kept while they hold."""

    def __init__(self) -> None:
        self._law = -1
        self._kept: dict[Key, list[Verdict]] = {}
        self._offers: dict[Key, list[Offer]] = {}

    def lasting(self, board: Board, demand: Demand) -> list[Verdict]:
        """One verdict per site, sorted by name, without what depends on counts; for reading.

        Raises:
            SnapshotIncomplete: the class's project has no account.
        """
        if self._law != board.law:
            self._law = board.law
            self._kept.clear()
            self._offers.clear()
        found = self._kept.get(demand.key)
        if found is None:
            found = [_examine(board, demand, name) for name in sorted(board.sites)]
            self._kept[demand.key] = found
            self._offers[demand.key] = [offer for verdict in found for offer in verdict.offers]
        return found

    def offers(self, board: Board, demand: Demand) -> list[Offer]:
        """Every offer that no filter refuses now."""
        if item_refusal(board, demand.like) is not None:
            return []
        found = self._affordable(board, demand)
        later = self._later(board, demand)
        return [
            offer
            for offer in found
            if offer.site not in later
            and power_refusal(board, demand.like, offer.site, offer.accelerator) is None
        ]

    def sites(self, board: Board, demand: Demand) -> list[SiteState]:
        """Sites with an offer that nothing but time refuses."""
        return [board.sites[name] for name in sorted({o.site for o in self._affordable(board, demand)})]

    def _affordable(self, board: Board, demand: Demand) -> list[Offer]:
        """Offers that neither law nor isolation nor budget refuses."""
        self.lasting(board, demand)
        found = self._offers[demand.key]
        if board.unkept:
            apart = {name for name in board.unkept if isolation(board, demand.like, board.sites[name])}
            found = [offer for offer in found if offer.site not in apart]
        if board.budget_left_microeur[demand.like.project] is not None:
            found = [
                offer
                for offer in found
                if budget_refusal(board, demand.like, offer.accelerator, offer.price_microeur) is None
            ]
        return found

    def _later(self, board: Board, demand: Demand) -> dict[str, Refusal]:
        """What keeps a class that has time from starting now, by site."""
        if demand.like.deadline_at_ms is None:
            return {}
        return defer.refusals(demand.like, self.sites(board, demand), board.now_ms)

    def nodes_refused(self, board: Board, demand: Demand) -> Counter[ReasonCode]:
        """How many nodes each filter takes out now, over all sites."""
        refused: Counter[ReasonCode] = Counter()
        for verdict in self.verdicts(board, demand):
            refused.update(verdict.nodes_refused)
        return refused

    def verdicts(self, board: Board, demand: Demand) -> Iterator[Verdict]:
        """One whole verdict per site, sorted by name, with what depends on counts."""
        whole = item_refusal(board, demand.like)
        later = self._later(board, demand)
        for lasting in self.lasting(board, demand):
            if not lasting.own:
                yield lasting
                continue
            apart = isolation(board, demand.like, board.sites[lasting.site])
            if apart is not None:
                refused = {apart.code: lasting.nodes_total} if lasting.nodes_total else {}
                yield Verdict(lasting.site, lasting.nodes_total, apart, refused)
                continue
            yield _counted(board, demand, lasting, whole, later.get(lasting.site))


def _counted(
    board: Board, demand: Demand, lasting: Verdict, whole: Refusal | None, later: Refusal | None
) -> Verdict:
    """The verdict with budget, with what is the same at every site, with power and with time."""
    verdict = Verdict(lasting.site, lasting.nodes_total, None, dict(lasting.nodes_refused))
    furthest: tuple[int, int] | None = None
    if lasting.refusal is not None:
        furthest = (lasting.refusal.rank, 0)
        verdict.refusal = lasting.refusal
    for offer in lasting.offers:
        price_microeur = offer.price_microeur
        refusal = (
            budget_refusal(board, demand.like, offer.accelerator, price_microeur)
            or whole
            or power_refusal(board, demand.like, offer.site, offer.accelerator)
            or later
        )
        if refusal is None:
            verdict.offers.append(offer)
            continue
        verdict.refuse_nodes(refusal.code, offer.would)
        # Of two offers refused by the same filter the cheaper one is worth advice.
        rank = (refusal.rank, -price_microeur)
        if furthest is None or rank > furthest:
            furthest, verdict.refusal = rank, refusal
    if verdict.offers:
        verdict.refusal = None
    return verdict


def _examine(board: Board, demand: Demand, name: str) -> Verdict:
    item, state = demand.like, board.sites[name]
    verdict = Verdict(name, len(state.nodes))
    for rule in SITE_RULES:
        refusal = rule(board, item, state)
        if refusal is not None:
            verdict.refusal, verdict.own = refusal, False
            verdict.refuse_nodes(refusal.code, verdict.nodes_total)
            return verdict
    every = board.nodes.of_site.get(name, ())
    asked = item.resources.accelerators
    wanted = [(number, group) for number, group in every if not asked or group.accelerator in asked]
    offered = sum(len(group.nodes) for _, group in wanted)
    verdict.refuse_nodes(ReasonCode.ACCELERATOR, verdict.nodes_total - offered)
    if not wanted:
        verdict.refusal = no_accelerator(item, name, [group.accelerator for _, group in every])
        return verdict
    furthest: tuple[int, int] | None = None
    usable_by_group, _ = board.scores.would(demand.shape)
    for number, group in wanted:
        price_microeur = board.price_microeur(group.accelerator)
        refusal = offer_refusal(board, demand, group, number, price_microeur)
        if refusal is None:
            assert price_microeur is not None
            usable = board.nodes.usable[number]
            would = int(usable_by_group[number])
            verdict.refuse_nodes(ReasonCode.NODE_HEALTH, len(group.nodes) - usable)
            verdict.refuse_nodes(ReasonCode.TOO_LARGE, usable - would)
            verdict.offers.append(Offer(name, number, group.accelerator, would, price_microeur))
            continue
        verdict.refuse_nodes(refusal.code, len(group.nodes))
        rank = (refusal.rank, -(price_microeur or 0))
        if furthest is None or rank > furthest:
            furthest, verdict.refusal = rank, refusal
    return verdict
