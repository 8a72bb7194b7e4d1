"""A gateway that really listens, between a stand-in for control and stand-ins for inference servers."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from bruk.gateway import Gateway, Limits
from bruk.seal import Keyring

from .control import TOKEN, Control
from .upstream import KEY, MODEL, Upstream

PRICE_IN, PRICE_OUT = 1_000_000, 3_000_000  # one and three micro-euro a token


class SystemClock:
    """Real time; identifiers sort by it."""

    def now_ms(self) -> int:
        return int(time.time() * 1000)

    def monotonic_ms(self) -> int:
        return int(time.monotonic() * 1000)

    def new_id(self, kind: str) -> str:
        return f"{kind}_{time.time_ns():020d}{secrets.token_hex(4)}"

    def secret(self) -> str:
        return secrets.token_urlsafe(32)


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = 15) -> Any:
    """Poll until the condition holds; fails the test when it never does."""
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"it never came to be that {what}")


# Clients share what is costly to make; each call gets its own address and key.
_OPENAI = openai.OpenAI(base_url="http://127.0.0.1:9", api_key="none", max_retries=0, timeout=20)
HTTP = httpx.Client(timeout=30, trust_env=False)


def client_of(url: str, key: str) -> openai.OpenAI:
    """The official client for the gateway at this address."""
    return _OPENAI.copy(base_url=f"{url}/v1", api_key=key)


class World:
    """Control, two replicas and a gateway, with a key for each kind of caller."""

    def __init__(self, home: Path, limits: Limits | None = None) -> None:
        self.home = home
        self.limits = limits or Limits(drain_s=2)
        self.control = Control()
        self.upstreams = [Upstream(), Upstream()]
        self.gateway: Gateway | None = None
        self._thread: threading.Thread | None = None
        self._fill()

    def _fill(self) -> None:
        control = self.control
        control.add_project("acme/lab")
        control.add_project("poor/lab", slice_microeur=100)
        control.add_project("north/lab", allowed_here=False, refusal="country FR is not among SE")
        control.add_project("swede/lab", sites=["borlange"])
        control.add_project("finn/lab", sites=["kajaani"])
        for secret in ("acme", "poor", "north", "swede", "finn"):
            control.add_key(secret, f"{secret}/lab")
        control.add_key("old", "acme/lab", expires_at_ms=1)
        control.models += [
            self.route("little", ["*"]),
            self.route("private", ["poor"], owner="poor/lab"),
            self.route("unpriced", ["*"], price_in=None),
            self.route("empty", ["*"], replicas=[]),
        ]

    def route(self, name: str, tenants: list[str], owner: str = "acme/lab", **more: Any) -> dict[str, Any]:
        replicas = [
            {"run": f"run-{site}", "site": site, "address": upstream.address, "key": KEY}
            for site, upstream in zip(("essonne", "borlange"), self.upstreams, strict=True)
        ]
        return {
            "name": name,
            "endpoint": f"ep-{name}",
            "model": f"model-{name}",
            "upstream_model": MODEL,
            "owner_project": owner,
            "tenants": tenants,
            "context_tokens": 256,
            "replicas": replicas,
            "price_in": {"price_microeur": PRICE_IN, "version": 1},
            "price_out": {"price_microeur": PRICE_OUT, "version": 2},
            "created_at_ms": 1_790_000_000_000,
            **more,
        }

    def make_gateway(self) -> Gateway:
        keyring = Keyring.of([self.control.signing.public_key])
        return Gateway(
            self.home, "gw1", "essonne", self.control.url, TOKEN, keyring, SystemClock(), self.limits
        )

    def start(self, ready: bool = True) -> World:
        gateway = self.gateway = self.make_gateway()
        self._thread = threading.Thread(target=lambda: asyncio.run(gateway.run("127.0.0.1:0")), daemon=True)
        self._thread.start()
        wait_until(lambda: gateway.address, "the gateway listens")
        if ready:
            self.wait_for_lease()
        return self

    def wait_for_lease(self) -> None:
        wait_until(lambda: HTTP.get(f"{self.url}/health").status_code == 200, "the gateway has a lease")

    def stop_gateway(self) -> None:
        if self.gateway is not None and self._thread is not None:
            self.gateway.stop()
            self._thread.join(20)
            assert not self._thread.is_alive(), "the gateway ends when told to"
            self.gateway = self._thread = None

    def close(self) -> None:
        self.stop_gateway()
        for upstream in self.upstreams:
            upstream.let_go()
        self.control.stop()

    @property
    def url(self) -> str:
        assert self.gateway is not None
        assert self.gateway.address is not None
        return f"http://127.0.0.1:{self.gateway.address[1]}"

    def client(self, key: str = "acme") -> openai.OpenAI:
        return client_of(self.url, key)

    def settled(self, count: int) -> list[Any]:
        """The ledger's records once there are so many."""
        wait_until(lambda: len(self.control.ledger) >= count, f"{count} records are in the ledger")
        return self.control.records()

    def fault(self, fault: str, pause_s: float = 0.0) -> None:
        for upstream in self.upstreams:
            upstream.fault, upstream.pause_s = fault, pause_s


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "gw")
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world for tests that leave it as it was."""
    made = World(tmp_path_factory.mktemp("shared") / "gw")
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def idle_world(tmp_path: Path) -> Iterator[World]:
    """As `world`, its gateway not yet started."""
    made = World(tmp_path / "gw")
    try:
        yield made
    finally:
        made.close()


def ask(client: openai.OpenAI, **more: Any) -> Any:
    """A small chat completion."""
    options: dict[str, Any] = {
        "model": "little",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 4,
    }
    return client.chat.completions.create(**(options | more))
