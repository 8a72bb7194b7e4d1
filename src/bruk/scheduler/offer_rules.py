"""The filters that look at a site's nodes of one accelerator, and at the item by itself.

Each rule returns None or a refusal with the advice that gets the item past this rule. It must never
look at what is free just now: that is `placement`.
"""

from collections.abc import Sequence

from bruk.model.ledger import PRICED_QUANTITY, Resource
from bruk.model.reason import ReasonCode
from bruk.model.snapshot import Pending
from bruk.scheduler.amount import count, device_time, euros
from bruk.scheduler.board import Board, SiteBoard, upper_bound_microeur, use_bound_device_ms
from bruk.scheduler.refusal import Refusal
from bruk.scheduler.room import Room


def no_accelerator(item: Pending, site: SiteBoard) -> Refusal:
    asked = " or ".join(item.resources.accelerators) or "any accelerator"
    there = ", ".join(sorted(site.by_accelerator))
    if not there:
        return Refusal(
            ReasonCode.ACCELERATOR,
            "the site has no nodes",
            f"Add nodes with {asked} to {site.site.name}."
            f" 'bruk node ls {site.site.name}' lists what its agent reports.",
        )
    return Refusal(
        ReasonCode.ACCELERATOR,
        f"no node has {asked}, only {there}",
        f"Submit it for one of: {there}; or without naming accelerators; or add nodes with {asked}.",
    )


def offer_refusal(
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
            f"Have the operator set a price for device time of {accelerator}:"
            f" 'bruk price set device_time EUR --item {accelerator}'.",
        )
    return _budget(board, item, accelerator, price_microeur)


def _node_health(item: Pending, site: SiteBoard, accelerator: str, rooms: Sequence[Room]) -> Refusal | None:
    resources = item.resources
    usable = [room for room in rooms if room.usable]
    large = sum(1 for room in usable if room.large_enough(resources))
    large_of_all = sum(1 for room in rooms if room.large_enough(resources))
    if large >= resources.nodes or (usable and large_of_all < resources.nodes):
        return None
    name = site.site.name
    drained = sum(1 for room in rooms if room.node.drained)
    ill = len(rooms) - len(usable)
    return Refusal(
        ReasonCode.NODE_HEALTH,
        f"{ill} of {count(len(rooms), 'node')} with {accelerator} are drained or unhealthy",
        f"Have the nodes with {accelerator} at {name} repaired"
        + (f" and put back to work with 'bruk node undrain {name} NODE'" if drained else "")
        + f"; 'bruk node ls {name}' says which.",
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
            f"Have the budget of project {item.project} or its tenant raised with 'bruk budget set' so that"
            f" {euros(bound_microeur)} are left{shorter}.",
        )
    return None


def item_refusal(board: Board, item: Pending) -> Refusal | None:
    """The first refusal among grant, quota, back-off and inputs, which are the same at every site."""
    account = board.account(item)
    need_device_ms = use_bound_device_ms(item)
    tenant = account.tenant.name
    grant_device_ms = board.grant_left_device_ms.get(tenant)
    if grant_device_ms is not None and grant_device_ms < need_device_ms:
        return Refusal(
            ReasonCode.GRANT,
            f"it may use {device_time(need_device_ms)} of device time and {device_time(grant_device_ms)} of"
            " the grant are left",
            f"Have the grant of tenant {tenant} raised with 'bruk tenant set {tenant} --grant …' so that"
            f" {device_time(need_device_ms)} of device time are left, or lower its time limit.",
        )
    held = board.project_devices[item.project]
    need = held + item.resources.devices_total
    quota = account.project.quota_devices
    if quota is not None and need > quota:
        wait = "Wait until enough of the project's work has ended, or have" if held else "Have"
        return Refusal(
            ReasonCode.QUOTA,
            f"project {item.project} holds {count(held, 'device')} and may hold {quota}",
            f"{wait} its quota raised to at least {need} with 'bruk project set {item.project} --devices"
            f" {need}'.",
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
