"""The filters that look at a site as a whole: law, choice, holds, connection, network; and isolation.

Each rule returns None or a refusal with the advice that gets the item past this rule. It must never
look at nodes: that is `offer_rules`.
"""

from collections import Counter
from collections.abc import Callable

from bruk.model.egress import inside, uncovered
from bruk.model.reason import ReasonCode
from bruk.model.site import Isolation
from bruk.model.snapshot import Pending, SiteState
from bruk.model.switch import Hold, HoldScope
from bruk.scheduler.board import Board
from bruk.scheduler.refusal import Refusal


def _residency(board: Board, item: Pending, site: SiteState) -> Refusal | None:
    place = site.site
    rule = board.account(item).residency.refusal(place.country, place.operator, place.name)
    if rule is None:
        return None
    return Refusal(
        ReasonCode.RESIDENCY,
        f"residency refuses it: {rule}",
        f"Have the residency of project {item.project} and of its tenant allow site {place.name}"
        f" (country {place.country}{f', operator {place.operator}' if place.operator else ''}) with"
        " 'bruk project set' and 'bruk tenant set', or add a site that they allow with 'bruk site add'.",
    )


def _site_choice(board: Board, item: Pending, site: SiteState) -> Refusal | None:
    if not item.sites or site.site.name in item.sites:
        return None
    return Refusal(
        ReasonCode.SITE_CHOICE,
        f"the workload asks for {' or '.join(item.sites)} only",
        f"Submit it with {site.site.name} among its sites ('--site {site.site.name}'), or without naming"
        " sites.",
    )


def _held(board: Board, item: Pending, site: SiteState) -> Refusal | None:
    tenant = board.account(item).tenant.name
    standing = [hold for hold in board.standing if hold.covers(site.site.name, tenant, item.model)]
    if not standing:
        return None
    return Refusal(
        ReasonCode.HELD,
        f"it is switched off (hold on {', '.join(_what(hold) for hold in standing)})",
        f"Have {', '.join(hold.id for hold in standing)} released by who may:"
        f" {', and '.join(_release(hold) for hold in standing)}.",
    )


def _what(hold: Hold) -> str:
    if hold.scope is HoldScope.LOCAL:
        return f"site {hold.target}, by hand"
    return "the platform" if hold.scope is HoldScope.PLATFORM else f"{hold.scope.value} {hold.target}"


def _release(hold: Hold) -> str:
    """The command that releases a hold, and where it must be given."""
    if hold.scope is HoldScope.LOCAL:
        return f"'bruk on --local --site {hold.target}' by hand at the site"
    return f"'bruk on {'platform' if hold.scope is HoldScope.PLATFORM else _what(hold)}'"


def _site_away(board: Board, item: Pending, site: SiteState) -> Refusal | None:
    if site.connected:
        return None
    return Refusal(
        ReasonCode.SITE_AWAY,
        "its agent does not answer",
        f"Start the agent of site {site.site.name} there ('bruk up', or 'bruk agent --site"
        f" {site.site.name}'), or bring back its connection.",
    )


def _network(board: Board, item: Pending, site: SiteState) -> Refusal | None:
    if not item.network:
        return None
    place = site.site
    refused = uncovered(place.network, item.network)
    if place.isolation is not Isolation.SANDBOX:
        allow = f" and allow {', '.join(refused)} in BRUK_EGRESS" if refused else ""
        return Refusal(
            ReasonCode.NETWORK,
            "the job declares destinations on the network, and nothing there would keep its run to them",
            f"Have the operator of site {place.name} keep runs in sandboxes (BRUK_ISOLATION=sandbox){allow},"
            " or submit it without 'network'.",
        )
    if not refused:
        return None
    return Refusal(
        ReasonCode.NETWORK,
        f"its operator lets no job reach {', '.join(refused)}",
        f"Have the operator of site {place.name} allow {', '.join(refused)} in BRUK_EGRESS, or submit it"
        f" without them under 'network'.{_warning(refused)}",
    )


def _warning(destinations: list[str]) -> str:
    """A word to the operator where a destination is no place of the world's."""
    near = [f"{item} is {what}" for item in destinations if (what := inside(item))]
    if not near:
        return ""
    return (
        f" Operators, beware: {'; '.join(near)}. Every tenant's jobs could reach it, and what listens there"
        " must be safe against them."
    )


def isolation(board: Board, item: Pending, site: SiteState) -> Refusal | None:
    """What refuses a second tenant where nothing keeps two apart; asked each time, for runs come and go."""
    if site.site.name not in board.unkept:
        return None
    tenant = board.account(item).tenant.name
    there = board.holdings.site_tenants.get(site.site.name, Counter[str]())
    if not any(devices for other, devices in there.items() if other != tenant):
        return None
    return Refusal(
        ReasonCode.ISOLATION,
        "another tenant's work runs there and the site cannot keep two tenants apart",
        f"Wait until the other tenant's work at {site.site.name} has ended, give the site an engine that"
        " isolates runs, or have the operator accept in writing that tenants share it:"
        f" 'bruk site set {site.site.name} --accept-no-isolation SENTENCE'.",
    )


SiteRule = Callable[[Board, Pending, SiteState], Refusal | None]

SITE_RULES: tuple[SiteRule, ...] = (_residency, _site_choice, _held, _site_away, _network)
