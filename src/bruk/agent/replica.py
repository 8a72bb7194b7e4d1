"""Replicas: a loopback port, and whether the server behind it answers.

Readiness has hysteresis, so that one lost answer does not take a replica out of its route.
``hand`` decides what follows.
"""

import socket
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import httpx

LOOPBACK = "127.0.0.1"
FAILURES_MAX = 3
_PROBE_S = 3.0

HealthProbe = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Attributes:
    ready: it answered, and has not failed ``FAILURES_MAX`` times in a row since.
    failures: in a row.
    since_ms: when it was last ready, or was started [ms].
    """

    since_ms: int
    ready: bool = False
    failures: int = 0

    def after(self, healthy: bool, now_ms: int) -> "Readiness":
        """The readiness after one more answer, or the lack of one."""
        if healthy:
            return Readiness(since_ms=now_ms, ready=True)
        failures = self.failures + 1
        return Readiness(self.since_ms, self.ready and failures < FAILURES_MAX, failures)


class HealthWatch:
    """Asks one replica again and again, in the background, and keeps its readiness."""

    def __init__(self, address: str, probe: HealthProbe, background: Executor, readiness: Readiness) -> None:
        self.readiness = readiness
        self._address = address
        self._probe = probe
        self._background = background
        self._asked: Future[bool] | None = None
        self._asked_at_ms: int | None = None

    def look(self, now_ms: int, every_ms: int) -> Readiness:
        """Ask if it is time, and take in the answer if it is there."""
        if self._asked is None and (self._asked_at_ms is None or now_ms - self._asked_at_ms >= every_ms):
            self._asked_at_ms = now_ms
            self._asked = self._background.submit(self._probe, self._address)
        if self._asked is not None and self._asked.done():
            healthy = self._asked.exception() is None and self._asked.result()
            self.readiness = self.readiness.after(healthy, now_ms)
            self._asked = None
        return self.readiness


def address_of(port: int) -> str:
    """Where a replica on this machine is reached."""
    return f"http://{LOOPBACK}:{port}"


def http_health(address: str) -> bool:
    """Whether ``GET /health`` there answers with success in time; asks without a key."""
    try:
        return httpx.get(f"{address}/health", timeout=_PROBE_S, trust_env=False).is_success
    except (httpx.HTTPError, OSError):
        return False


def free_port(taken: Collection[int]) -> int:
    """A loopback port that is free now and not promised to another run.

    Raises:
        OSError: there is none.
    """
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
    raise OSError("no free loopback port; are too many replicas on this machine?")
