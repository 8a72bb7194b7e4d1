"""Keep the jobs that have run as a trace, for the twin to play."""

import csv
from pathlib import Path
from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.settings import client
from bruk.model.errors import InvalidInput, NotFound


def trace(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Where to keep it.", show_default=False)],
    project: Annotated[
        str | None, typer.Option("--project", help="Only jobs of this project.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Keep the jobs that have ended in a file that 'bruk twin replay --format bruk' plays.

    It holds times, sizes, priorities and names of projects, and no content. Jobs that never ran are left out.
    """
    from bruk.twin.replay.export import trace_rows
    from bruk.twin.replay.formats import COLUMNS

    if file.exists():
        raise InvalidInput(f"{file} is there already; give another name.", file=str(file))
    with client(ctx) as control:
        rows = sorted(trace_rows(control.workloads.list(project=project, kind="job")))
    if not rows:
        raise NotFound("No job has run and ended yet, so that there is no trace to keep.")
    with file.open("x", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
    if json:
        output.show_json({"file": str(file), "jobs": len(rows)})
        return
    output.say(f"{len(rows)} jobs are in {file}.")
    output.say(f"'bruk twin replay {file} --format bruk --gpus N' plays them.")
