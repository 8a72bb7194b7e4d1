"""Streams of a paced upstream through the gateway and past it: what it adds to the first token, how much of
the upstream's throughput arrives, and 2,000 streams open at once.

The upstream says its first token after a fixed time and each further one after another, as an engine does. A
client of our own on asyncio opens all streams and times the first event of each; it asks the upstream itself
in turns, so that what client and machine add is in both.
"""

import asyncio
import contextlib
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.relay import started
from benchmarks.row import Row
from benchmarks.stand import KEY

FEW, MANY = 32, 2_000
# As a large model on one device answers: first token after 50 ms, then one each 20 ms.
FIRST_MS, EACH_MS = 50, 20
PIECES = 100
# Clients begin one after another over the time of a stream, and have so many each.
SPREAD_S, EACH = 2.0, 3
# What stands once in every piece of an answer, and not in the usage that the gateway keeps to itself.
PIECE = b'"delta"'
# So many at once say one token a second, which two cores can follow.
MANY_EACH_MS, MANY_PIECES = 1_000, 10
ROUNDS = 5
ASK = {"model": "little", "messages": [{"role": "user", "content": "hello"}], "stream": True}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client saw of one stream: its first event after, its end after [s], and its events."""

    first_s: float
    whole_s: float
    events: int


async def _stream(url: str, key: str, body: bytes) -> Seen:
    parts = urlsplit(url)
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    first_s, events, before = 0.0, 0, b""
    while data := await reader.read(65536):
        found = (before + data).count(PIECE) - before.count(PIECE)
        if found and not events:
            first_s = time.perf_counter() - began
        events += found
        before = (before + data)[1 - len(PIECE) :]
        if b"0\r\n\r\n" in data[-7:]:
            break
    writer.close()
    assert events, "the stream brought nothing"
    return Seen(first_s, time.perf_counter() - began, events)


async def _streams(
    url: str, key: str, count: int, tokens: int, spread_s: float = 0.0, each: int = 1
) -> tuple[list[Seen], float]:
    """What so many clients saw, with ``each`` streams in turn, begun over ``spread_s``; and the time [s]."""
    body = json.dumps({**ASK, "max_tokens": tokens}).encode()
    chance = random.Random(0)

    async def client(delay_s: float) -> list[Seen]:
        await asyncio.sleep(delay_s)
        return [await _stream(url, key, body) for _ in range(each)]

    began = time.perf_counter()
    found = await asyncio.gather(*(client(spread_s * chance.random()) for _ in range(count)))
    return [seen for one in found for seen in one], time.perf_counter() - began


def _turns(gateway: str, upstream: str) -> tuple[list[float], list[float]]:
    """What the gateway adds to the median first event [ms], and its part of the upstream's throughput [%]."""
    added, shares = [], []
    for _ in range(ROUNDS):
        through, through_s = asyncio.run(_streams(gateway, "acme", FEW, PIECES, SPREAD_S, EACH))
        alone, alone_s = asyncio.run(_streams(upstream, KEY, FEW, PIECES, SPREAD_S, EACH))
        first = [statistics.median(seen.first_s for seen in side) for side in (through, alone)]
        added.append(1000 * (first[0] - first[1]))
        events = [sum(seen.events for seen in side) for side in (through, alone)]
        shares.append(100 * events[0] / through_s / (events[1] / alone_s))
    return added, shares


def _row(what: str, found: list[float], unit: str) -> Row:
    return Row(what, statistics.median(found), unit, (min(found), max(found)))


@contextlib.contextmanager
def _paced(each_ms: int) -> Iterator[tuple[psutil.Process, str, str]]:
    """A gateway's process and address, and the address of the paced upstream behind it."""
    cores = sorted(os.sched_getaffinity(0))
    own, others = cores[0], cores[-1]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _, upstream = stack.enter_context(started(others, "upstream", str(FIRST_MS), str(each_ms)))
        _, control = stack.enter_context(started(others, "control", upstream["address"]))
        words = ("gateway", control["url"], control["key"], control["token"], str(folder / "home"))
        process, gateway = stack.enter_context(started(own, *words))
        yield process, gateway["url"], upstream["address"]


def run() -> list[Row]:
    with _paced(EACH_MS) as (_, gateway, upstream):
        asyncio.run(_streams(gateway, "acme", FEW, PIECES))
        added, shares = _turns(gateway, upstream)
    with _paced(MANY_EACH_MS) as (process, gateway, _):
        before_mb = process.memory_info().rss / 2**20
        many, took_s = asyncio.run(_streams(gateway, "acme", MANY, MANY_PIECES))
        memory_mb = process.memory_info().rss / 2**20
    assert len({seen.events for seen in many}) == 1, "every stream came whole"
    first = [1000 * seen.first_s for seen in many]
    at_once = f"{MANY:,} streams at once"
    return [
        _row(f"gateway: added to the median time to first token, {FEW} streams", added, "ms"),
        _row(f"gateway: of a paced upstream's throughput, {FEW} streams", shares, "%"),
        _row(f"gateway: time to first token, {at_once}", first, "ms"),
        Row(f"gateway: {at_once}, {MANY_PIECES} s each, ended after", took_s, "s", (took_s, took_s)),
        Row(f"gateway: memory after {at_once}", memory_mb, "MiB", (before_mb, memory_mb)),
    ]
