"""Control's API over a world, with a client for everyone who may call it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bruk.api import create_api
from bruk.control import access

from ..control.world import World, migrated  # noqa: TID252 (tests are no installed package)


@dataclass
class Api:
    """The API mounted as in production, and tokens by who bears them."""

    world: World
    app: FastAPI
    tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def call(self, method: str, path: str, who: str | None = "operator", **more: Any) -> Any:
        headers = {**more.pop("headers", {})}
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        return self.client.request(method, f"/api/v1{path}", headers=headers, **more)

    def get(self, path: str, who: str | None = "operator", **more: Any) -> Any:
        return self.call("GET", path, who, **more)

    def post(self, path: str, json: Any = None, who: str | None = "operator", **more: Any) -> Any:
        return self.call("POST", path, who, json=json, **more)

    def add_person(self, name: str, tenant: str | None, role: str) -> None:
        person = self.world.person(tenant, role)
        _, self.tokens[name] = access.log_in(self.world.control, self.world.logins[person.id], "token")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("template"))


def build(folder: Path, template: Path) -> Api:
    world = World(folder, template)
    app = FastAPI()
    app.mount("/api/v1", create_api(world.control))
    world.add_gateway("gw", "essonne")
    api = Api(world, app, {"operator": world.token, "nobody": "not-a-token-that-anybody-was-given"})
    api.add_person("auditor", None, "auditor")
    api.add_person("admin", "acme", "tenant_admin")
    api.add_person("member", "acme", "member")
    api.add_person("other", "lumen", "tenant_admin")
    _, api.tokens["key"] = world.key("acme/lab")
    api.tokens["agent"] = world.agent_tokens["essonne"]
    api.tokens["other_agent"] = world.agent_tokens["borlange"]
    api.tokens["gateway"] = world.agent_tokens["gw"]
    return api


@pytest.fixture
def api(template: Path, tmp_path: Path) -> Iterator[Api]:
    found = build(tmp_path / "home", template)
    with found.client:
        yield found
    found.world.close()


@pytest.fixture(scope="module")
def still(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One API for tests that only send what must change nothing."""
    found = build(tmp_path_factory.mktemp("still") / "home", template)
    with found.client:
        yield found
    found.world.close()
