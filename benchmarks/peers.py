"""The gateway beside other gateways, side by side in one run: `make bench-gateway`.

Peers are installed in environments of their own below the folder that is given, from the package index:
`sglang-router` (Rust; no keys, limits, budgets or bill) and LiteLLM's proxy (Python; configured for the one
model, without a database). Each gets the first core to itself in its turn; upstream, control and `wrk` share
the last.
"""

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from benchmarks import relay
from benchmarks.stand import CHUNKS, MODEL

ROUNDS = 3
START_S = 120.0
CONFIG = """\
model_list:
- model_name: little
  litellm_params: {{model: openai/{model}, api_base: {url}/v1, api_key: none}}
"""
# Without a key of its own and without looking for prices on the network.
LITELLM = {
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


def installed(folder: Path, name: str, package: str) -> Path:
    """The programs of a package in an environment of its own, made when it is missing."""
    place = folder / name
    if not (place / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(place / "bin" / "pip"), "install", "-q", package], check=True)
        (place / "done").touch()
    return place / "bin"


@contextlib.contextmanager
def peer(
    core: int, words: list[str], more: dict[str, str], port: int
) -> Iterator[tuple[psutil.Process, str]]:
    """A peer that answers on a port of loopback."""
    command = ["taskset", "-c", str(core), *words]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, env={**os.environ, **more}) as process:
        try:
            _wait(port)
            yield psutil.Process(process.pid), f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait(port: int) -> None:
    body = {"model": "little", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    ends = time.monotonic() + START_S
    while time.monotonic() < ends:
        with contextlib.suppress(httpx.HTTPError):
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            if httpx.post(url, json=body, headers=relay.HEADERS, timeout=20).status_code == 200:
                return
        time.sleep(0.5)
    raise TimeoutError(f"the peer on port {port} does not answer")


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _peers(folder: Path, work: Path, upstream: str) -> Iterator[tuple[str, list[str], dict[str, str], int]]:
    port = _port()
    words = ["--worker-urls", upstream, "--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    program = installed(folder, "sglang", "sglang-router") / "python"
    yield "sglang-router", [str(program), "-m", "sglang_router.launch_router", *words], {}, port
    port, config = _port(), work / "litellm.yaml"
    config.write_text(CONFIG.format(model=MODEL, url=upstream))
    words = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    program = installed(folder, "litellm", "litellm[proxy]") / "litellm"
    yield "LiteLLM proxy", [str(program), *words], LITELLM, port


def main(folder: Path) -> None:
    """Measure all of them in turns, and print the medians as a table."""
    cores = sorted(os.sched_getaffinity(0))
    own, others = cores[0], cores[-1]
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _, upstream = stack.enter_context(relay.started(others, "upstream"))
        _, control = stack.enter_context(relay.started(others, "control", upstream["address"]))
        words = ("gateway", control["url"], control["key"], control["token"], str(work / "home"))
        process, gateway = stack.enter_context(relay.started(own, *words))
        every = {"Bruk": (process, gateway["url"])}
        for name, command, more, port in _peers(folder, work, upstream["address"]):
            every[name] = stack.enter_context(peer(own, command, more, port))
        for _ in range(ROUNDS):
            for stream in (False, True):
                script = relay.script(work, stream=stream)
                what = f"streams of {CHUNKS}" if stream else "small chats"
                for name, (process, url) in every.items():
                    figures = relay.figures(process, url, others, script)
                    found.setdefault((what, name), []).append(figures)
    print("| what | gateway | 1/s | CPU s for 1,000 | Bruk is |\n|---|---|---:|---:|---:|")
    for (what, name), figures in found.items():
        rate = statistics.median(rate for rate, _ in figures)
        cost = statistics.median(cost for _, cost in figures)
        own_rate = statistics.median(rate for rate, _ in found[what, "Bruk"])
        print(f"| {what} | {name} | {rate:,.0f} | {cost:.3f} | {own_rate / rate:.2f} x |")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
