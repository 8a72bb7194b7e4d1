"""The filters that look at a site as a whole: law, choice, holds, connection, isolation.

Each rule returns None or a refusal with the advice that gets the item past this rule. It must never
look at nodes: that is `offer_rules`.
"""

from collections.abc import Callable

from bruk.model.reason import ReasonCode
from bruk.model.site import Isolation
from bruk.model.snapshot import Pending
from bruk.model.switch import HoldScope
from bruk.scheduler.board import Board, SiteBoard
from bruk.scheduler.refusal import Refusal


def _residency(board: Board, item: Pending, site: SiteBoard) -> Refusal | None:
    place = site.site
    rule = board.account(item).residency.refusal(place.country, place.operator, place.name)
    if rule is None:
        return None
    return Refusal(
        ReasonCode.RESIDENCY,
        f"residency refuses it: {rule}",
        f"Have the residency of project {item.project} and of its tenant allow site {place.name}"
        f" (country {place.country}, operator {place.operator}), or add a site that they allow.",
    )


def _site_choice(board: Board, item: Pending, site: SiteBoard) -> Refusal | None:
    if not item.sites or site.site.name in item.sites:
        return None
    return Refusal(
        ReasonCode.SITE_CHOICE,
        f"the workload asks for {' or '.join(item.sites)} only",
        f"Submit it with {site.site.name} among its sites, or without naming sites.",
    )


def _held(board: Board, item: Pending, site: SiteBoard) -> Refusal | None:
    tenant = board.account(item).tenant.name
    standing = [hold for hold in board.holds if hold.covers(site.site.name, tenant, item.model)]
    if not standing:
        return None
    what = ", ".join(
        "the platform" if hold.scope is HoldScope.PLATFORM else f"{hold.scope.value} {hold.target}"
        for hold in standing
    )
    local = any(hold.scope is HoldScope.LOCAL for hold in standing)
    return Refusal(
        ReasonCode.HELD,
        f"it is switched off (hold on {what})",
        f"Have {', '.join(hold.id for hold in standing)} released"
        + (", the local one by hand at the site." if local else " by who may."),
    )


def _site_away(board: Board, item: Pending, site: SiteBoard) -> Refusal | None:
    if site.connected:
        return None
    return Refusal(
        ReasonCode.SITE_AWAY,
        "its agent does not answer",
        f"Start the agent of site {site.site.name}, or bring back its connection.",
    )


def _isolation(board: Board, item: Pending, site: SiteBoard) -> Refusal | None:
    if site.site.isolation is not Isolation.NONE or site.site.isolation_accepted:
        return None
    tenant = board.account(item).tenant.name
    if not any(devices for other, devices in site.tenants.items() if other != tenant):
        return None
    return Refusal(
        ReasonCode.ISOLATION,
        "another tenant's work runs there and the site cannot keep two tenants apart",
        f"Wait until the other tenant's work at {site.site.name} has ended, give the site an engine that"
        " isolates runs, or have the operator accept in writing that tenants share it.",
    )


SiteRule = Callable[[Board, Pending, SiteBoard], Refusal | None]

SITE_RULES: tuple[SiteRule, ...] = (_residency, _site_choice, _held, _site_away, _isolation)
