"""A cloud with a fake agent at each site and fake gateways, spoken to through control's own doors.

Nothing here knows how control works inside: agents and gateways send what real ones send, people
are actors, time is a clock that stands until it is moved.
"""

import hashlib
import itertools
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import event, inspect

from bruk.control import access, agents, endpoints, gateways, jobs, prices, sites, switch, tenancy
from bruk.control.blobs import BlobStore
from bruk.control.control import Control
from bruk.control.logs import LogStore
from bruk.control.step import step
from bruk.model.artifact import ArtifactKind
from bruk.model.clock import ManualClock
from bruk.model.run import Observed, Run
from bruk.model.site import Isolation
from bruk.model.switch import Acknowledgement, EnforcerKind, Hold
from bruk.model.tenant import Actor, Role
from bruk.model.workload import Workload
from bruk.seal import Keyring, SigningKey
from bruk.store import work
from bruk.store.database import Database
from bruk.wire.agent import MeterRecord, NodeReport, Observation, OutputReport, RunOrder, SyncRequest
from bruk.wire.gateway import GatewaySync, Lease, UsageRecord
from bruk.wire.requests import (
    EndpointBody,
    JobBody,
    JobSpecBody,
    KeyBody,
    PriceBody,
    ProjectBody,
    ResidencyBody,
    SiteBody,
    TenantBody,
    UserBody,
)

from ..postgresql import Template  # noqa: TID252 (tests are no installed package)

DEVICE_PRICE_MICROEUR = 3_600_000  # A device-millisecond costs one micro-euro.
TOKEN_PRICE_MICROEUR = 1_000_000  # A token costs one micro-euro.


def migrated(folder: Path) -> Path:
    """An empty database of the newest schema, to be copied."""
    path = folder / "template.sqlite3"
    database = Database.open(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@dataclass
class Site:
    """A fake agent: remembers what it was told and says what tests make of it."""

    world: "World"
    name: str
    devices: int = 4
    nodes: int = 2
    accelerator: str = "h100-sxm"
    journal: str = ""
    seq: int = 0
    generation: int = 0
    processes_left: int = 0
    stopped: int = 0
    network: list[str] = field(default_factory=list)
    local_hold: Hold | None = None
    seen: dict[str, Observation] = field(default_factory=dict)
    orders: dict[str, RunOrder] = field(default_factory=dict)
    unsent: list[MeterRecord] = field(default_factory=list)

    @property
    def actor(self) -> Actor:
        return Actor("agent", self.name, site=self.name)

    def request(self, **changes: Any) -> SyncRequest:
        """What it would say now."""
        content: dict[str, Any] = {
            "site": self.name,
            "agent_version": "0.1",
            "boot_id": "boot",
            "journal": self.journal or f"journal-{self.name}",
            "now_ms": self.world.clock.now_ms(),
            "nodes": [
                NodeReport(
                    name=f"{self.name}-{index}",
                    pool="pool",
                    accelerator=self.accelerator,
                    devices=self.devices,
                    cpu_milli=64_000,
                    memory_bytes=2**40,
                )
                for index in range(self.nodes)
            ],
            "isolation": Isolation.SANDBOX,
            "network": self.network,
            "observations": list(self.seen.values()),
            "meters": self.unsent,
            "acknowledgement": Acknowledgement(
                EnforcerKind.AGENT, self.name, self.generation, 0, 0, 0, self.stopped, self.processes_left
            ),
            "local_hold": self.local_hold,
        }
        return SyncRequest(**{**content, **changes})

    def sync(self, acknowledge: bool = True, **changes: Any) -> dict[str, RunOrder]:
        """One exchange; what is wanted here by id of the run."""
        agents.receive(self.world.control, self.actor, self.request(**changes))
        answer = agents.answer(self.world.control, self.actor, 1)
        self.unsent = [record for record in self.unsent if record.seq > answer.acknowledged_seq]
        self.orders = {order.run: order for order in answer.runs}
        self.seen = {run: item for run, item in self.seen.items() if run in self.orders}
        if acknowledge:
            self.generation = answer.generation
        return self.orders

    def observe(self, run: str, observed: Observed, **more: Any) -> None:
        """Say this of a run with the next exchange, and exchange."""
        before = self.seen.get(run)
        order = self.orders.get(run)
        content: dict[str, Any] = {
            "run": run,
            "generation": order.generation if order else 1,
            "observed": observed,
            "started_at_ms": before.started_at_ms if before else self.world.clock.now_ms(),
            **more,
        }
        self.seen[run] = Observation(**content)
        self.sync()

    def start(self, run: str, **more: Any) -> None:
        self.observe(run, Observed.RUNNING, **more)

    def end(self, run: str, exit_code: int = 0, outputs: Iterable[OutputReport] = (), **more: Any) -> None:
        self.observe(
            run,
            Observed.EXITED,
            exit_code=exit_code,
            ended_at_ms=self.world.clock.now_ms(),
            outputs=list(outputs),
            **more,
        )

    def meter(
        self, run: str, from_ms: int, to_ms: int, device_ms: int | None = None, **more: Any
    ) -> MeterRecord:
        """A record in its journal, sent with the next exchange."""
        self.seq += 1
        record = MeterRecord(
            seq=self.seq,
            run=run,
            generation=1,
            from_ms=from_ms,
            to_ms=to_ms,
            device_ms=to_ms - from_ms if device_ms is None else device_ms,
            **more,
        )
        self.unsent.append(record)
        return record


@dataclass
class Gateway:
    """A fake gateway."""

    world: "World"
    name: str
    site: str
    journal: str = ""
    seq: int = 0
    generation: int = 0
    unsent: list[UsageRecord] = field(default_factory=list)
    lease: Lease | None = None

    @property
    def actor(self) -> Actor:
        return Actor("gateway", self.name, site=self.site)

    def request(self, **changes: Any) -> GatewaySync:
        content: dict[str, Any] = {
            "gateway": self.name,
            "journal": self.journal or f"journal-{self.name}",
            "now_ms": self.world.clock.now_ms(),
            "usage": self.unsent,
            "acknowledgement": Acknowledgement(EnforcerKind.GATEWAY, self.name, self.generation, 0),
        }
        return GatewaySync(**{**content, **changes})

    def sync(self, acknowledge: bool = True, **changes: Any) -> Lease:
        """One exchange; the lease that it brings."""
        gateways.receive(self.world.control, self.actor, self.request(**changes))
        answer = gateways.answer(self.world.control, self.actor, 1)
        self.unsent = [record for record in self.unsent if record.seq > answer.acknowledged_seq]
        self.lease = Lease.model_validate(answer.lease["body"])
        if acknowledge:
            self.generation = self.lease.generation
        return self.lease

    def use(self, project: str, tokens_in: int, tokens_out: int, **more: Any) -> UsageRecord:
        """A request that was served, in its journal, sent with the next exchange."""
        self.seq += 1
        now_ms = self.world.clock.now_ms()
        content: dict[str, Any] = {
            "seq": self.seq,
            "request": f"req-{self.seq}",
            "at_ms": now_ms,
            "from_ms": now_ms,
            "key": "key",
            "project": project,
            "model": "m",
            "endpoint": "ep",
            "run": "run",
            "site": self.site,
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "price_in_microeur": TOKEN_PRICE_MICROEUR,
            "price_in_version": 1,
            "price_out_microeur": TOKEN_PRICE_MICROEUR,
            "price_out_version": 1,
        }
        record = UsageRecord(**{**content, **more})
        self.unsent.append(record)
        return record


class World:
    """A control with what tests ask of it; two sites, three tenants, prices."""

    def __init__(self, folder: Path, template: Path | Template, populate: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(template, Template):
            self.url = template.copy()
        else:
            shutil.copy(template, folder / "bruk.sqlite3")
            self.url = f"sqlite:///{folder / 'bruk.sqlite3'}"
        self.database = self._database()
        self.clock = ManualClock()
        key = SigningKey.generate()
        self.control = Control(
            self.database,
            self.clock,
            key,
            Keyring.of([key.public_key]),
            BlobStore(folder / "artifacts"),
            LogStore(folder / "logs"),
            folder,
        )
        user, self.login, self.token = access.first_operator(self.control)
        self.operator = Actor("user", user.id, Role.OPERATOR)
        self.sites: dict[str, Site] = {}
        self.gateways: dict[str, Gateway] = {}
        self.logins: dict[str, str] = {}
        self.agent_tokens: dict[str, str] = {}
        self._numbers = itertools.count(1)
        if populate:
            self._populate()

    def _populate(self) -> None:
        self.add_site("essonne", "FR", "FR")
        self.add_site("borlange", "SE", "SE-SE3")
        self.set_price("device_time", "*", DEVICE_PRICE_MICROEUR)
        self.set_price("tokens_in", "*", TOKEN_PRICE_MICROEUR)
        self.set_price("tokens_out", "*", TOKEN_PRICE_MICROEUR)
        self.add_tenant("acme")
        self.add_tenant("lumen", countries=["FR"])
        self.add_tenant("nordic", countries=["SE", "FI"])
        for site in self.sites.values():
            site.sync()

    def close(self) -> None:
        self.database.close()

    def reopen(self) -> None:
        """Control has died: another over the same database, key and folders. The clock goes on."""
        before = self.control
        self.database.close()
        self.database = self._database()
        self.control = Control(
            self.database,
            self.clock,
            before.key,
            before.keyring,
            BlobStore(before.blobs.folder),
            LogStore(before.logs.folder),
            before.home,
        )

    def _database(self) -> Database:
        database = Database.open(self.url)
        if self.url.startswith("sqlite"):
            # The disk's own flush is not under test here, and it would take most of the time.
            listen = lambda raw, _: raw.execute("PRAGMA synchronous=OFF")  # noqa: E731
            event.listen(database.engine, "connect", listen)
        return database

    def go_back(self, ms: int) -> None:
        """The machine's clock is set back."""
        self.clock._now_ms -= ms

    def add_site(self, name: str, country: str, zone: str, **more: Any) -> Site:
        body = SiteBody(name=name, country=country, grid_zone=zone, operator="Bruk AB", **more)
        _, self.agent_tokens[name] = sites.add_site(self.control, self.operator, body)
        self.sites[name] = Site(self, name)
        return self.sites[name]

    def add_gateway(self, name: str, site: str) -> Gateway:
        token = sites.add_gateway(self.control, self.operator, name, site)
        self.gateways[name] = Gateway(self, name, site)
        self.agent_tokens[name] = token
        return self.gateways[name]

    def add_tenant(self, name: str, countries: Iterable[str] = (), **more: Any) -> None:
        """A tenant with a project ``lab``."""
        residency = ResidencyBody(countries=list(countries))
        tenancy.add_tenant(self.control, self.operator, TenantBody(name=name, residency=residency, **more))
        self.add_project(name, "lab")

    def add_project(self, tenant: str, name: str, **more: Any) -> None:
        tenancy.add_project(self.control, self.operator, ProjectBody(tenant=tenant, name=name, **more))

    def set_price(self, resource: str, item: str, microeur: int, **more: Any) -> None:
        body = PriceBody(resource=resource, item=item, price_microeur=microeur, **more)  # type: ignore[arg-type]
        prices.set_price(self.control, self.operator, body)

    def person(self, tenant: str | None, role: str) -> Actor:
        """A new person; their login secret is in ``logins`` under their id."""
        body = UserBody(name=f"{role} of {tenant}", role=role, tenant=tenant)  # type: ignore[arg-type]
        user, secret = access.add_user(self.control, self.operator, body)
        self.logins[user.id] = secret
        return Actor("user", user.id, Role(role), tenant)

    def key(self, project: str, **more: Any) -> tuple[str, str]:
        """A new API key: its id and its secret."""
        key, secret = access.create_key(self.control, self.operator, project, KeyBody(**more))
        return key.id, secret

    def step(self) -> int:
        """Turns of control until nothing changes; how many changed something."""
        for count in range(20):
            if not step(self.control):
                return count
        raise AssertionError("control never comes to rest")

    def submit(self, project: str = "acme/lab", actor: Actor | None = None, **spec: Any) -> Workload:
        spec = {"command": ["python", "train.py"], "time_limit_s": 3600, "retry_limit": 0, **spec}
        body = JobBody(project=project, name=f"job-{next(self._numbers)}", spec=JobSpecBody(**spec))
        return jobs.submit(self.control, actor or self.operator, body)

    def running(self, **spec: Any) -> tuple[Workload, Run, Site]:
        """A job that runs, its run and its site."""
        job = self.submit(**spec)
        self.step()
        run = self.run_of(job)
        site = self.sites[run.site]
        site.sync()
        site.start(run.id)
        return job, self.run_of(job), site

    def runs(self, workload: Workload) -> list[Run]:
        with self.control.read() as connection:
            return [record.run for record in work.runs(connection, of_workload=workload.id)]

    def run_of(self, workload: Workload) -> Run:
        return self.runs(workload)[-1]

    def workload(self, workload: Workload) -> Workload:
        with self.control.read() as connection:
            return work.get_workload(connection, workload.id)

    def blob(
        self, content: bytes, name: str = "model", kind: ArtifactKind = ArtifactKind.FILE
    ) -> OutputReport:
        """Bytes that an agent has handed over, as it reports them."""
        digest = hashlib.sha256(content).hexdigest()
        self.control.blobs.put(self.clock.new_id("blob"), [content], digest)
        return OutputReport(name=name, kind=kind, digest=digest, size_bytes=len(content))

    def train(self, model: str, project: str = "acme/lab") -> None:
        """A model that a job made."""
        job, run, site = self.running(project=project, model=model)
        site.end(run.id, 0, [self.blob(f"weights of {model}".encode())])
        self.step()
        assert self.workload(job).outcome == "succeeded", self.workload(job)

    def evaluate(self, model: str, record: bytes, project: str = "acme/lab", **spec: Any) -> Workload:
        """An evaluation of a model that wrote this record."""
        spec = {"recipe": "evaluate", "command": [], **spec}
        job, run, site = self.running(project=project, evaluates=model, **spec)
        site.end(run.id, 0, [self.blob(record, "evaluation.json")])
        self.step()
        return self.workload(job)

    def passed(self, model: str, project: str = "acme/lab") -> None:
        """A model that was made and has passed the platform's gate."""
        self.train(model, project)
        self.evaluate(model, b'{"bits_per_byte": 1.5, "gzip_bits_per_byte": 2.0}', project)

    def serve(self, model: str, name: str = "", project: str = "acme/lab", **more: Any) -> Workload:
        body = EndpointBody(project=project, name=name or model, model=model, **more)
        return endpoints.create(self.control, self.operator, body)

    def holds(self) -> list[Hold]:
        with self.control.read() as connection:
            return list(switch.state(connection).holds)

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything in the database, table by table."""
        with self.control.read() as connection:
            names = inspect(connection).get_table_names()
            return {
                name: sorted(map(tuple, connection.exec_driver_sql(f'SELECT * FROM "{name}"')), key=_in_order)
                for name in names
            }

    def changed(self, before: dict[str, list[tuple[Any, ...]]]) -> set[str]:
        """The tables that differ from a dump."""
        after = self.dump()
        return {name for name in after if after[name] != before[name]}


def _in_order(row: tuple[Any, ...]) -> list[tuple[str, Any]]:
    """Rows in the order of their columns, whatever these hold."""
    return [
        (type(item).__name__, item if isinstance(item, int | float | str) else repr(item)) for item in row
    ]
