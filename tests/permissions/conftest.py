"""A world with work of two tenants at one site, everybody who may knock, and doors to knock at.

The walk changes it: whatever was let in is undone by putting the database back as it was.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bruk.api import create_api
from bruk.console import create_router
from bruk.control import access, inspection, invoices, persons, secrets, switch, tenancy
from bruk.control.logs import Stream
from bruk.model import egress
from bruk.model.artifact import Artifact, ArtifactKind
from bruk.model.inspection import OperatorAccess
from bruk.model.policy import Policy, Reach, Who
from bruk.model.switch import HoldScope
from bruk.model.tenant import Actor, Role
from bruk.store import goods, people, signing
from bruk.store.signing import SigningKeyRow
from bruk.wire.access import InspectionBody
from bruk.wire.requests import InvoiceBody, KeyChange, ProjectChange, ResidencyBody, TenantChange, UserBody

from ..control.world import World, migrated  # noqa: TID252 (tests are no installed package)

SECRET_OF = "words that only {} may read"


@dataclass(frozen=True)
class Caller:
    """Somebody at the door: what kind of caller, of whom, with which secret."""

    name: str
    who: Who | None
    secret: str
    tenant: str | None = None
    project: str | None = None
    site: str | None = None
    person: str = ""


@dataclass(frozen=True)
class Ids:
    """One tenant's things, by the names of the path's parameters and of what bodies need."""

    tenant: str
    project: str
    site: str
    values: dict[str, str]


def hidden(caller: Caller, ids: Ids) -> list[str]:
    """What no answer may show this caller of one tenant, unless the caller named it: content, names, ids."""
    tenant, values = ids.tenant, ids.values
    content = [SECRET_OF.format(tenant)]
    work = [values[name] for name in ("workload", "run", "artifact")] + [f"{tenant}-data"]
    keys = [values["key"], f"{tenant} key"]
    people = [f"{tenant} admin person", f"{tenant} member person", values["user"], values["credential"]]
    names = [f"House of {tenant}", f"Lab of {tenant}", ids.project, values["model"], values["number"]]
    names += [values["endpoint"], values["request"], values["secret"]]
    hashes = ["secret_hash", "token_hash"]
    nodes = [f"{ids.site}-1"]  # No run is there; where their own runs are, people see.
    everything = content + work + keys + people + names + hashes
    match caller.who:
        case Who.PLATFORM_OPERATOR | Who.AUDITOR:
            return content + hashes
        case Who.SITE_OPERATOR if caller.site == ids.site:
            # They see what runs at their site, and so whose it is.
            return [*content, f"{tenant}-data", *keys, *people, *hashes]
        case Who.SITE_OPERATOR:
            # Quoted: the site as a value of its own, in answers of the API.
            return [*everything, *nodes, values["receipt"], f'"{ids.site}"']
        case Who.TENANT_ADMIN | Who.MEMBER | Who.KEY if caller.tenant != tenant:
            return [*everything, *nodes]
        case Who.KEY if caller.project != ids.project:
            return content + work + keys + people + hashes + nodes
        case Who.TENANT_ADMIN | Who.MEMBER | Who.KEY:
            return hashes + nodes
        case Who.AGENT if caller.site == ids.site:
            return keys + people + hashes
        case Who.GATEWAY:
            return content + people
    return everything


@dataclass
class House:
    """The world, its doors, who knocks, whose ids they name."""

    world: World
    client: TestClient
    callers: dict[str, Caller]
    ids: dict[str, Ids]
    kept: Path
    before: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    def restore(self) -> None:
        """The database as it was."""
        database = self.world.home / "bruk.sqlite3"
        self.world.database.engine.dispose()
        for leftover in self.world.home.glob("bruk.sqlite3*"):
            leftover.unlink()
        shutil.copy(self.kept / "bruk.sqlite3", database)
        shutil.copytree(self.kept / "artifacts", self.world.home / "artifacts", dirs_exist_ok=True)

    def changed(self) -> set[str]:
        """The tables that differ from how they were; of the audit log, only what is no refusal."""
        after = self.world.dump()
        found = {name for name in after if after[name] != self.before[name]} - {"audit"}
        fresh = set(after["audit"]) - set(self.before["audit"])
        return found | ({"audit"} if any("done" in row for row in fresh) else set())


def reached(policy: Policy, caller: Caller, ids: Ids, reads: bool = True) -> bool:
    """Whether the declared policy lets this caller reach these ids, to read or to change."""
    if policy.open:
        return True
    if caller.who not in policy.who:
        return False
    own_tenant = caller.tenant in (None, ids.tenant)
    own_project = own_tenant and caller.project in (None, ids.project)
    own_site = caller.site in (None, ids.site)
    match policy.reach:
        case Reach.PLATFORM | Reach.OWN:
            return True
        case Reach.SITE:
            return own_site
        case Reach.TENANT:
            # An operator of one site has nothing of tenants, but what they asked for themselves.
            return own_tenant and caller.who is not Who.SITE_OPERATOR
        case Reach.PROJECT:
            return own_project
        case Reach.RUN:
            return own_project and own_site
        case Reach.CONTENT:
            return own_project and caller.who not in (Who.PLATFORM_OPERATOR, Who.SITE_OPERATOR)
        case Reach.PERSON:
            if caller.person == ids.values["user"]:
                return True
            if caller.who is Who.AUDITOR:
                return reads
            return own_tenant and caller.who in (Who.PLATFORM_OPERATOR, Who.TENANT_ADMIN)


def _train(world: World, tenant: str) -> dict[str, str]:
    """A model with a log, an evaluation, an endpoint that runs, an invoice: all at essonne."""
    project, secret = f"{tenant}/lab", SECRET_OF.format(tenant)
    model = f"{tenant}-model"
    world.train(model, project)
    world.evaluate(model, b'{"bits_per_byte": 1.5, "gzip_bits_per_byte": 2.0}', project)
    endpoint = world.serve(model, f"{tenant}-endpoint", project)
    world.step()
    artifact_id = world.clock.new_id("art")
    digest, size = world.control.blobs.put(artifact_id, [secret.encode()])
    now_ms = world.clock.now_ms()
    data = Artifact(artifact_id, project, f"{tenant}-data", ArtifactKind.FILE, digest, size, now_ms)
    with world.database.write() as connection:
        goods.add_artifact(connection, data)
    # One that nothing uses, and so can go.
    spare = replace(data, id=world.clock.new_id("art"), name=f"{tenant}-spare-data")
    with world.database.write() as connection:
        goods.add_artifact(connection, spare)
    world.train(f"{tenant}-spare-model", project)
    job, run, site = world.running(project=project, inputs={"data": artifact_id})
    for stream in Stream:
        world.control.logs.append(run.id, stream, 0, f"{secret}\n".encode())
    world.clock.advance(60_000)
    site.meter(run.id, run.started_at_ms or 0, world.clock.now_ms())
    site.sync()
    invoice = invoices.issue(world.control, world.operator, InvoiceBody(tenant=tenant))
    return {
        "tenant": tenant,
        "project": "lab",
        "workload": job.id,
        "run": run.id,
        "artifact": artifact_id,
        "model": model,
        "spare": spare.id,
        "spare_model": f"{tenant}-spare-model",
        "endpoint": endpoint.name,
        "number": invoice.number,
        "digest": digest,
    }


def _people(world: World, callers: dict[str, Caller]) -> None:
    def add(name: str, who: Who, tenant: str | None, role: str, site: str | None = None) -> None:
        body = UserBody(name=f"{name} person", role=role, tenant=tenant, site=site)  # type: ignore[arg-type]
        user, link = access.add_user(world.control, world.operator, body)
        _, secret = access.log_in(world.control, link, "token")
        callers[name] = Caller(name, who, secret, tenant, None, site, user.id)

    callers["operator"] = Caller("operator", Who.PLATFORM_OPERATOR, world.token, person=world.operator.id)
    add("site operator", Who.SITE_OPERATOR, None, "operator", "essonne")
    add("other site operator", Who.SITE_OPERATOR, None, "operator", "borlange")
    add("auditor", Who.AUDITOR, None, "auditor")
    for tenant in ("acme", "lumen"):
        add(f"{tenant} admin", Who.TENANT_ADMIN, tenant, "tenant_admin")
        add(f"{tenant} member", Who.MEMBER, tenant, "member")
        _, secret = world.key(f"{tenant}/lab", name=f"{tenant} key")
        callers[f"{tenant} key"] = Caller(f"{tenant} key", Who.KEY, secret, tenant, f"{tenant}/lab")
    ended_key, secret = world.key("acme/lab", name="ended")
    access.change_key(world.control, world.operator, ended_key, KeyChange(disabled=True))
    callers["ended key"] = Caller("ended key", None, secret)
    _, secret = world.key("acme/second")
    callers["acme second key"] = Caller("acme second key", Who.KEY, secret, "acme", "acme/second")
    add("disabled", Who.MEMBER, "acme", "member")
    gone = callers.pop("disabled")
    persons.disable(world.control, world.operator, gone.person)
    callers["disabled"] = Caller("disabled", None, gone.secret)
    add("expired", Who.MEMBER, "acme", "member")
    ended = callers.pop("expired")
    with world.database.write() as connection:
        people.end_credential(connection, access.hash_secret(ended.secret), world.clock.now_ms() + 1)
    callers["expired"] = Caller("expired", None, ended.secret)
    callers["agent"] = Caller("agent", Who.AGENT, world.agent_tokens["essonne"], site="essonne")
    callers["other agent"] = Caller("other agent", Who.AGENT, world.agent_tokens["borlange"], site="borlange")
    callers["gateway"] = Caller("gateway", Who.GATEWAY, world.agent_tokens["gw"])
    callers["nobody"] = Caller("nobody", None, "")
    callers["forged"] = Caller("forged", None, "bk_forged")


def _ids(world: World, callers: dict[str, Caller], tenant: str, made: dict[str, str]) -> Ids:
    operator = next(item for item in (world.operator,))
    admin = callers[f"{tenant} admin"]
    who = Actor("user", admin.person, Role.TENANT_ADMIN, tenant)
    inspection.demand(world.control, who, tenant, OperatorAccess.APPROVED)
    secrets.put(world.control, who, f"{tenant}/lab", f"SECRET_OF_{tenant.upper()}", SECRET_OF.format(tenant))
    body = InspectionBody(project=f"{tenant}/lab", reason="a ticket", life_ms=3_600_000)
    asked = inspection.ask(world.control, operator, body)
    with world.control.read() as connection:
        keys = people.keys(connection, f"{tenant}/lab")
        member = callers[f"{tenant} member"].person
        credential = next(item for item in people.credentials(connection, member) if item.kind == "token")
    values = {
        **made,
        "site": "essonne",
        "node": "essonne-1",
        "action": "drain",
        "gateway": "gw",
        "user": member,
        "credential": credential.id,
        "secret": f"SECRET_OF_{tenant.upper()}",
        "key": keys[0].id,
        "request": asked.inspection.id,
        "chain": "audit",
    }
    return Ids(tenant, f"{tenant}/lab", "essonne", values)


def _house(folder: Path) -> House:
    world = World(folder / "home", migrated(folder))
    world.control.attachable = (egress.parse("127.0.0.1:9"),)
    world.home = folder / "home"  # type: ignore[attr-defined]
    world.add_gateway("gw", "essonne")
    world.add_project("acme", "second")
    callers: dict[str, Caller] = {}
    # lumen's law is France; acme's work is kept there too, so that one site has both.
    law = ProjectChange(residency=ResidencyBody(sites=["essonne"]))
    tenancy.change_project(world.control, world.operator, "acme/lab", law)
    for tenant in ("acme", "lumen"):
        named = TenantChange(display_name=f"House of {tenant}")
        tenancy.change_tenant(world.control, world.operator, tenant, named)
        named_lab = ProjectChange(display_name=f"Lab of {tenant}")
        tenancy.change_project(world.control, world.operator, f"{tenant}/lab", named_lab)
    with world.database.write() as connection:
        now_ms, own_key = world.clock.now_ms(), world.control.key.public_key.text
        signing.add(connection, SigningKeyRow(1, own_key, now_ms))
    made = {tenant: _train(world, tenant) for tenant in ("acme", "lumen")}
    _people(world, callers)
    _, receipt = switch.off(world.control, world.operator, HoldScope.SITE, "essonne", "a test")
    ids = {tenant: _ids(world, callers, tenant, {**made[tenant], "receipt": receipt}) for tenant in made}
    world.clock.advance(10)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/api/v1", create_api(world.control))
    app.include_router(create_router(world.control, gateway_url=lambda: ""))
    client = TestClient(app, raise_server_exceptions=False, follow_redirects=False)
    world.database.engine.dispose()
    kept = folder / "kept"
    kept.mkdir()
    shutil.copy(folder / "home" / "bruk.sqlite3", kept / "bruk.sqlite3")
    shutil.copytree(folder / "home" / "artifacts", kept / "artifacts")
    house = House(world, client, callers, ids, kept)
    house.before = world.dump()
    return house


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    found = _house(tmp_path_factory.mktemp("house"))
    yield found
    found.world.close()


def fill(text: str, ids: Ids) -> str:
    """Put ids where a path or a body names them."""
    return re.sub(r"\{(\w+)\}", lambda match: ids.values[match[1]], text)
