"""Plays a trace by an order and a way of backfilling, both by name, on a pool of devices.

Without backfill ``fifo`` and ``sjf`` are the textbook's (`queue`), and ``srtf`` always is (`preempting`).
Everything else decides as the scheduler does (`backfill`), but for the conservative way on a free pool, where
no node can be named (`conservative`).
"""

from dataclasses import dataclass

from bruk.model.errors import InvalidInput
from bruk.scheduler.fleet.pool import FreePool, NodePool, Pool
from bruk.twin.replay import queue
from bruk.twin.replay.backfill import Decide, Hall, easy, nothing_overtakes, replay
from bruk.twin.replay.conservative import OnFreePool, OnNodes
from bruk.twin.replay.jobs import NEVER, Jobs, Played
from bruk.twin.replay.order import order_of
from bruk.twin.replay.preempting import srtf
from bruk.twin.replay.progress import Progress, Told
from bruk.twin.replay.room import FreeRoom, NodeRoom

ORDERS = ("fifo", "sjf", "srtf", "fair")
BACKFILLS = ("none", "easy", "conservative")


class UnknownQueue(InvalidInput):
    """An order or a way of backfilling was named that does not exist, or that does not go with the other."""

    code = "unknown_queue"


class PoolUneven(InvalidInput):
    """A pool of identical nodes was asked for that cannot be."""

    code = "pool_uneven"


@dataclass(frozen=True, slots=True)
class Devices:
    """So many devices on nodes of so many each, or on none.

    Attributes:
        per_node: None: there are no nodes.
    """

    count: int
    per_node: int | None = None

    def __post_init__(self) -> None:
        if self.per_node is not None and self.count % self.per_node:
            raise PoolUneven(
                f"{self.count} devices are no whole number of nodes with {self.per_node} each. Give --gpus a"
                " multiple of it, another --gpus-per-node, or --free-pool."
            )

    def takes(self, devices: int) -> int:
        """How many a job of so many takes: whole nodes if it is larger than one."""
        if self.per_node is None or devices <= self.per_node:
            return devices
        return -(-devices // self.per_node) * self.per_node

    def pool(self) -> Pool:
        """All of them free, without time limits."""
        if self.per_node is None:
            return FreePool(self.count)
        return NodePool(self.count // self.per_node, self.per_node)

    def room(self) -> FreeRoom | NodeRoom:
        """All of them free, with time limits."""
        if self.per_node is None:
            return FreeRoom(self.count)
        return NodeRoom(self.count // self.per_node, self.per_node)


def check_names(order: str, backfill: str) -> None:
    """Refuse names of what does not exist.

    Raises:
        UnknownQueue: there is no such order or way of backfilling, or they do not go together; the
            message lists those that there are.
    """
    if order not in ORDERS:
        raise UnknownQueue(f"There is no order called {order!r}. Take one of: {', '.join(ORDERS)}.")
    if backfill not in BACKFILLS:
        raise UnknownQueue(
            f"There is no way of backfilling called {backfill!r}. Take one of: {', '.join(BACKFILLS)}."
        )
    if order == "srtf" and backfill != "none":
        raise UnknownQueue(
            f"The order 'srtf' preempts instead of backfilling, so that {backfill!r} does not go with it."
            " Leave --backfill out, or take another order."
        )


def play(
    order: str, jobs: Jobs, devices: Devices, backfill: str = "none", progress: Progress | None = None
) -> Played:
    """What becomes of each job.

    Raises:
        UnknownQueue: see ``check_names``.
    """
    check_names(order, backfill)
    told = Told(progress, len(jobs))
    if order == "srtf":
        return srtf(jobs, devices.pool, told)
    starts_ms = _starts(order, jobs, devices, backfill, told)
    ends_ms = [
        NEVER if start_ms == NEVER else start_ms + length_ms
        for start_ms, length_ms in zip(starts_ms, jobs.length_ms, strict=True)
    ]
    return Played(starts_ms, ends_ms)


def _starts(order: str, jobs: Jobs, devices: Devices, backfill: str, told: Told) -> list[int]:
    if backfill == "none" and order != "fair":
        return (queue.fifo if order == "fifo" else queue.sjf)(jobs, devices.pool(), told)
    room = devices.room()
    hall = Hall(jobs, room, devices.takes, order_of(order, jobs))
    decide: Decide
    if backfill == "conservative":
        decide = OnNodes(hall, room) if isinstance(room, NodeRoom) else OnFreePool(room)
    else:
        decide = easy if backfill == "easy" else nothing_overtakes
    possible = [job for job, asked in enumerate(jobs.devices) if devices.takes(asked) <= devices.count]
    return replay(hall, possible, decide, told)
