"""The gateway between `wrk` and a fast upstream, each a process of its own, with everything on.

Keys, admission, budget, residency, prices and durable usage are on. The gateway has the first core to itself;
upstream, control and `wrk` share the last one. Beside requests a second stand CPU seconds of the gateway for
a thousand requests, since the others share the machine with it. Without `wrk` (a Debian package) nothing is
measured.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.row import Row
from benchmarks.stand import CHUNKS

CONNECTIONS = 32
SECONDS = 5
REPEATS = 5


@contextlib.contextmanager
def started(core: int, *words: str) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """One of the processes of `benchmarks.stand` on a core, and what it says of itself."""
    command = ["taskset", "-c", str(core), sys.executable, "-m", "benchmarks.stand", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield psutil.Process(process.pid), json.loads(process.stdout.readline())
        finally:
            process.terminate()


def load(url: str, core: int, script: Path) -> str:
    """What `wrk` says after some seconds."""
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(script)]
    command = ["taskset", "-c", str(core), *words, f"{url}/v1/chat/completions"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def script(folder: Path, stream: bool) -> Path:
    body = {"model": "little", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    if stream:
        body |= {"stream": True, "max_tokens": CHUNKS + 50}
    path = folder / f"{stream}.lua"
    lines = ['wrk.method = "POST"', f"wrk.body = {json.dumps(json.dumps(body))}"]
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in HEADERS.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer acme"}


def _rate(said: str) -> float:
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


def figures(process: psutil.Process, url: str, core: int, script: Path) -> tuple[float, float]:
    """Requests a second, and CPU seconds for a thousand."""
    before = process.cpu_times()
    said = load(url, core, script)
    after = process.cpu_times()
    count = re.search(r"(\d+) requests in", said)
    assert count is not None, said
    used_s = after.user + after.system - before.user - before.system
    return _rate(said), used_s / int(count[1]) * 1000


def _rows(name: str, found: list[tuple[float, float]]) -> list[Row]:
    rates, costs = sorted(rate for rate, _ in found), sorted(cost for _, cost in found)
    middle = len(found) // 2
    return [
        Row(f"{name}, {CONNECTIONS} connections", rates[middle], "1/s", (rates[0], rates[-1])),
        Row(f"{name}: CPU of the gateway for 1,000", costs[middle], "s", (costs[0], costs[-1])),
    ]


def run() -> list[Row]:
    if shutil.which("wrk") is None:
        return []
    cores = sorted(os.sched_getaffinity(0))
    own, others = cores[0], cores[-1]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _, upstream = stack.enter_context(started(others, "upstream"))
        _, control = stack.enter_context(started(others, "control", upstream["address"]))
        words = ("gateway", control["url"], control["key"], control["token"], str(folder / "home"))
        process, gateway = stack.enter_context(started(own, *words))
        small, stream = script(folder, stream=False), script(folder, stream=True)
        load(gateway["url"], others, small)
        whole = [figures(process, gateway["url"], others, small) for _ in range(REPEATS)]
        streams = [figures(process, gateway["url"], others, stream) for _ in range(REPEATS)]
        alone = [_rate(load(upstream["address"], others, small)) for _ in range(REPEATS)]
        memory_mb = process.memory_info().rss / 2**20
    requests = 2 * REPEATS * SECONDS
    return [
        Row("upstream alone, small chats", sorted(alone)[REPEATS // 2], "1/s", (min(alone), max(alone))),
        *_rows("gateway: small chats, everything on", whole),
        *_rows(f"gateway: streams of {CHUNKS} pieces, everything on", streams),
        Row(f"gateway: memory after {requests} s of load", memory_mb, "MiB", (memory_mb, memory_mb)),
    ]
