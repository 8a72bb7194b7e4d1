"""Watch workloads: what is wanted, what is observed, what it waits for, what it prints."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import show_moment
from bruk.cli.settings import ProjectOption, client
from bruk.model.reason import Reason
from bruk.model.workload import Outcome, WorkloadKind

if TYPE_CHECKING:
    from bruk.sdk import WorkloadView
    from bruk.sdk.answers import Placed

PANEL = "Work"
WorkloadArgument = Annotated[str, typer.Argument(help="Identifier or name of the job or endpoint.")]


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(ps)
    app.command(rich_help_panel=PANEL)(why)
    app.command(rich_help_panel=PANEL)(logs)
    app.command(rich_help_panel=PANEL)(cancel)


def ps(
    ctx: typer.Context,
    project: ProjectOption = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Only 'job' or only 'endpoint'.")] = None,
    every: Annotated[bool, typer.Option("--all", "-a", help="Also those that have ended.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest.")] = 50,
    json: JsonOption = False,
) -> None:
    """List workloads: what you want, what is observed and what they wait for, each on its own."""
    from itertools import islice

    with client(ctx) as control:
        workloads = control.workloads.list(
            project=project, kind=kind, open=None if every else True, page_items=min(limit, 200)
        )
        views = list(islice(workloads, limit))
    if json:
        output.show_json(views)
        return
    output.table(
        ["Workload", "Name", "Project", "Kind", "Wanted", "Observed", "Waiting for", "Site", "Created"],
        map(_row, views),
        none="Nothing is wanted now. 'bruk submit' submits a job; 'bruk ps --all' lists what has ended.",
    )


def why(ctx: typer.Context, workload: WorkloadArgument, json: JsonOption = False) -> None:
    """Say why a workload waits, site by site, and what would unblock it."""
    with client(ctx) as control:
        workload = control.workloads.find(workload)
        answer = control.workloads.why(workload)
        view = control.workloads.get(workload)
    if json:
        output.show_json(answer)
        return
    found = view.workload
    output.say(f"{found.name} ({found.id}): {_observed(view)}.")
    if view.waiting_for is not None:
        _show_reason(view.waiting_for)
    elif found.outcome is not Outcome.OPEN:
        output.say(found.outcome_detail or "It waits for nothing and has ended.")
    else:
        output.say("It waits for nothing.")
    for placement in answer.placements:
        _show_placement(placement)


def logs(
    ctx: typer.Context,
    workload: WorkloadArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it has ended.")] = False,
    run: Annotated[str | None, typer.Option("--run", help="This run; the newest if left out.")] = None,
    json: JsonOption = False,
) -> None:
    """Print what a workload's run wrote."""
    with client(ctx) as control:
        workload = control.workloads.find(workload)
        pieces = control.workloads.logs(workload, run=run, follow=follow)
        if json:
            text = b"".join(pieces).decode("utf-8", "replace")
            output.show_json({"workload": workload, "run": run, "text": text})
            return
        for piece in pieces:
            # As bytes: what a program wrote is passed on as it is.
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()


def cancel(ctx: typer.Context, workload: WorkloadArgument, json: JsonOption = False) -> None:
    """Stop a workload for good; its runs get their grace to write a checkpoint."""
    with client(ctx) as control:
        workload = control.workloads.find(workload)
        found = control.workloads.cancel(workload)
    if json:
        output.show_json(found)
    else:
        output.say(f"{found.name} ({found.id}) is cancelled; its runs get their grace.")


def _row(view: "WorkloadView") -> list[object]:
    found, waiting = view.workload, view.waiting_for
    return [
        found.id,
        found.name,
        found.project,
        found.kind.value,
        found.wanted.value,
        _observed(view),
        f"{waiting.code.value}: {waiting.summary}" if waiting else None,
        sorted({run.site for run in view.runs if not run.ended}),
        show_moment(found.created_at_ms),
    ]


def _observed(view: "WorkloadView") -> str:
    """What is observed of a workload's runs, in a few words."""
    found = view.workload
    if found.outcome is not Outcome.OPEN:
        return found.outcome.value
    if found.kind is WorkloadKind.ENDPOINT:
        ready = sum(1 for run in view.runs if run.ready and not run.ended)
        return f"{ready} of {found.endpoint.replicas} ready"
    states = [run.observed.value for run in view.runs if not run.ended]
    return ", ".join(states) or ("between runs" if view.runs else "no run yet")


def _show_reason(reason: Reason) -> None:
    output.say(f"It waits for {reason.code.value.replace('_', ' ')}: {reason.summary}")
    if reason.sites:
        output.table(
            ["Site", "Refused by", "Because", ">Nodes", "Nodes refused by"],
            (
                [
                    site.site,
                    site.code.value,
                    site.detail,
                    site.nodes_total,
                    [f"{code.value} {count}" for code, count in site.nodes_refused.items()],
                ]
                for site in reason.sites
            ),
        )
    if reason.not_before_ms is not None:
        output.say(f"Not before {show_moment(reason.not_before_ms)}.")
    if reason.advice:
        output.say(f"What to do: {reason.advice}")


def _show_placement(placement: "Placed") -> None:
    nodes = ", ".join(f"{part.node} devices {output.plain(part.devices)}" for part in placement.devices)
    output.say(f"Run {placement.run} was placed at {placement.site}: {nodes}.")
    if placement.filtered:
        words = ", ".join(f"{count} by {code.value}" for code, count in placement.filtered.items())
        output.say(f"  Nodes that were filtered out: {words}.")
    for candidate in placement.leading:
        where = f"{candidate.site} {output.plain(candidate.nodes)}"
        output.say(f"  Considered: {where}, score {candidate.score}")
