"""Watch workloads: what is wanted, what is observed, what it waits for, what it prints."""

import sys
from typing import Annotated, Any

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import show_moment
from bruk.cli.settings import ProjectOption, client

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
        workloads = control.workloads.list(project=project, kind=kind, open=None if every else True)
        details = [control.workloads.get(item.id) for item in islice(workloads, limit)]
    if json:
        output.show_json(details)
        return
    output.table(
        ["Workload", "Name", "Project", "Kind", "Wanted", "Observed", "Waiting for", "Site", "Created"],
        (_row(detail) for detail in details),
        none="Nothing is wanted now. 'bruk submit' submits a job; 'bruk ps --all' lists what has ended.",
    )


def why(ctx: typer.Context, workload: WorkloadArgument, json: JsonOption = False) -> None:
    """Say why a workload waits, site by site, and what would unblock it."""
    with client(ctx) as control:
        workload = control.workloads.find(workload)
        answer = control.workloads.why(workload)
        detail = control.workloads.get(workload)
    if json:
        output.show_json(answer)
        return
    found = detail["workload"]
    output.say(f"{found['name']} ({found['id']}): {_observed(detail)}.")
    reason = answer.get("waiting") or answer.get("reason") or (answer if "summary" in answer else None)
    if reason:
        _show_reason(reason)
    elif found["outcome"] != "open":
        output.say(found.get("outcome_detail") or f"It has {found['outcome']}.")
    else:
        output.say("It waits for nothing.")
    for placement in answer.get("placements") or []:
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
        control.workloads.cancel(workload)
        found = control.workloads.workload(workload)
    if json:
        output.show_json(found)
    else:
        output.say(f"{found.name} ({found.id}) is cancelled; its runs get their grace.")


def _row(detail: dict[str, Any]) -> list[object]:
    found = detail["workload"]
    waiting = detail.get("waiting")
    open_runs = [run for run in detail.get("runs") or [] if run["observed"] not in {"exited", "lost"}]
    return [
        found["id"],
        found["name"],
        found["project"],
        found["kind"],
        found["wanted"],
        _observed(detail),
        f"{waiting['code']}: {waiting['summary']}" if waiting else None,
        sorted({run["site"] for run in open_runs}),
        show_moment(found["created_at_ms"]),
    ]


def _observed(detail: dict[str, Any]) -> str:
    """What is observed of a workload's runs, in a few words."""
    found, runs = detail["workload"], detail.get("runs") or []
    if found["outcome"] != "open":
        return str(found["outcome"])
    states = [run["observed"] for run in runs if run["observed"] not in {"exited", "lost"}]
    if found["kind"] == "endpoint":
        ready = sum(1 for run in runs if run.get("ready"))
        return f"{ready} of {found['spec']['replicas']} ready"
    if states:
        return ", ".join(states)
    return "between runs" if runs else "no run yet"


def _show_reason(reason: dict[str, Any]) -> None:
    output.say(f"It waits for {reason['code'].replace('_', ' ')}: {reason['summary']}")
    if reason.get("sites"):
        output.table(
            ["Site", "Refused by", "Because", ">Nodes", "Nodes refused by"],
            (
                [
                    site["site"],
                    site["code"],
                    site["detail"],
                    site.get("nodes_total"),
                    [f"{code} {count}" for code, count in (site.get("nodes_refused") or {}).items()],
                ]
                for site in reason["sites"]
            ),
        )
    if reason.get("not_before_ms"):
        output.say(f"Not before {show_moment(reason['not_before_ms'])}.")
    if reason.get("advice"):
        output.say(f"What to do: {reason['advice']}")


def _show_placement(placement: dict[str, Any]) -> None:
    devices = placement.get("devices") or placement.get("placement") or []
    nodes = ", ".join(f"{part['node']} devices {output.plain(part['devices'])}" for part in devices)
    output.say(f"Placed at {placement.get('site')}{f': {nodes}' if nodes else ''}.")
    filtered = placement.get("filtered") or {}
    if filtered:
        words = ", ".join(f"{count} by {code}" for code, count in filtered.items())
        output.say(f"  Nodes that were filtered out: {words}.")
    for candidate in placement.get("leading") or []:
        where = f"{candidate['site']} {output.plain(candidate['nodes'])}"
        output.say(f"  Considered: {where}, score {candidate['score']}")
