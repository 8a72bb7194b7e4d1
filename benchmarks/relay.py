"""The gateway before a fast stand-in upstream, and the stand-in alone, in one run.

Small non-streamed chats over loopback; keys, budget, residency and durable usage are on. The client
is a process of its own; upstream and gateway are threads of one process and share its interpreter,
so the rate is a lower bound and the ratio says more than the rate.
"""

import asyncio
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx

from benchmarks.row import Row, timed

ROOT = Path(__file__).parent.parent
CONNECTIONS = 16
REQUESTS = 800
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}


async def _load(url: str, key: str, model: str) -> float:
    body = {**BODY, "model": model}
    left = iter(range(REQUESTS))

    async def client() -> None:
        async with httpx.AsyncClient(timeout=30, headers={"Authorization": f"Bearer {key}"}) as http:
            for _ in left:
                answer = await http.post(f"{url}/v1/chat/completions", json=body)
                answer.raise_for_status()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return REQUESTS / (time.perf_counter() - began)


def load(url: str, key: str, model: str) -> float:
    """Requests a second that this process gets answered [1/s]."""
    return asyncio.run(_load(url, key, model))


def run() -> list[Row]:
    # The gateway's own tests have a real listening upstream and a control that gives real leases.
    sys.path.insert(0, str(ROOT))
    from tests.gateway.conftest import World  # type: ignore[import-not-found]

    spawned = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, mp_context=spawned) as pool:
        world = World(Path(folder)).start()
        try:
            route = world.control.models[0]
            replica = route["replicas"][0]
            alone = timed(
                "upstream stand-in alone, small chats",
                "1/s",
                lambda: pool.submit(
                    load, replica["address"], replica["key"], route["upstream_model"]
                ).result(),
                3,
            )
            through = timed(
                f"gateway: small chats, {CONNECTIONS} connections, all checks and durable usage on",
                "1/s",
                lambda: pool.submit(load, world.url, "acme", route["name"]).result(),
                3,
            )
        finally:
            world.close()
    ratio = through.value / alone.value
    return [alone, through, Row("gateway / upstream alone", ratio, "ratio", (ratio, ratio))]
