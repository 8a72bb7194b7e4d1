"""In which order pending items are tried.

An order is a generator: it looks at the board each time it is asked for the next item, so that what
the plan has just given counts at once.

``fair``: priority, high first; within a priority first the gangs that have waited longer than
``AGED_AFTER_MS``, oldest first; then the tenant with the least use per weight, where every device
that it holds now, by a run or by this plan, counts as ``HELD_DEVICE_MS`` on top of its decayed use;
within the tenant the project that holds the fewest devices; then age; then id.

``fifo``: age, then id. Priorities do not count, and so nothing is preempted either.

It must never skip or repeat an item. Look next at `decide`.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from bruk.model.snapshot import Pending
from bruk.scheduler.board import Board

# A gang needs several devices at one moment; one that has waited this long [ms] goes ahead of fair
# share in its priority, and nodes are kept for it (see `claim`). A single device needs no such help.
AGED_AFTER_MS = 3_600_000

# Use that a device held now counts for, until its real use has been metered [ms].
HELD_DEVICE_MS = 3_600_000

# Shares are compared as whole numbers of device-ms per this many parts of a weight.
_SHARE_PARTS = 1_000_000

Order = Callable[[Sequence[Pending], Board], Iterator[Pending]]


def aged(item: Pending, now_ms: int) -> bool:
    """Whether it is a gang that has waited longer than ``AGED_AFTER_MS``."""
    return item.resources.devices_total > 1 and now_ms - item.created_at_ms > AGED_AFTER_MS


def fifo(items: Sequence[Pending], board: Board) -> Iterator[Pending]:
    """First come, first tried."""
    yield from sorted(items, key=_age)


def fair(items: Sequence[Pending], board: Board) -> Iterator[Pending]:
    """Priority, then aged gangs, then weighted fair share."""
    by_priority = sorted(items, key=lambda item: -item.priority)
    for _, tier in groupby(by_priority, key=lambda item: item.priority):
        young: list[Pending] = []
        old: list[Pending] = []
        for item in tier:
            (old if aged(item, board.now_ms) else young).append(item)
        yield from sorted(old, key=_age)
        yield from _by_share(young, board)


def _by_share(items: Sequence[Pending], board: Board) -> Iterator[Pending]:
    queues: dict[str, list[Pending]] = {}
    # The youngest first, because a queue gives up its last item cheaply.
    for item in sorted(items, key=_age, reverse=True):
        queues.setdefault(item.project, []).append(item)

    def rank(project: str) -> tuple[int, int, int, str]:
        head = queues[project][-1]
        return (_share(head, board), board.project_devices[project], *_age(head))

    while queues:
        project = min(queues, key=rank)
        queue = queues[project]
        yield queue.pop()
        if not queue:
            del queues[project]


def _share(item: Pending, board: Board) -> int:
    account = board.account(item)
    tenant = account.tenant
    use_device_ms = account.use_device_ms + board.tenant_devices[tenant.name] * HELD_DEVICE_MS
    return use_device_ms * _SHARE_PARTS // max(tenant.weight, 1)


def _age(item: Pending) -> tuple[int, str]:
    return (item.created_at_ms, item.id)


ORDERS: dict[str, Order] = {"fair": fair, "fifo": fifo}
