"""A stand-in for control: answers a gateway's sync with leases that are really sealed, and keeps a ledger."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import Any

from bruk.model.switch import Hold, HoldScope
from bruk.seal import SignedDocument, SigningKey
from bruk.wire.codec import dump
from bruk.wire.gateway import GatewaySync, Lease, UsageRecord

from .serving import Serving

TOKEN = "gateway-token"


class Control:
    def __init__(self, gateway: str = "gw1", site: str = "essonne") -> None:
        self.signing = SigningKey.generate()
        self.signing_now = self.signing
        self.handovers: list[dict[str, Any]] = []
        self.gateway = gateway
        self.site = site
        self.life_ms = 10_000
        self.epoch = 0
        self.generation = 0
        self.version = 1
        self.holds: list[dict[str, Any]] = []
        self.keys: list[dict[str, Any]] = []
        self.projects: list[dict[str, Any]] = []
        self.models: list[dict[str, Any]] = []
        self.limits: dict[str, dict[str, Any]] = {}
        self.ledger: dict[tuple[str, int], UsageRecord] = {}
        self.received = 0
        self.acknowledgements: list[Any] = []
        self.settle = True
        self.down = False
        self.frozen_epoch: int | None = None
        self._serving = Serving.of(self._app)
        self.url = self._serving.url

    def stop(self) -> None:
        self.down = True
        self._serving.let_go()

    def add_key(self, secret: str, project: str, **more: Any) -> None:
        digest = hashlib.sha256(secret.encode()).hexdigest()
        self.keys.append({"id": f"key-{secret}", "secret_hash": digest, "project": project, **more})

    def add_project(self, project: str, **more: Any) -> None:
        self.projects.append(
            {
                "id": project,
                "tenant": project.split("/")[0],
                "allowed_here": True,
                "sites": ["essonne", "borlange"],
                **more,
            }
        )

    def hold(self, scope: HoldScope, target: str) -> None:
        self.generation += 1
        hold = Hold(f"hold{self.generation}", scope, target, self.generation, "op", 1, "maintenance")
        self.holds.append(dump(hold))
        self.change()

    def release(self) -> None:
        self.generation += 1
        self.holds.clear()
        self.change()

    def change(self) -> None:
        self.version += 1

    def records(self) -> list[UsageRecord]:
        return list(self.ledger.values())

    def lease(self) -> dict[str, Any]:
        self.epoch += 1
        now_ms = int(time.time() * 1000) + 3_600_000  # this machine's clock is an hour off, and that is fine
        through = max((seq for _, seq in self.ledger), default=0) if self.settle else 0
        for project in self.projects:
            project["settled_microeur"] = sum(
                _amount(record)
                for (_, seq), record in self.ledger.items()
                if record.project == project["id"] and seq <= through
            )
        body = {
            "gateway": self.gateway,
            "site": self.site,
            "epoch": self.epoch if self.frozen_epoch is None else self.frozen_epoch,
            "issued_at_ms": now_ms,
            "until_ms": now_ms + self.life_ms,
            "generation": self.generation,
            "holds": self.holds,
            "keys": self.keys,
            "projects": self.projects,
            "models": self.models,
            "limits": self.limits,
            "settled_through_seq": through,
        }
        Lease.model_validate(body)
        return SignedDocument.sign("gateway_lease", body, self.signing_now).document()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = dict(scope["headers"])
        if self.down:
            await _answer(send, 503, {})
            return
        assert headers[b"authorization"] == f"Bearer {TOKEN}".encode()
        assert (scope["method"], scope["path"]) == ("POST", "/api/v1/gateway/sync")
        sync = GatewaySync.model_validate(json.loads(body))
        for record in sync.usage:
            self.received += 1
            before = self.ledger.setdefault((sync.journal, record.seq), record)
            assert before == record, "a record that comes again is the same"
        self.acknowledgements.append(sync.acknowledgement)
        ends = time.monotonic() + sync.wait_ms / 1000
        while sync.known_version == self.version and time.monotonic() < ends and not self.down:
            await asyncio.sleep(0.02)
        if self.down:
            await _answer(send, 503, {})
            return
        through = max((seq for _, seq in self.ledger), default=0) if self.settle else 0
        answer = {"version": self.version, "lease": self.lease(), "acknowledged_seq": through}
        await _answer(send, 200, {**answer, "handovers": self.handovers})


def _amount(record: UsageRecord) -> int:
    from bruk.gateway.account import amount_of

    return amount_of(record)


async def _answer(send: Any, status: int, document: Any) -> None:
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
