"""Runs every benchmark and writes the table between the marks of ``docs/benchmarks.md``."""

import datetime
import os
import platform
import subprocess
import sys
from pathlib import Path

from benchmarks import command, records, relay, scheduling
from benchmarks.row import Row

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
ROOMS = {"scheduling": scheduling, "records": records, "relay": relay, "command": command}


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


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [
        f"Measured {today} at commit {commit.stdout.strip() or 'unknown'} on {machine()}.",
        "",
        "| what | median | unit | lowest to highest |",
        "|---|---:|---|---|",
    ]
    for row in rows:
        low, high = row.spread
        lines.append(f"| {row.what} | {row.value:,.4g} | {row.unit} | {low:,.4g} to {high:,.4g} |")
    return "\n".join(lines)


def main() -> None:
    wanted = sys.argv[1:] or list(ROOMS)
    rows: list[Row] = []
    for name in wanted:
        for row in ROOMS[name].run():
            print(f"{row.value:>12,.4g} {row.unit:<6} {row.what}", flush=True)
            rows.append(row)
    if sys.argv[1:]:
        return  # A part is for looking at; only a whole run is written down.
    text = PAGE.read_text("utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", "utf-8")


main()
