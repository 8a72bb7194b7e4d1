"""Runs every benchmark and writes the table between the marks of ``docs/benchmarks.md``."""

import datetime
import os
import platform
import subprocess
import sys
from pathlib import Path

from benchmarks import command, placement, records, relay, replay, scheduling, streams
from benchmarks.row import Row

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
ROOMS = {
    "scheduling": scheduling,
    "placement": placement,
    "replay": replay,
    "records": records,
    "relay": relay,
    "streams": streams,
    "command": command,
}
# Comparisons that are whole in themselves: each has its place on the page, and what stands below its rows.
WHOLE = {"scheduling": scheduling.picture, "placement": placement.section, "replay": str}


def machine() -> str:
    """The machine in words."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def measured() -> str:
    """When, at which commit and on what this was measured."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return f"Measured {today} at commit {commit.stdout.strip() or 'unknown'} on {machine()}."


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [measured(), "", "| what | median | unit | lowest to highest |", "|---|---:|---|---|"]
    for row in rows:
        low, high = row.spread
        lines.append(f"| {row.what} | {row.value:,.4g} | {row.unit} | {low:,.4g} to {high:,.4g} |")
    return "\n".join(lines)


def write(name: str, text: str) -> None:
    """Put a part between its marks on the page."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = PAGE.read_text("utf-8").split(begin, 1)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}", "utf-8")


def main() -> None:
    wanted = sys.argv[1:] or list(ROOMS)
    rows: list[Row] = []
    for name in wanted:
        found = ROOMS[name].run()
        for row in found:
            print(f"{row.value:>12,.4g} {row.unit:<6} {row.what}", flush=True)
        if found and name in WHOLE:
            text = WHOLE[name]()
            print(text)
            write(name, f"{table(found)}\n\n{text}".rstrip())
        else:
            rows += found
    if set(wanted) >= set(ROOMS) - set(WHOLE):
        write("measured", table(rows))  # A table is of one run.


main()
