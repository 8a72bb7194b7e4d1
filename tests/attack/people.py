"""Who attacks, and a cloud whose every kind of thing exists twice: for the attackers and for a stranger.

Everything of the stranger bears ``MARK`` in its name, so that one search of an answer tells whether
somebody else's things were shown.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from bruk.assembly.platform import create_app
from bruk.control import access, data
from bruk.model.artifact import ArtifactKind
from bruk.model.tenant import Actor
from bruk.wire.requests import KeyBody

from ..api.conftest import Api, build  # noqa: TID252 (tests are no installed package)

MARK = "quartz"
ROLES: tuple[str | None, ...] = (
    "operator",
    "auditor",
    "admin",
    "member",
    "key",
    "other",
    "agent",
    "gateway",
    "nobody",
    None,
)
PEOPLE = {
    "auditor": (None, "auditor"),
    "admin": ("acme", "tenant_admin"),
    "member": ("acme", "member"),
    "other": ("lumen", "tenant_admin"),
}
# Those who may see every tenant's things.
SEE_ALL = ("operator", "auditor")


@dataclass
class Cloud:
    """The API, and names of real things by what a path calls them.

    Attributes:
        mine: what acme's people may see.
        strange: the same of the stranger.
    """

    api: Api
    mine: dict[str, list[str]]
    strange: dict[str, list[str]]

    def token(self, role: str | None) -> str | None:
        return None if role is None else self.api.tokens[role]

    def renew(self, role: str) -> bool:
        """Give this role another credential; False for those that only a fresh cloud has."""
        if role not in PEOPLE:
            return False
        self.api.add_person(role, *PEOPLE[role])
        return True


def cloud(folder: Path, template: Path) -> Cloud:
    """A fresh one."""
    api = build(folder, template)
    world = api.world
    # The whole of control as it is run, console included; its loop of steps stands still.
    api.app = create_app(world.control)
    api.client = TestClient(api.app, raise_server_exceptions=False)
    world.add_tenant(MARK, display_name=f"{MARK} AB")
    names = {}
    for tenant in ("acme", MARK):
        project = f"{tenant}/lab"
        actor = world.person(tenant, "tenant_admin")
        key, _ = access.create_key(world.control, actor, project, KeyBody(name=f"{tenant} key"))
        world.passed(f"{tenant}-model", project)
        endpoint = world.serve(f"{tenant}-model", f"{tenant}-chat", project)
        job, run, _site = world.running(project=project, actor=actor)
        artifact = _artifact(world, project, actor, f"{tenant}-corpus")
        names[tenant] = {
            "tenant": [tenant],
            "project": ["lab"],
            "user": [actor.id],
            "person": [actor.id],
            "key": [key.id],
            "model": [f"{tenant}-model"],
            "name": [f"{tenant}-chat"],
            "endpoint": [f"{tenant}-chat"],
            "workload": [job.id, endpoint.id],
            "run": [run.id],
            "artifact": [artifact],
            "site": ["essonne"],
            "node": ["essonne-0"],
            "gateway": ["gw"],
            "action": ["drain", "undrain"],
        }
    return Cloud(api, names["acme"], names[MARK])


def _artifact(world: Any, project: str, actor: Actor, name: str) -> str:
    return data.put(world.control, actor, project, name, ArtifactKind.FILE, [b"bytes of " + name.encode()]).id
