"""Replay of a trace of 99,998 jobs (umassos/GAIA) by order and pool, on few enough devices that jobs wait.

The last row is as little as a replay could do: it counts free devices and keeps the ends in a heap,
with nothing that could tell nodes, orders or impossible jobs apart.
"""

import sys
from functools import cache, partial
from heapq import heappop, heappush
from pathlib import Path

from benchmarks.row import Row, seconds, timed
from bruk.twin.replay.formats import read_jobs
from bruk.twin.replay.jobs import Jobs
from bruk.twin.replay.play import Devices, play

TRACE = Path(__file__).parents[2] / "shared" / "data" / "jobs" / "pai_100k.csv"
DEVICES, PER_NODE = 160, 8
PLAYED = (
    ("fifo", "none"),
    ("sjf", "none"),
    ("fair", "none"),
    ("fifo", "easy"),
    ("sjf", "easy"),
    ("fair", "easy"),
    ("srtf", "none"),
    ("fair", "conservative"),
)
# What takes tens of seconds is timed once.
SLOW = (("fair", "conservative"),)


@cache
def jobs() -> Jobs:
    return read_jobs(TRACE, "gaia")


def _rate(order: str, backfill: str, per_node: int | None) -> float:
    return len(jobs()) / seconds(lambda: play(order, jobs(), Devices(DEVICES, per_node), backfill))


def _bare() -> float:
    def loop() -> None:
        ends: list[tuple[int, int]] = []
        free, now = DEVICES, 0
        for arrival, length, devices in zip(jobs().arrival_ms, jobs().length_ms, jobs().devices, strict=True):
            now = max(now, arrival)
            while ends and (ends[0][0] <= now or free < devices):
                end, given = heappop(ends)
                now, free = max(now, end), free + given
            free -= devices
            heappush(ends, (now + length, devices))

    return len(jobs()) / seconds(loop)


def run() -> list[Row]:
    if not TRACE.is_file():
        print(f"replay: {TRACE} is not there; left out", file=sys.stderr)
        return []
    rows = []
    for order, backfill in PLAYED:
        for per_node, where in ((PER_NODE, f"on nodes of {PER_NODE}"), (None, "on a free pool")):
            by = order if backfill == "none" else f"{order} with {backfill} backfill"
            what = f"replay by {by} {where}, {DEVICES} devices"
            repeats = 1 if (order, backfill) in SLOW else 5
            rows.append(timed(what, "jobs/s", partial(_rate, order, backfill, per_node), repeats))
    return [*rows, timed("a bare first-in-first-out loop on a free pool", "jobs/s", _bare)]
