"""A server that already runs, behind a real ``bruk up``: called, billed, held, and known by its own key."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from bruk.cli.demo.act import until
from bruk.cli.demo.scene import Scene, bruk_up
from bruk.model.ledger import Resource
from bruk.model.switch import HoldScope
from bruk.sdk import Client, SdkError
from bruk.wire.requests import (
    AttachBody,
    KeyBody,
    PriceBody,
    ProjectBody,
    SiteBody,
    SwitchBody,
    TenantBody,
    UserBody,
)

pytestmark = pytest.mark.slow


class Server(ThreadingHTTPServer):
    """Answers chats as an engine does, to whoever has its key."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.headers.get("authorization", ""), body))
        choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
        answer = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"]}
        data = json.dumps({**answer, "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def scene(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("BRUK_ATTACH", f"127.0.0.1:{server.server_port}")
    with bruk_up(tmp_path / "home") as scene:
        yield scene


def test_an_attached_server_is_called_billed_and_held(scene: Scene, server: Server) -> None:
    operator = scene.operator
    operator.sites.add(SiteBody(name="here", country="FR", grid_zone="FR"))
    operator.tenants.add(TenantBody(name="acme"))
    operator.projects.add(ProjectBody(tenant="acme", name="lab"))
    for resource in ("tokens_in", "tokens_out"):
        operator.prices.set(PriceBody.model_validate({"resource": resource, "price_microeur": 2_000_000}))
    _, link = operator.users.add(UserBody(name="Ann", role="member", tenant="acme"))
    with Client(scene.url, Client(scene.url, "").login(link)[1]) as member:
        member.secrets.set("acme/lab", "SERVER_KEY", "only-for-that-server")
    said = {
        "project": "acme/lab",
        "name": "chat",
        "model": "mistral",
        "served_name": "org/Mistral",
        "site": "here",
        "key_secret": "SERVER_KEY",
        "url": f"http://127.0.0.1:{server.server_port}/v1",
    }
    with pytest.raises(SdkError, match="BRUK_ATTACH"):
        operator.endpoints.attach(AttachBody.model_validate({**said, "url": "http://127.0.0.1:1"}))
    operator.endpoints.attach(AttachBody.model_validate(said))
    _, key = operator.projects.add_key("acme/lab", KeyBody())
    ask = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
    url, headers = f"{scene.gateway_url}/v1/chat/completions", {"authorization": f"Bearer {key}"}

    def call() -> httpx.Response:
        return httpx.post(url, json=ask, headers=headers, timeout=30, trust_env=False)

    def answered() -> bool:
        try:
            return call().status_code == 200
        except httpx.ConnectError:
            return False  # The gateway comes up with the first site.

    until("an answer", 30, answered)
    answer = call().json()
    assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("chat", "yes")
    assert {seen[0] for seen in server.asked} == {"Bearer only-for-that-server"}
    assert {seen[1]["model"] for seen in server.asked} == {"org/Mistral"}
    count = len(server.asked)

    def billed() -> list[tuple[str, str, int]]:
        entries = [entry for entry in operator.ledger.list() if entry.resource is Resource.TOKENS_IN]
        return [(entry.item, entry.site, entry.amount_microeur) for entry in entries]

    until("the bill", 30, lambda: len(billed()) == count)
    assert billed() == [("mistral", "here", 10)] * count
    operator.switch.off(SwitchBody(scope=HoldScope.MODEL, target="mistral"))
    until("the hold", 30, lambda: call().status_code == 503)
    assert call().json()["error"]["code"] == "held"
