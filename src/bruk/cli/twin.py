"""The twin: the product's own decisions on a virtual clock, before anyone trusts them with a site."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bruk.cli import explain, output, traces, whatif
from bruk.cli.exits import FAILED
from bruk.cli.output import JsonOption

if TYPE_CHECKING:
    from bruk.twin.place import Placed

PANEL = "Try out"

PlotOption = Annotated[
    Path | None, typer.Option("--plot", help="Draw it into this file, which ends in .svg or .html.")
]
NodesOption = Annotated[Path, typer.Option("--nodes", metavar="NODES.csv", help="Nodes, in openb's format.")]
WorkloadsOption = Annotated[
    Path, typer.Option("--workloads", metavar="PODS.csv", help="Pods, in openb's format.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Chance is drawn from this.")]


def add_to(app: typer.Typer) -> None:
    twin = typer.Typer(no_args_is_help=True, help="Try out on a virtual clock what a cloud would do.")
    twin.command()(place)
    twin.command()(replay)
    twin.command()(storm)
    explain.add_to(twin)
    twin.command("what-if")(whatif.what_if)
    twin.command()(traces.trace)
    app.add_typer(twin, name="twin", rich_help_panel=PANEL)


def place(
    nodes: NodesOption,
    workloads: WorkloadsOption,
    policy: Annotated[
        str, typer.Option("--policy", help="Placement rule: 'bruk', 'fgd', 'bestfit' or 'random'.")
    ] = "bruk",
    seed: SeedOption = 42,
    inflate: Annotated[
        float, typer.Option("--inflate", help="How much is asked for at the end, in parts of all devices.")
    ] = 1.3,
    plot: PlotOption = None,
    json: JsonOption = False,
) -> None:
    """Place a workload one by one on an empty fleet, and see how much of its devices is allocated.

    The protocol is that of the published comparison on openb: pods in an order drawn from the seed, more
    of them drawn until enough is asked for, nothing departs, and a pod without room is dropped.
    """
    from bruk.assembly.clock import SystemClock
    from bruk.scheduler.fleet.rules import known_rule
    from bruk.twin.openb import read_nodes, read_pods
    from bruk.twin.picture import Axes, check_suffix, draw
    from bruk.twin.place import place as play

    known_rule(policy)
    if plot is not None:
        check_suffix(plot)
    fleet = read_nodes(nodes)
    shapes = [pod.shape for pod in read_pods(workloads)]
    with output.percent("percent placed") as told:
        found = play(fleet, shapes, policy, seed, inflate, SystemClock(), told)
    _show_placed(found, json)
    if plot is not None:
        axes = Axes(
            f"{workloads.name} on {nodes.name}, seed {seed}", "asked for [% of all devices]", "allocated [%]"
        )
        draw(plot, axes, [(policy, found.curve)])
        output.note(f"The picture is in {plot}.")


def _show_placed(found: "Placed", json: bool) -> None:
    answer = {
        "policy": found.policy,
        "seed": found.seed,
        "gpu_allocation_pct_at_100": _rounded(found.gpu_allocation_pct_at_100),
        "gpu_allocation_pct_at_130": _rounded(found.gpu_allocation_pct_at_130),
        "placed": found.placed,
        "failed": found.failed,
        "impossible": found.impossible,
        "seconds": found.seconds,
    }
    if json:
        output.show_json(answer)
        return
    output.table(
        ["Policy", ">Seed", ">% at 100", ">% at 130", ">Placed", ">Failed", ">Impossible", ">Seconds"],
        [list(answer.values())],
    )


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 4)


def replay(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="The trace.", show_default=False)],
    kind: Annotated[str, typer.Option("--format", help="Its format: 'gaia', 'swf', 'philly' or 'bruk'.")],
    gpus: Annotated[int, typer.Option("--gpus", min=1, max=10**7, help="Devices that there are.")],
    gpus_per_node: Annotated[int, typer.Option(min=1, max=1024, help="Devices of each node.")] = 8,
    policy: Annotated[
        str, typer.Option("--policy", help="Order of starting: 'fifo', 'sjf', 'srtf' or 'fair'.")
    ] = "fifo",
    backfill: Annotated[
        str, typer.Option(help="What may overtake the first in order: 'none', 'easy' or 'conservative'.")
    ] = "none",
    free_pool: Annotated[
        bool, typer.Option("--free-pool", help="Count devices only, as if there were no nodes.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many jobs.", show_default=False)
    ] = None,
    site: Annotated[
        str, typer.Option(help="Reference site whose accelerator, PUE and grid are reckoned with.")
    ] = "borlange",
    plot: PlotOption = None,
    json: JsonOption = False,
) -> None:
    """Play a trace of jobs through a queue, and see how long they wait and what that takes.

    A gang of at most one node's devices stays on one node; a larger one takes whole nodes. Nothing is
    preempted but by 'srtf'. Backfilling goes by time limits, or by true lengths where the trace has none.
    """
    from bruk.assembly.clock import SystemClock
    from bruk.facility.site import reference_site
    from bruk.twin.picture import Axes, check_suffix, draw
    from bruk.twin.replay.figures import figures, held_devices
    from bruk.twin.replay.formats import read_jobs
    from bruk.twin.replay.play import Devices, check_names, play

    if plot is not None:
        check_suffix(plot)
    place_of_power = reference_site(site)
    check_names(policy, backfill)
    devices = Devices(gpus, None if free_pool else gpus_per_node)
    jobs = read_jobs(trace, kind)
    jobs = jobs if limit is None else jobs.first(limit)
    clock = SystemClock()
    began_ms = clock.monotonic_ms()
    with output.percent("percent replayed") as told:
        played = play(policy, jobs, devices, backfill, told)
    seconds = max(clock.monotonic_ms() - began_ms, 1) / 1000
    found = figures(jobs, played, gpus, place_of_power)
    answer = {name: _short(value) for name, value in asdict(found).items()}
    answer |= {"seconds": seconds, "jobs_per_second": round(found.jobs / seconds)}
    if json:
        output.show_json(answer)
    else:
        output.fields((name.replace("_", " "), value) for name, value in answer.items())
    if plot is not None:
        axes = Axes(f"{trace.name} by {policy} on {gpus:,} devices", "time [h]", "devices held")
        draw(plot, axes, [(policy, held_devices(jobs, played))])
        output.note(f"The picture is in {plot}.")


def _short(value: float) -> float:
    return round(value, 4) if isinstance(value, float) else value


def storm(
    seeds: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many worlds.")] = 20,
    first: Annotated[int, typer.Option(min=0, max=2**31, help="The first seed.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, max=512, help="Processes; one a core.", show_default=False)
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="Keep endings in this file, and go on where it stands.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Let whole clouds live through a day of faults, one a seed, and look for what may never be.

    Control, agents and gateways are the product's own; machines, clock and chance are simulated. Exit
    status 1 if an invariant was broken; the seed shows it again: --first SEED --seeds 1.
    """
    from bruk.twin.storm import storm as let_it_storm
    from bruk.twin.storm import sums

    found = []
    count = workers or os.cpu_count() or 1
    with output.progress("worlds", seeds) as advance:
        for ending in let_it_storm(range(first, first + seeds), min(count, seeds), record):
            advance()
            found.append(ending)
            if ending["broken"] and not json:
                output.note(f"seed {ending['seed']}, {ending['at']}: {ending['broken']}")
    answer = sums(found)
    if json:
        output.show_json(answer)
    else:
        _show(answer)
    if answer["broken"]:
        raise typer.Exit(FAILED)


def _show(answer: dict[str, Any]) -> None:
    output.table(
        ["Fault", ">Times"],
        [[kind.replace("_", " "), count] for kind, count in answer["faults"].items()],
    )
    output.say(
        f"{answer['seeds']} worlds lived {answer['lived_h']} hours with {answer['workloads']} workloads, "
        f"{answer['runs']} runs and {answer['calls']} calls; each met {answer['faults_a_seed_min']} faults "
        "or more."
    )
    broken = len(answer["broken"])
    output.say(f"{broken} of them broke an invariant." if broken else "No invariant was broken.")
