"""The reason of a class of waiting items, put together from what the filters said of each site.

The decisive refusal is that of the site that came furthest, since its advice brings the item
nearest to a start; of equals the site of the checkpoint, then the first by name. It must never
refer to another tenant's work by identifier: reasons are read by tenants.

What was said of a class is said again for as long as nothing that it speaks of has changed.
"""

from collections.abc import Sequence
from dataclasses import replace

from bruk.model.reason import Reason, ReasonCode, SiteRefusal
from bruk.model.snapshot import Pending
from bruk.scheduler import defer
from bruk.scheduler.amount import count
from bruk.scheduler.board import Board
from bruk.scheduler.demand import Demand, Key
from bruk.scheduler.filters import Filters, Verdict
from bruk.scheduler.nodes import NEVER_MS
from bruk.scheduler.placement import open_counts
from bruk.scheduler.refusal import Refusal
from bruk.scheduler.site_rules import isolation


class Reasons:
    """What each class was told last, and the numbers that this spoke of."""

    def __init__(self) -> None:
        self._told: dict[Key, tuple[tuple[object, ...], Reason]] = {}

    def of(self, board: Board, filters: Filters, demand: Demand) -> Reason:
        """Why the class waits; sites with offers left lack room."""
        numbers = _numbers(board, filters, demand)
        told = self._told.get(demand.key)
        if told is None or told[0] != numbers:
            told = (numbers, explain(board, filters, demand))
            self._told[demand.key] = told
        return told[1]

    def forget(self, kept: set[Key]) -> None:
        """Forget all classes but these."""
        if len(self._told) > 2 * len(kept) + 64:
            self._told = {key: told for key, told in self._told.items() if key in kept}


def _numbers(board: Board, filters: Filters, demand: Demand) -> tuple[object, ...]:
    """All that a reason depends on beside the law: nothing else may change what it says."""
    item = demand.like
    account = board.account(item)
    owners = (account.project, account.tenant)
    numbers: list[object] = [
        board.law,
        *((owner.quota_devices, owner.borrow_devices) for owner in owners),
        board.holdings.project_devices[item.project] if owners[0].quota_devices is not None else 0,
        board.holdings.tenant_devices[account.tenant.name] if owners[1].quota_devices is not None else 0,
        board.budget_left_microeur[item.project],
        board.grant_left_device_ms.get(account.tenant.name),
        board.now_ms if item.not_before_ms > board.now_ms or item.deadline_at_ms is not None else 0,
    ]
    left = open_counts(board, demand)
    for verdict in filters.lasting(board, demand):
        if board.sites[verdict.site].site.power_limits:
            limits = board.sites[verdict.site].site
            until_ms = board.now_ms if item.preemptible else board.ends_ms(item)
            numbers.append(limits.least_power_limit_w(board.now_ms, until_ms))
            numbers.append(board.holdings.site_power_uw[verdict.site])
        if verdict.own and verdict.site in board.unkept:
            numbers.append(isolation(board, item, board.sites[verdict.site]) is None)
        for offer in verdict.offers:
            group = offer.group
            soonest_ms = board.scores.soonest_ms(demand.shape, item.resources.nodes, group)
            soonest_ms = soonest_ms if soonest_ms > board.now_ms else 0
            numbers.append((left[group], board.reserved.in_group(group), soonest_ms))
    return tuple(numbers)


def explain(board: Board, filters: Filters, demand: Demand) -> Reason:
    """The reason, from the verdicts of all sites."""
    item, verdicts = demand.like, list(filters.verdicts(board, demand))
    refusals = [(verdict, verdict.refusal or _capacity(board, demand, verdict)) for verdict in verdicts]
    sites = [
        SiteRefusal(
            verdict.site,
            refusal.code,
            refusal.detail,
            verdict.nodes_total,
            _nodes_refused(board, demand, verdict),
        )
        for verdict, refusal in refusals
    ]
    sites += [
        SiteRefusal(name, ReasonCode.SITE_CHOICE, "there is no such site")
        for name in sorted(set(item.sites) - board.sites.keys())
    ]
    if not refusals:
        return Reason(
            ReasonCode.SITE_AWAY,
            "It waits because no site is known.",
            "Add a site that its residency and its own choice of sites allow, and start its agent.",
            tuple(sites),
        )
    _, decisive = max(
        refusals,
        # Sites come sorted by name and max keeps the first of equals.
        key=lambda pair: (pair[1].rank, pair[0].site == item.preferred_site),
    )
    return Reason(
        decisive.code,
        _summary(item, decisive.code, sites),
        decisive.advice,
        tuple(sites),
        _not_before_ms(board, filters, demand, decisive.code),
        _room_by_ms(board, demand, verdicts) if decisive.code is ReasonCode.CAPACITY else None,
    )


def _not_before_ms(board: Board, filters: Filters, demand: Demand, code: ReasonCode) -> int | None:
    if code is ReasonCode.BACKOFF:
        return demand.like.not_before_ms
    if code is ReasonCode.DEFERRED:
        return defer.first_start_ms(demand.like, filters.sites(board, demand), board.now_ms)
    return None


def with_remedy(reason: Reason, clause: str, room_by_ms: int | None = None) -> Reason:
    """The reason, with what the plan itself does about it added to its summary."""
    summary = f"{reason.summary.removesuffix('.')}; {clause}."
    return replace(reason, summary=summary, room_by_ms=room_by_ms or reason.room_by_ms)


def _room_by_ms(board: Board, demand: Demand, verdicts: Sequence[Verdict]) -> int | None:
    """When there are devices enough by the time limits of what runs [ms]."""
    soonest_ms = min(
        (
            board.scores.soonest_ms(demand.shape, demand.like.resources.nodes, offer.group)
            for verdict in verdicts
            for offer in verdict.offers
        ),
        default=NEVER_MS,
    )
    return soonest_ms if board.now_ms < soonest_ms < NEVER_MS else None


def _summary(item: Pending, code: ReasonCode, sites: Sequence[SiteRefusal]) -> str:
    """One sentence: what the sites that came furthest say, or what all say when it is the law."""
    if code is ReasonCode.RESIDENCY:
        said = [site for site in sites if site.code is code] or list(sites)
        return f"The residency of project {item.project} allows no site: {_join(said)}."
    if code is ReasonCode.SITE_CHOICE:
        said = [site for site in sites if site.site in item.sites]
        return f"None of the sites that it asks for will do: {_join(said)}."
    said = [site for site in sites if site.code is code]
    return f"It waits because {_join(said)}."


def _join(sites: Sequence[SiteRefusal]) -> str:
    return "; ".join(f"at {site.site} {site.detail}" for site in sites)


def _capacity(board: Board, demand: Demand, verdict: Verdict) -> Refusal:
    resources = demand.like.resources
    left = open_counts(board, demand)
    room = sum(left[offer.group] for offer in verdict.offers)
    would = sum(offer.would for offer in verdict.offers)
    kept = any(board.reserved.in_group(offer.group) for offer in verdict.offers)
    detail = (
        f"{count(room, 'node')} of the {would} that would do have room for"
        f" {count(resources.devices, 'device')}, {count(resources.nodes, 'node')} being needed"
        + (", some room being kept for work that is ahead" if kept else "")
    )
    return Refusal(
        ReasonCode.CAPACITY,
        detail,
        f"Wait until work at {verdict.site} ends, or have nodes added there.",
    )


def _nodes_refused(board: Board, demand: Demand, verdict: Verdict) -> dict[ReasonCode, int]:
    refused = dict(verdict.nodes_refused)
    left = open_counts(board, demand)
    full = sum(offer.would - left[offer.group] for offer in verdict.offers)
    if full:
        refused[ReasonCode.CAPACITY] = full
    return {code: refused[code] for code in ReasonCode if code in refused}
