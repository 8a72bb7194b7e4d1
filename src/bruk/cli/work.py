"""Watch workloads: what is wanted, what is observed, what it waits for, what it prints."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import show_moment, show_time
from bruk.cli.settings import ProjectOption, client
from bruk.model.reason import Reason, ReasonCode
from bruk.model.run import Run, StopReason
from bruk.model.workload import Outcome, Wanted, WorkloadKind

if TYPE_CHECKING:
    from bruk.sdk import WorkloadView
    from bruk.wire.answers import Placed

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
        ["Workload", "~Name", "~Project", "Wanted", "~Observed", "~Waiting for", "~Site", "Created"],
        map(_row, views),
        none="Nothing is wanted now. 'bruk submit' submits a job; 'bruk ps --all' lists what has ended.",
    )
    if any(view.waiting_for for view in views):
        output.say("'bruk why NAME' says in full what one waits for, and what to do.")


def why(ctx: typer.Context, workload: WorkloadArgument, json: JsonOption = False) -> None:
    """Say why a workload waits, site by site, and what would unblock it; or where it runs, and why there."""
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
        show_reason(view.waiting_for)
    elif found.outcome is not Outcome.OPEN:
        output.say(found.outcome_detail or "It waits for nothing and has ended.")
    elif _due(view):
        output.say("It is about to be placed; ask again in a moment.")
    else:
        sites = sorted({run.site for run in view.runs if not run.ended})
        output.say(
            f"It waits for nothing: it is at {', '.join(sites)}." if sites else "It waits for nothing."
        )
    runs = {run.id: run for run in view.runs}
    for placement in answer.placements:
        _show_placement(placement, runs.get(placement.run))


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
    output.answer(found, f"{found.name} ({found.id}) is cancelled; its runs get their grace.", json)


def _row(view: "WorkloadView") -> list[object]:
    found, waiting = view.workload, view.waiting_for
    return [
        found.id,
        found.name,
        found.project,
        found.wanted.value,
        _observed(view),
        _words(waiting.code) if waiting else "about to be placed" if _due(view) else None,
        sorted({run.site for run in view.runs if not run.ended}),
        show_time(found.created_at_ms),
    ]


def _due(view: "WorkloadView") -> bool:
    """Whether it lacks runs for no reason that is known: the next turn places it or says why not."""
    found = view.workload
    if found.outcome is not Outcome.OPEN or found.wanted is not Wanted.RUN or view.waiting_for is not None:
        return False
    needed = found.endpoint.replicas if found.kind is WorkloadKind.ENDPOINT else 1
    return sum(1 for run in view.runs if not run.ended) < needed


def _words(code: ReasonCode) -> str:
    return code.value.replace("_", " ")


def _observed(view: "WorkloadView") -> str:
    """What is observed of a workload's runs, in a few words."""
    found = view.workload
    if found.outcome is not Outcome.OPEN:
        return found.outcome.value
    if found.kind is WorkloadKind.ENDPOINT and found.endpoint.attached:
        return f"a server that already runs, declared at {found.endpoint.sites[0]}"
    if found.kind is WorkloadKind.ENDPOINT:
        ready = sum(1 for run in view.runs if run.ready and not run.ended)
        return f"{ready} of {found.endpoint.replicas} ready"
    states = [run.observed.value for run in view.runs if not run.ended]
    return ", ".join(states) or ("between runs" if view.runs else "no run yet")


def because(reason: Reason) -> str:
    """The reason's sentence without the words that every command has said already."""
    text = reason.summary.removeprefix("It waits because ")
    return text[:1].upper() + text[1:]


def show_reason(reason: Reason) -> None:
    """Why a workload waits, site by site, and what to do."""
    output.say(f"It waits ({_words(reason.code)}): {because(reason)}")
    if reason.sites:
        output.table(
            ["Site", "Refused by", "~Because", ">Nodes", "~Nodes refused by"],
            (
                [
                    site.site,
                    _words(site.code),
                    site.detail,
                    site.nodes_total,
                    [f"{_words(code)} {count}" for code, count in site.nodes_refused.items()],
                ]
                for site in reason.sites
            ),
        )
    if reason.not_before_ms is not None:
        output.say(f"Not before {show_moment(reason.not_before_ms)}.")
    if reason.room_by_ms is not None:
        output.say(f"By the time limits of what runs there is room by {show_moment(reason.room_by_ms)}.")
    if reason.advice:
        output.say(f"What to do: {reason.advice}")


def _show_placement(placement: "Placed", run: Run | None) -> None:
    """Where a run is or was, and why there."""
    parts = [
        f"{part.node} ({placement.accelerator} {output.plain(part.devices)})" for part in placement.devices
    ]
    ended = run is not None and run.ended
    since = f" since {show_moment(run.started_at_ms)}" if run and run.started_at_ms and not ended else ""
    verb = "ran" if ended else run.observed.value if run else "was placed"
    output.say(f"Run {placement.run}: {verb} at {placement.site} on {', '.join(parts)}{since}.")
    if run is not None and run.stop_reason is not None:
        _show_stop(run, run.stop_reason)
    if placement.filtered:
        words = ", ".join(f"{count} by {_words(code)}" for code, count in placement.filtered.items())
        output.say(f"  Nodes that were ruled out: {words}.")
    places = [
        f"{place.site} {output.plain(place.nodes) if place.nodes else 'elsewhere'} ({place.score})"
        for place in placement.leading
    ]
    if len(places) > 1:
        output.say(f"  Why there: the best fit, lower being better: {', '.join(places)}.")
    elif places:
        output.say("  Why there: no other place that would do had room.")


def _show_stop(run: Run, reason: StopReason) -> None:
    """Why a run was told to end, and whose work took its place where the caller may know that."""
    when = f" {show_moment(run.stop_requested_at_ms)}" if run.stop_requested_at_ms else ""
    detail = run.stop_detail or "no more is known."
    taker = f" Its place went to {run.stopped_for}." if run.stopped_for else ""
    output.say(f"  Told to stop{when} ({reason.value.replace('_', ' ')}): {detail}{taker}")
