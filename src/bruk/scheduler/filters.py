"""Which sites and nodes would do for an item, and what refused the others.

The filters are tried in the order of ``ReasonCode``; the first that refuses speaks. Site filters
look at a site as a whole, offer filters at its nodes of one accelerator, for a gang never mixes
accelerators. Each refusal is written next to its rule: what is the case, and the advice that gets
the item past this filter. It must never look at what is free just now: that is `placement`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bruk.model.ledger import PRICED_QUANTITY, Resource
from bruk.model.reason import ReasonCode
from bruk.model.site import Isolation
from bruk.model.snapshot import Pending
from bruk.model.switch import HoldScope
from bruk.scheduler.amount import count, euros
from bruk.scheduler.board import Board, SiteBoard, upper_bound_microeur, use_bound_device_ms
from bruk.scheduler.room import Room

CODES = tuple(ReasonCode)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What one filter says.

    Attributes:
        detail: what is the case, as a clause without a capital or a full stop.
        advice: one or more sentences; following them gets the item past this filter.
    """

    code: ReasonCode
    detail: str
    advice: str

    @property
    def rank(self) -> int:
        """How far the item came; higher is further."""
        return CODES.index(self.code)


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
    whole = _item_refusal(board, item)
    return [_examine_site(board, item, board.sites[name], whole) for name in sorted(board.sites)]


def _examine_site(board: Board, item: Pending, site: SiteBoard, whole: Refusal | None) -> Verdict:
    verdict = Verdict(site.site.name, len(site.rooms))
    for site_filter in SITE_FILTERS:
        refusal = site_filter(board, item, site)
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
        verdict.refusal = _accelerator(item, site)
        return verdict
    furthest: tuple[int, int] | None = None
    for name in names:
        rooms = site.by_accelerator[name]
        price_microeur = board.price_microeur(name)
        refusal = _offer_refusal(board, item, site, name, rooms, price_microeur) or whole
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


SiteFilter = Callable[[Board, Pending, SiteBoard], Refusal | None]

SITE_FILTERS: tuple[SiteFilter, ...] = (_residency, _site_choice, _held, _site_away, _isolation)


def _accelerator(item: Pending, site: SiteBoard) -> Refusal:
    asked = " or ".join(item.resources.accelerators) or "any accelerator"
    there = ", ".join(sorted(site.by_accelerator))
    if not there:
        return Refusal(
            ReasonCode.ACCELERATOR, "the site has no nodes", f"Add nodes with {asked} to {site.site.name}."
        )
    return Refusal(
        ReasonCode.ACCELERATOR,
        f"no node has {asked}, only {there}",
        f"Submit it for one of: {there}; or without naming accelerators; or add nodes with {asked}.",
    )


def _offer_refusal(
    board: Board,
    item: Pending,
    site: SiteBoard,
    accelerator: str,
    rooms: Sequence[Room],
    price_microeur: int | None,
) -> Refusal | None:
    """The first refusal among node health, size, price, budget and grant."""
    refusal = _node_health(item, site, accelerator, rooms) or _too_large(item, accelerator, rooms)
    if refusal is not None:
        return refusal
    if price_microeur is None:
        return Refusal(
            ReasonCode.PRICE,
            f"{accelerator} has no price",
            f"Have the operator set a price for device time of {accelerator}.",
        )
    return _budget(board, item, accelerator, price_microeur)


def _node_health(item: Pending, site: SiteBoard, accelerator: str, rooms: Sequence[Room]) -> Refusal | None:
    resources = item.resources
    usable = [room for room in rooms if room.usable]
    large = sum(1 for room in usable if room.large_enough(resources))
    large_of_all = sum(1 for room in rooms if room.large_enough(resources))
    if large >= resources.nodes or (usable and large_of_all < resources.nodes):
        return None
    drained = sum(1 for room in rooms if room.node.drained)
    ill = len(rooms) - len(usable)
    return Refusal(
        ReasonCode.NODE_HEALTH,
        f"{ill} of {count(len(rooms), 'node')} with {accelerator} are drained or unhealthy",
        f"Have the nodes with {accelerator} at {site.site.name} repaired"
        + (" and put back to work." if drained else "."),
    )


def _too_large(item: Pending, accelerator: str, rooms: Sequence[Room]) -> Refusal | None:
    resources = item.resources
    usable = [room for room in rooms if room.usable]
    large = sum(1 for room in usable if room.large_enough(resources))
    if large >= resources.nodes:
        return None
    largest = max(usable, key=lambda room: (room.node.devices, room.node.cpu_milli, room.node.memory_bytes))
    devices = min(resources.devices, largest.node.devices)
    cpu_milli = min(resources.cpu_milli, largest.node.cpu_milli)
    memory_bytes = min(resources.memory_bytes, largest.node.memory_bytes)
    nodes = sum(
        1
        for room in usable
        if room.node.devices >= devices
        and room.node.cpu_milli >= cpu_milli
        and room.node.memory_bytes >= memory_bytes
    )
    beside = ""
    if cpu_milli < resources.cpu_milli or memory_bytes < resources.memory_bytes:
        beside = f", {cpu_milli} thousandths of a core and {memory_bytes} bytes of memory each"
    return Refusal(
        ReasonCode.TOO_LARGE,
        f"{count(large, 'usable node')} with {accelerator} could ever hold a member of the gang of"
        f" {resources.nodes} x {count(resources.devices, 'device')}",
        f"Ask for at most {min(nodes, resources.nodes)} x {count(devices, 'device')} of {accelerator}"
        f"{beside}.",
    )


def _budget(board: Board, item: Pending, accelerator: str, price_microeur: int) -> Refusal | None:
    left_microeur = board.budget_left_microeur[item.project]
    bound_microeur = upper_bound_microeur(item, price_microeur)
    if left_microeur is not None and left_microeur < bound_microeur:
        per_ms = price_microeur * item.resources.devices_total
        affordable_s = (
            left_microeur * PRICED_QUANTITY[Resource.DEVICE_TIME] // per_ms // 1000 if per_ms else 0
        )
        shorter = f", or lower its time limit to at most {affordable_s} s" if affordable_s > 0 else ""
        return Refusal(
            ReasonCode.BUDGET,
            f"on {accelerator} it may cost {euros(bound_microeur)} and {euros(left_microeur)} of the budget"
            " is left",
            f"Have the budget of project {item.project} or its tenant raised so that"
            f" {euros(bound_microeur)} are left{shorter}.",
        )
    return None


def _item_refusal(board: Board, item: Pending) -> Refusal | None:
    """The first refusal among grant, quota, back-off and inputs, which are the same at every site."""
    account = board.account(item)
    need_device_ms = use_bound_device_ms(item)
    grant_device_ms = board.grant_left_device_ms[item.project]
    if grant_device_ms is not None and grant_device_ms < need_device_ms:
        return Refusal(
            ReasonCode.GRANT,
            f"it may use {need_device_ms} device-ms and {grant_device_ms} of the grant are left",
            f"Have the grant of tenant {account.tenant.name} raised so that {need_device_ms} device-ms are"
            " left, or lower its time limit.",
        )
    held = board.project_devices[item.project]
    need = held + item.resources.devices_total
    quota = account.project.quota_devices
    if quota is not None and need > quota:
        wait = "Wait until enough of the project's work has ended, or have" if held else "Have"
        return Refusal(
            ReasonCode.QUOTA,
            f"project {item.project} holds {count(held, 'device')} and may hold {quota}",
            f"{wait} its quota raised to at least {need}.",
        )
    if item.not_before_ms > board.now_ms:
        wait_s = -(-(item.not_before_ms - board.now_ms) // 1000)
        return Refusal(
            ReasonCode.BACKOFF,
            "the last attempt failed and the pause before the next has not ended",
            f"Wait {wait_s} s.",
        )
    if item.inputs_missing:
        return Refusal(
            ReasonCode.INPUTS,
            f"inputs do not exist yet: {', '.join(item.inputs_missing)}",
            f"Put the missing inputs in place: {', '.join(item.inputs_missing)}.",
        )
    return None
