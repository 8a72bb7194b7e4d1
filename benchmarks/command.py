"""How long a person waits for the command line to answer."""

import subprocess
import sys

from benchmarks.row import Row, seconds, timed


def _help() -> float:
    command = [sys.executable, "-m", "bruk", "--help"]
    return 1000 * seconds(lambda: subprocess.run(command, capture_output=True, check=True))


def run() -> list[Row]:
    return [timed("command line: bruk --help", "ms", _help)]
