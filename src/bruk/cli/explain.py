"""Keep what the scheduler knows, and have it explained: what it would do, and why."""

import json as json_module
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bruk.cli import output
from bruk.cli.exits import FAILED
from bruk.cli.output import JsonOption
from bruk.cli.quantity import show_moment
from bruk.cli.settings import client
from bruk.cli.work import show_reason
from bruk.model.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from bruk.model.plan import Placement, Waiting
    from bruk.twin.explain import Explained


def add_to(twin: typer.Typer) -> None:
    twin.command()(snapshot)
    twin.command()(explain)


def snapshot(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.json", help="Where to keep it.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Keep all that the scheduler knows of the running system in a file.

    It holds names of projects and workloads, amounts and prices, and no content; 'bruk twin explain'
    reads it.
    """
    from bruk.wire import codec

    if file.exists():
        raise InvalidInput(f"{file} is there already; give another name.", file=str(file))
    with client(ctx) as control:
        found = control.scheduler.snapshot()
    with file.open("x", encoding="utf-8") as stream:
        json_module.dump(codec.dump(found), stream)
    counts = {"sites": len(found.sites), "pending": len(found.pending), "runs": len(found.runs)}
    if json:
        output.show_json({"file": str(file), "now_ms": found.now_ms, **counts})
        return
    words = ", ".join(f"{number} {what}" for what, number in counts.items())
    output.say(f"The snapshot of {show_moment(found.now_ms)} is in {file}: {words}.")
    output.say(f"'bruk twin explain {file}' says what the scheduler would do.")


def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE.json", help="A snapshot.", show_default=False)],
    workload: Annotated[
        str | None, typer.Argument(help="Say all of this workload, by its id.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Decide a snapshot again: what would start, what would be stopped, and why the rest waits.

    The decision is the product's own. Exit status 1 if its checker finds a rule broken, which is a defect.
    """
    from bruk.twin.explain import explain as decide
    from bruk.twin.explain import read_snapshot
    from bruk.wire import codec

    found = decide(read_snapshot(file))
    if workload is not None:
        _one(found, workload, json)
    elif json:
        violations = [codec.dump(violation) for violation in found.violations]
        output.show_json({"plan": codec.dump(found.plan), "violations": violations})
    else:
        _all(found)
    for violation in found.violations:
        output.note(f"Broken rule {violation.rule} by {violation.subject}: {violation.detail}")
    if found.violations:
        raise typer.Exit(FAILED)


def _all(found: "Explained") -> None:
    plan = found.plan
    output.table(
        ["Would start", "At", "~Nodes", ">Devices", "~Nodes ruled out", ">Score"],
        ([*_place(placement), _score(placement)] for placement in plan.placements),
        none="Nothing would start.",
    )
    if plan.evictions:
        output.table(
            ["Would be stopped", "For", "~Because"],
            ([eviction.run, eviction.for_pending, eviction.detail] for eviction in plan.evictions),
        )
    if not plan.waiting:
        output.say("Nothing would wait.")
        return
    # Many share one reason, word for word: it is said once, with the first of them.
    shared = Counter(row.reason.summary for row in plan.waiting)
    first = {row.reason.summary: row for row in reversed(plan.waiting)}
    output.table(
        ["Would wait", ">With the same reason", "~For", "~Because", "~Room by"],
        ([row.pending, shared[summary] - 1, *_why(row)] for summary, row in reversed(first.items())),
    )
    output.say("'bruk twin explain FILE WORKLOAD' says all of one.")


def _why(row: "Waiting") -> list[object]:
    by_ms = row.reason.room_by_ms
    return [row.reason.code.value, row.reason.summary, None if by_ms is None else show_moment(by_ms)]


def _place(placement: "Placement") -> list[object]:
    devices = sum(len(part.devices) for part in placement.devices)
    ruled_out = [f"{count} by {code.value}" for code, count in placement.filtered.items()]
    return [
        placement.pending,
        placement.site,
        [part.node for part in placement.devices],
        f"{devices} {placement.accelerator}",
        ruled_out,
    ]


def _score(placement: "Placement") -> int:
    return placement.leading[0].score


def _one(found: "Explained", workload: str, json: bool) -> None:
    from bruk.wire import codec

    placed = [row for row in found.plan.placements if workload in (row.pending, row.workload)]
    waiting = [row for row in found.plan.waiting if workload in (row.pending, row.workload)]
    if not placed and not waiting:
        raise NotFound(f"nothing of {workload!r} is pending in this snapshot; leave it out to see what is")
    if json:
        output.show_json({"placements": codec.dump(placed), "waiting": codec.dump(waiting)})
        return
    for placement in placed:
        leading = [f"{place.site} {output.plain(place.nodes)} ({place.score})" for place in placement.leading]
        output.say(f"{placement.pending} would start at {placement.site}.")
        output.say(f"  The best places, lower being better: {', '.join(leading)}.")
    for row in waiting:
        output.say(f"{row.pending}:")
        show_reason(row.reason)
