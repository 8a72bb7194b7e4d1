"""The filters that look at a site's nodes of one accelerator, and at the item by itself.

Each rule returns None or a refusal with the advice that gets the item past this rule. It must never
look at what is free just now: that is `placement`.
"""

from collections.abc import Sequence
from operator import ge

from bruk.model.ledger import PRICED_QUANTITY, Resource
from bruk.model.reason import ReasonCode
from bruk.model.snapshot import Pending
from bruk.scheduler.amount import count, device_time, euros
from bruk.scheduler.board import Board, upper_bound_microeur, use_bound_device_ms
from bruk.scheduler.demand import Demand
from bruk.scheduler.fleet.arrays import Integers
from bruk.scheduler.nodes import Group
from bruk.scheduler.refusal import Refusal


def no_accelerator(item: Pending, site: str, accelerators: Sequence[str]) -> Refusal:
    """The refusal of a site that has none of the accelerators asked for."""
    asked = " or ".join(item.resources.accelerators) or "any accelerator"
    there = ", ".join(sorted(accelerators))
    if not there:
        return Refusal(
            ReasonCode.ACCELERATOR,
            "the site has no nodes",
            f"Add nodes with {asked} to {site}. 'bruk node ls {site}' lists what its agent reports.",
        )
    return Refusal(
        ReasonCode.ACCELERATOR,
        f"no node has {asked}, only {there}",
        f"Submit it for one of: {there}; or without naming accelerators; or add nodes with {asked}.",
    )


def offer_refusal(
    board: Board, demand: Demand, group: Group, number: int, price_microeur: int | None
) -> Refusal | None:
    """The first refusal among node health, size and price, of a group with its number."""
    usable_by_group, every_by_group = board.scores.would(demand.shape)
    large, large_of_all = int(usable_by_group[number]), int(every_by_group[number])
    if large < demand.like.resources.nodes:
        usable = group.nodes[board.nodes.fleet.usable[group.nodes]]
        if not len(usable) or large_of_all >= demand.like.resources.nodes:
            return _node_health(board, group, len(usable))
        return _too_large(board, demand.like, group, usable, large)
    if price_microeur is None:
        accelerator = group.accelerator
        return Refusal(
            ReasonCode.PRICE,
            f"{accelerator} has no price",
            f"Have the operator set a price for device time of {accelerator}:"
            f" 'bruk price set device_time EUR --item {accelerator}'.",
        )
    return None


def _node_health(board: Board, group: Group, usable: int) -> Refusal:
    name, accelerator = group.site, group.accelerator
    nodes = [node for node in board.sites[name].nodes if node.accelerator == accelerator]
    drained = any(node.drained for node in nodes)
    return Refusal(
        ReasonCode.NODE_HEALTH,
        f"{len(nodes) - usable} of {count(len(nodes), 'node')} with {accelerator} are drained or unhealthy",
        f"Have the nodes with {accelerator} at {name} repaired"
        + (f" and put back to work with 'bruk node undrain {name} NODE'" if drained else "")
        + f"; 'bruk node ls {name}' says which.",
    )


def _too_large(board: Board, item: Pending, group: Group, usable: Integers, large: int) -> Refusal:
    resources, fleet = item.resources, board.nodes.fleet
    sizes = [
        (int(fleet.devices[node]), int(fleet.cpu_milli_total[node]), int(fleet.memory_bytes_total[node]))
        for node in usable
    ]
    asked = (resources.devices, resources.cpu_milli, resources.memory_bytes)
    devices, cpu_milli, memory_bytes = most = tuple(map(min, asked, max(sizes)))
    nodes = sum(all(map(ge, size, most)) for size in sizes)
    beside = ""
    if cpu_milli < resources.cpu_milli or memory_bytes < resources.memory_bytes:
        beside = f", {cpu_milli} thousandths of a core and {memory_bytes} bytes of memory each"
    return Refusal(
        ReasonCode.TOO_LARGE,
        f"{count(large, 'usable node')} with {group.accelerator} could ever hold a member of the gang of"
        f" {resources.nodes} x {count(resources.devices, 'device')}",
        f"Ask for at most {min(nodes, resources.nodes)} x {count(devices, 'device')} of {group.accelerator}"
        f"{beside}.",
    )


def budget_refusal(board: Board, item: Pending, accelerator: str, price_microeur: int) -> Refusal | None:
    """What refuses an item whose time limit's worth is more than what is left."""
    left_microeur = board.budget_left_microeur[item.project]
    if left_microeur is None:
        return None
    bound_microeur = upper_bound_microeur(item, price_microeur)
    if left_microeur < bound_microeur:
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
    devices = item.resources.devices_total
    for what, name, held, owner in (
        ("project", item.project, board.holdings.project_devices[item.project], account.project),
        ("tenant", tenant, board.holdings.tenant_devices[tenant], account.tenant),
    ):
        if owner.quota_devices is None or held + devices <= owner.quota_devices + owner.borrow_devices:
            continue
        need = held + devices - owner.borrow_devices
        wait = f"Wait until enough of the {what}'s work has ended, or have" if held else "Have"
        return Refusal(
            ReasonCode.QUOTA,
            f"{what} {name} holds {count(held, 'device')} and may hold"
            f" {owner.quota_devices + owner.borrow_devices}",
            f"{wait} its quota raised to at least {need} with 'bruk {what} set {name} --devices {need}'.",
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
