"""In which order classes of waiting items are tried.

An order ranks the oldest member of a class; the least rank goes first. What a plan gives only ever
raises ranks, so a rank that was made before is at most the present one: the queue in `decide` relies
on that.

``fair``: priority, high first; within a priority first the gangs that have waited longer than
``AGED_AFTER_MS``, oldest first; then what stays within the quotas of its project and its tenant
before what borrows; then the tenant with the least use per weight, where everything that it holds
now, by a run or by this plan, counts as ``HELD_DEVICE_MS`` for each device on top of its decayed use;
within the tenant the project with the least, counted alike; then age; then id. What is held is
counted by the dominant resource.

``fifo``: age, then id. ``sjf``: the shortest time limit, then age. Priorities do not count in these,
and so nothing is preempted either.

It must never skip or repeat an item. Look next at `decide`.
"""

from collections.abc import Callable

from bruk.model.snapshot import Pending
from bruk.scheduler.board import Board
from bruk.scheduler.demand import age
from bruk.scheduler.fleet.shape import WHOLE_MILLI

# A gang needs several devices at one moment; one that has waited this long [ms] goes ahead of fair
# share in its priority. A single device needs no such help.
AGED_AFTER_MS = 3_600_000

# Use that a device held now counts for, until its real use has been metered [ms].
HELD_DEVICE_MS = 3_600_000

# Shares are compared as whole numbers of device-ms per this many parts of a weight.
_SHARE_PARTS = 1_000_000

Rank = tuple[int | str, ...]
Order = Callable[[Pending, Board], Rank]


def aged(item: Pending, now_ms: int) -> bool:
    """Whether it is a gang that has waited longer than ``AGED_AFTER_MS``."""
    return item.resources.devices_total > 1 and now_ms - item.created_at_ms > AGED_AFTER_MS


def fifo(item: Pending, board: Board) -> Rank:
    """First come, first tried."""
    return age(item)


def sjf(item: Pending, board: Board) -> Rank:
    """The shortest first, by time limit."""
    return (item.time_limit_ms, *age(item))


def fair(item: Pending, board: Board) -> Rank:
    """Priority, then aged gangs, then quotas, then weighted fair share of tenants and projects."""
    account = board.account(item)
    if aged(item, board.now_ms):
        return (-item.priority, 0, 0, 0, 0, *age(item))
    project = item.project
    borrows = max(board.beyond(project)) + item.resources.devices_total > 0
    tenant_ms = account.use_device_ms + board.holdings.tenant_milli[account.tenant.name] * _HELD_MS_PER_MILLI
    project_ms = account.project_use_device_ms + board.holdings.project_milli[project] * _HELD_MS_PER_MILLI
    share = tenant_ms * _SHARE_PARTS // max(account.tenant.weight, 1)
    return (-item.priority, 1, int(borrows), share, project_ms, *age(item))


_HELD_MS_PER_MILLI = HELD_DEVICE_MS // WHOLE_MILLI

ORDERS: dict[str, Order] = {"fair": fair, "fifo": fifo, "sjf": sjf}
# Orders in which a priority counts, so that what has a higher one may preempt.
PREEMPTING = frozenset({"fair"})
