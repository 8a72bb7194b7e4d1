"""Placement rules side by side on openb: the published comparison, and three worlds besides.

Every rule sees the same arrivals for a seed, and Bruk is compared with FGD seed by seed. The seeds are
others than those that Bruk's rule was chosen on. Needs ``../shared/data/openb`` beside the checkout.
"""

import csv
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from benchmarks.row import Row, seconds, timed
from bruk.assembly.clock import SystemClock
from bruk.scheduler.fleet import Fleet, FleetNode, Setting, Shape, counted, rule
from bruk.twin.chance import SeededChance
from bruk.twin.openb import Pod, read_nodes, read_pods
from bruk.twin.place import Placing, place
from bruk.twin.protocol import arrivals, turns

DATA = Path(__file__).parents[2] / "shared" / "data" / "openb"
WORKLOADS = ("default", "gpushare40", "multigpu20")
RULES = {"random": "Random", "bestfit": "BestFit", "fgd": "FGD", "bruk": ""}
FIRST_SEED = 1000
SEEDS = 20
# Half a Student distribution's 95 % by degrees of freedom, for the numbers of seeds that are used.
STUDENT = {9: 2.262, 19: 2.093}
INFLATE = 1.3
PASSES = 3

Figure = Callable[[str, int], float]


@cache
def nodes() -> tuple[FleetNode, ...]:
    return tuple(read_nodes(DATA / "nodes.csv"))


@cache
def pods(workload: str) -> tuple[Pod, ...]:
    return tuple(read_pods(DATA / f"pods_{workload}.csv"))


@cache
def shapes(workload: str) -> tuple[Shape, ...]:
    return tuple(pod.shape for pod in pods(workload))


def published(workload: str) -> Figure:
    """Allocation when as much has arrived as there is, then at 1.3 times as much, by the protocol."""

    def figure(policy: str, seed: int) -> float:
        found = place(nodes(), shapes(workload), policy, seed, INFLATE, SystemClock())
        assert found.gpu_allocation_pct_at_100 is not None
        return found.gpu_allocation_pct_at_100

    return figure


def _world(
    policy: str, seed: int, expected: Sequence[Shape], fleet_nodes: Sequence[FleetNode]
) -> tuple[Placing, SeededChance]:
    chance = SeededChance(seed)
    fleet = Fleet(fleet_nodes)
    setting = Setting(chance, turns(len(fleet), chance), counted(expected))
    # The random rule draws from a chance of its own, so that all rules see the same arrivals.
    setting = replace(setting, chance=SeededChance(seed + 2**32))
    return Placing(fleet, rule(policy, fleet, setting)), chance


def drained(workload: str) -> Figure:
    """One node in five takes no work; allocation of the others at the end of the protocol."""

    def figure(policy: str, seed: int) -> float:
        away = SeededChance(seed + 2**33)
        fleet_nodes = [replace(node, usable=away.below(5) > 0) for node in nodes()]
        placing, chance = _world(policy, seed, shapes(workload), fleet_nodes)
        for shape in arrivals(shapes(workload), placing.capacity_milli, INFLATE, chance):
            placing.arrive(shape)
        return placing.percent(placing.used_milli)

    return figure


def changing(first: str, then: str) -> Figure:
    """The mix changes when half has arrived. FGD is told the popularity of both halves beforehand."""

    def figure(policy: str, seed: int) -> float:
        placing, chance = _world(policy, seed, [*shapes(first), *shapes(then)], nodes())
        halves = [arrivals(shapes(name), placing.capacity_milli, INFLATE, chance) for name in (first, then)]
        for shape in [*halves[0][: len(halves[0]) // 2], *halves[1][len(halves[1]) // 2 :]]:
            placing.arrive(shape)
        return placing.percent(placing.used_milli)

    return figure


def bound(workload: str) -> Figure:
    """A third of the pods with devices may use one or two models only, drawn as often as they occur."""
    chance = SeededChance(2**34)
    models = [node.model for node in nodes() for _ in range(node.devices)]
    work = []
    for shape in shapes(workload):
        if shape.devices and chance.below(3) == 0:
            drawn = {models[chance.below(len(models))] for _ in range(1 + chance.below(2))}
            shape = replace(shape, models=tuple(sorted(drawn)))
        work.append(shape)

    def figure(policy: str, seed: int) -> float:
        placing, chance = _world(policy, seed, work, nodes())
        for shape in arrivals(work, placing.capacity_milli, INFLATE, chance):
            placing.arrive(shape)
        return placing.percent(placing.used_milli)

    return figure


def _spacing_s(stays: Sequence[tuple[int, int]], capacity_milli: int) -> float:
    """Time between arrivals at which, after the first third, 1.3 of the capacity is asked for [s]."""
    low, high, count = 1e-6, 1e6, len(stays)
    for _ in range(60):
        step = (low * high) ** 0.5
        begin, end = count // 3 * step, (count - 1) * step
        asked = sum(
            milli * max(0.0, min(index * step + stay, end) - max(index * step, begin))
            for index, (milli, stay) in enumerate(stays)
        )
        low, high = (step, high) if asked > INFLATE * capacity_milli * (end - begin) else (low, step)
    return high


def departing(workload: str) -> Figure:
    """Pods leave after the time they stayed in the trace; mean allocation over time after a first third.

    All pods arrive three times over, each time in another order and evenly spaced, so densely that
    1.3 times the capacity is asked for at any time.
    """
    given = [pod for pod in pods(workload) if pod.created_s is not None and pod.deleted_s is not None]

    def figure(policy: str, seed: int) -> float:
        placing, chance = _world(policy, seed, [pod.shape for pod in given], nodes())
        order = [pod for _ in range(PASSES) for pod in chance.shuffled(given)]
        stays = [max(1, (pod.deleted_s or 0) - (pod.created_s or 0)) for pod in order]
        amounts = [(pod.shape.total_milli, stay) for pod, stay in zip(order, stays, strict=True)]
        step = _spacing_s(amounts, placing.capacity_milli)
        events = [(index * step, 1, index) for index in range(len(order))]
        events += [(index * step + stay, 0, index) for index, stay in enumerate(stays)]
        begin, end = len(order) // 3 * step, (len(order) - 1) * step
        held, area, last = {}, 0.0, 0.0
        for at, arriving, index in sorted(event for event in events if event[0] <= end):
            area += placing.used_milli * max(0.0, at - max(last, begin))
            last = at
            if arriving:
                held[index] = placing.arrive(order[index].shape)
            elif (taken := held.pop(index, None)) is not None:
                placing.leave(taken)
        return placing.percent(1) * area / (end - begin)

    return figure


SCENARIOS: dict[str, tuple[Callable[[], Figure], int]] = {
    **{f"{name}, as published": (partial(published, name), SEEDS) for name in WORKLOADS},
    **{f"{name}, pods leave": (partial(departing, name), 10) for name in ("default", "gpushare40")},
    **{f"{name}, a fifth of the nodes drained": (partial(drained, name), 10) for name in WORKLOADS},
    "default, then multigpu20": (partial(changing, "default", "multigpu20"), 10),
    "gpushare40, then multigpu20": (partial(changing, "gpushare40", "multigpu20"), 10),
    "multigpu20, then gpushare40": (partial(changing, "multigpu20", "gpushare40"), 10),
    "default, a third of the pods bound to models": (partial(bound, "default"), 10),
}


def section() -> str:
    """The comparison as a table: means over the seeds, and Bruk less FGD with a 95 % interval."""
    with (DATA / "expected.csv").open(encoding="utf-8") as file:
        known = {
            (row["workload"], row["policy"]): row["gpu_allocation_pct_at_100"] for row in csv.DictReader(file)
        }
    lines = [
        f"| allocated [% of devices] | {' | '.join(RULES)} | bruk - fgd | 95 % interval | seeds won |",
        "|---|" + "---:|" * (len(RULES) + 3),
    ]
    for name, (prepared, seeds) in SCENARIOS.items():
        figure = prepared()
        drawn = range(FIRST_SEED, FIRST_SEED + seeds)
        found = {policy: [figure(policy, seed) for seed in drawn] for policy in RULES}
        gains = [ours - theirs for ours, theirs in zip(found["bruk"], found["fgd"], strict=True)]
        mean = statistics.mean(gains)
        half = STUDENT[seeds - 1] * statistics.stdev(gains) / seeds**0.5
        cells = [f"{statistics.mean(values):.2f}" for values in found.values()]
        won = sum(gain > 0 for gain in gains)
        lines.append(
            f"| {name} | {' | '.join(cells)} | {mean:+.2f} | {mean - half:+.2f} to {mean + half:+.2f}"
            f" | {won} of {seeds} |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
        workload = name.split(",", 1)[0]
        if name.endswith("as published"):
            cells = [known.get((workload, RULES[policy]), "") for policy in RULES]
            lines.append(f"| {workload}, the published figures (10 seeds) | {' | '.join(cells)} | | | |")
    return "\n".join(lines)


def _rate(policy: str, copies: int) -> float:
    """Arrivals handled a second, on openb's nodes so many times over [1/s]."""
    many = [replace(node, name=f"{node.name}-{copy}") for copy in range(copies) for node in nodes()]
    placing, chance = _world(policy, FIRST_SEED, shapes("default"), many)
    sequence = arrivals(shapes("default"), placing.capacity_milli, INFLATE, chance)

    def play() -> None:
        for shape in sequence:
            placing.arrive(shape)

    return len(sequence) / seconds(play)


def run() -> list[Row]:
    if not DATA.is_dir():
        print(f"placement: {DATA} is not there; left out", file=sys.stderr)
        return []
    rows = [
        timed(f"placement by {policy}, openb's nodes: arrivals handled", "1/s", partial(_rate, policy, 1))
        for policy in RULES
    ]
    for copies in (2, 4, 8):
        what = f"placement by bruk, {copies} times openb: {copies * 1213:,} nodes, {copies * 6212:,} devices"
        rows.append(timed(what, "1/s", partial(_rate, "bruk", copies), 3))
    return rows
