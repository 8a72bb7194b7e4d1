"""A cloud with two sites, three tenants and some work, made through control's own doors."""

import copy
import dataclasses
import json
import math
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.testclient import TestClient

from bruk.console import create_router
from bruk.control import (
    access,
    agents,
    endpoints,
    gateways,
    jobs,
    prices,
    sites,
    switch,
    tenancy,
)
from bruk.control import step as steps
from bruk.control.blobs import BlobStore
from bruk.control.control import Control
from bruk.control.logs import LogStore, Stream
from bruk.model.artifact import ArtifactKind
from bruk.model.clock import ManualClock
from bruk.model.run import Observed, Run
from bruk.model.site import Isolation
from bruk.model.switch import Acknowledgement, EnforcerKind, HoldScope
from bruk.model.tenant import Actor
from bruk.model.workload import Purpose, Workload
from bruk.seal import Keyring, SigningKey
from bruk.store.database import Database
from bruk.wire.agent import MeterRecord, NodeReport, Observation, OutputReport, SyncRequest
from bruk.wire.gateway import GatewaySync, UsageRecord
from bruk.wire.requests import (
    BudgetBody,
    EndpointBody,
    JobBody,
    JobSpecBody,
    KeyBody,
    PriceBody,
    ProjectBody,
    ResidencyBody,
    ResourcesBody,
    SiteBody,
    TenantBody,
    UserBody,
)

from .chromium import ARGUMENTS, CHROMIUM

START_MS = 1_800_000_000_000 - 9 * 3_600_000
HTML_NAME = "<script>alert(1)</script><b onclick=x>"
RTL_NAME = "נורדיק \u202eגזע Ångström & Söner 北"


@dataclass
class Cloud:
    """A control with what tests ask of it."""

    control: Control
    clock: ManualClock
    operator: Actor
    logins: dict[str, str] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)
    jobs: dict[str, Workload] = field(default_factory=dict)
    key: str = ""
    gateway: str = "http://127.0.0.1:1"
    meters: dict[str, int] = field(default_factory=dict)
    nodes: dict[str, list[NodeReport]] = field(default_factory=dict)
    clients: dict[str, TestClient] = field(default_factory=dict)

    def add_person(self, name: str, role: str, tenant: str | None, shown: str = "") -> None:
        user, secret = access.add_user(
            self.control, self.operator, UserBody(name=shown or name, role=role, tenant=tenant)
        )
        self.logins[name] = secret
        self.actors[name] = Actor("user", user.id, user.role, tenant)

    def sync(
        self,
        site: str,
        observations: Sequence[Observation] = (),
        meters: Sequence[MeterRecord] = (),
        **more: Any,
    ) -> None:
        with self.control.read() as connection:
            generation = switch.state(connection).generation
        request = SyncRequest(
            **{"agent_version": "0.1", "boot_id": "boot", **more},
            site=site,
            journal=f"journal-{site}",
            now_ms=self.clock.now_ms(),
            nodes=self.nodes[site],
            isolation=Isolation.SANDBOX,
            observations=list(observations),
            meters=list(meters),
            acknowledgement=Acknowledgement(
                EnforcerKind.AGENT, site, generation, self.clock.now_ms(), 0, 0, 1, 0
            ),
        )
        agents.receive(self.control, Actor("agent", site, site=site), request)

    def step(self) -> None:
        for _ in range(6):
            if not steps.step(self.control):
                return

    def newest_run(self, workload: Workload) -> Run:
        return jobs.view(self.control, self.operator, workload.id).runs[-1]

    def observe(self, workload: Workload, observed: Observed, **more: object) -> Run:
        run = self.newest_run(workload)
        seen = Observation(
            run=run.id,
            generation=run.generation,
            observed=observed,
            started_at_ms=self.clock.now_ms(),
            **more,  # type: ignore[arg-type]
        )
        self.sync(run.site, [seen])
        return run

    def meter(self, workload: Workload, ms: int) -> None:
        """Let time pass while the workload runs, and book it."""
        run = self.newest_run(workload)
        from_ms = self.clock.now_ms()
        self.clock.advance(ms)
        seq = self.meters.get(run.site, 0) + 1
        self.meters[run.site] = seq
        record = MeterRecord(
            seq=seq,
            run=run.id,
            generation=run.generation,
            from_ms=from_ms,
            to_ms=from_ms + ms,
            device_ms=ms * run.devices_total,
        )
        self.sync(run.site, [], [record])

    def submit(self, actor: str, project: str, name: str, **spec: object) -> Workload:
        body = JobBody(project=project, name=name, spec=JobSpecBody(**spec))  # type: ignore[arg-type]
        found = jobs.submit(self.control, self.actors[actor], body)
        self.jobs[name] = found
        return found

    def app(self) -> FastAPI:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        app.include_router(create_router(self.control, gateway_url=lambda: self.gateway))
        return app

    def client(self, who: str = "") -> TestClient:
        """A browser of this person, logged in; of a stranger, a new one each time."""
        if who in self.clients:
            return self.clients[who]
        client = TestClient(self.app(), follow_redirects=False)
        if who:
            self.clients[who] = client
            shown = client.get("/login", params={"token": self.logins[who]})
            answer = client.post(
                "/login", data={"token": self.logins[who], "form_token": form_token(shown.text)}
            )
            assert answer.status_code == 303, answer.text
        return client


def form_token(html: str) -> str:
    """The form token that a page carries."""
    marker = 'name="form_token" value="'
    return html[html.index(marker) + len(marker) :].split('"', 1)[0]


def _nodes(site: str, accelerator: str, count: int) -> list[NodeReport]:
    return [
        NodeReport(
            name=f"{site[:3]}-{index:02d}",
            pool=f"{accelerator}-pool",
            accelerator=accelerator,
            devices=8,
            cpu_milli=128_000,
            memory_bytes=2 * 2**40,
        )
        for index in range(1, count + 1)
    ]


def _open(home: Path, clock: ManualClock, key: SigningKey) -> Control:
    database = Database.open(f"sqlite:///{home}/bruk.sqlite3")
    database.migrate()
    return Control(
        database,
        clock,
        key,
        Keyring.of([key.public_key]),
        BlobStore(home / "artifacts"),
        LogStore(home / "logs"),
        home,
    )


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """A cloud at work, made once; tests get copies of it."""
    control = _open(tmp_path_factory.mktemp("made"), ManualClock(START_MS), SigningKey.generate())
    user, login, _ = access.first_operator(control)
    operator = Actor("user", user.id, user.role)
    cloud = Cloud(control, control.clock, operator, {"operator": login}, {"operator": operator})  # type: ignore[arg-type]
    _places_and_people(cloud)
    _training(cloud)
    _model(cloud)
    _serving(cloud)
    control.database.close()
    return cloud


@pytest.fixture
def cloud(made: Cloud, tmp_path: Path) -> Iterator[Cloud]:
    """A cloud at work, a test's own."""
    home = tmp_path / "home"
    shutil.copytree(made.control.home, home)
    clock = copy.copy(made.clock)
    control = _open(home, clock, made.control.key)
    yield dataclasses.replace(
        made,
        control=control,
        clock=clock,
        meters=dict(made.meters),
        logins=dict(made.logins),
        jobs=dict(made.jobs),
        clients={},
    )
    control.database.close()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Cloud]:
    """An empty cloud with its operator."""
    clock = ManualClock(START_MS)
    control = _open(tmp_path, clock, SigningKey.generate())
    user, login, _ = access.first_operator(control)
    operator = Actor("user", user.id, user.role)
    yield Cloud(control, clock, operator, {"operator": login}, {"operator": operator})
    control.database.close()


def _places_and_people(cloud: Cloud) -> None:
    control, operator = cloud.control, cloud.operator
    for name, title, country, zone, pue in (
        ("borlange", "Borlänge", "SE", "SE-SE3", 1150),
        ("essonne", "Essonne", "FR", "FR", 1250),
    ):
        body = SiteBody(
            name=name,
            display_name=title,
            country=country,
            grid_zone=zone,
            operator="Bruk AB",
            pue_milli=pue,
            pue_source="measured over 2026",
            lease_ms=6 * 3_600_000,
        )
        sites.add_site(control, operator, body)
    cloud.nodes = {"essonne": _nodes("essonne", "h100-sxm", 3), "borlange": _nodes("borlange", "gb300", 2)}
    for name in cloud.nodes:
        cloud.sync(name)
    for resource, item, price in (
        ("device_time", "h100-sxm", 2_400_000),
        ("device_time", "gb300", 4_100_000),
        ("tokens_in", "*", 150_000),
        ("tokens_out", "*", 450_000),
    ):
        prices.set_price(control, operator, PriceBody(resource=resource, item=item, price_microeur=price))
    for name, shown, countries in (
        ("acme", "Acme Robotics", []),
        ("lumen", "Lumen Santé", ["FR"]),
        ("nordic", RTL_NAME, ["SE", "FI"]),
    ):
        tenancy.add_tenant(
            control,
            operator,
            TenantBody(name=name, display_name=shown, residency=ResidencyBody(countries=countries)),
        )
        tenancy.add_project(control, operator, ProjectBody(tenant=name, name="lab", display_name=shown))
    tenancy.set_tenant_budget(control, operator, "acme", BudgetBody(budget_microeur=25_000_000_000))
    cloud.add_person("auditor", "auditor", None, "Ada Auditor")
    cloud.add_person("acme", "tenant_admin", "acme", "Alice Admin")
    cloud.add_person("member", "member", "acme", HTML_NAME)
    cloud.add_person("lumen", "tenant_admin", "lumen", "Luc")
    cloud.add_person("nordic", "tenant_admin", "nordic", RTL_NAME)
    _, cloud.key = access.create_key(control, cloud.actors["acme"], "acme/lab", KeyBody(name="app"))


def _progress(run: Run, control: Control, first: int, last: int, resumed: int | None = None) -> None:
    lines = [] if resumed is None else [{"phase": "resume", "step": resumed}]
    lines += [
        {
            "phase": "train",
            "step": step,
            "loss": round(8.3 * math.exp(-step / 90) + 1.7 + 0.12 * math.sin(step), 4),
        }
        for step in range(first, last, 4)
    ]
    lines.append({"phase": "checkpoint", "step": last})
    text = "\n".join(json.dumps(line) for line in lines) + "\nnot json\n"
    control.logs.append(run.id, Stream.PROGRESS, 0, text.encode())
    log = "".join(f"train: step={line.get('step')} loss={line.get('loss')}\n" for line in lines)
    control.logs.append(run.id, Stream.LOG, 0, (log + "\x1b[31m<b>bold</b> æøå\x1b[0m\n").encode())


def _training(cloud: Cloud) -> None:
    """A job that was switched off and resumed; one that waits; one that failed."""
    train = cloud.submit(
        "acme",
        "acme/lab",
        "pretrain-code",
        purpose=Purpose.TRAIN,
        recipe="pretrain",
        config={"steps": 400, "note": HTML_NAME},
        resources=ResourcesBody(devices=8, accelerators=["h100-sxm"]),
        model="code-small",
        env={"NOTE": HTML_NAME},
        time_limit_s=6 * 3600,
    )
    cloud.step()
    run = cloud.observe(train, Observed.RUNNING)
    _progress(run, cloud.control, 0, 160)
    cloud.meter(train, 42 * 60_000)
    switch.off(cloud.control, cloud.operator, HoldScope.SITE, "essonne", "a transformer is inspected")
    cloud.step()
    cloud.observe(train, Observed.EXITED, exit_code=143, detail="checkpoint at step 160")
    cloud.step()
    cloud.sync("essonne")
    cloud.step()
    cloud.clock.advance(11 * 60_000)
    switch.on(cloud.control, cloud.operator, HoldScope.SITE, "essonne")
    cloud.sync("essonne")
    cloud.step()
    run = cloud.observe(
        train, Observed.RUNNING, resumed_from_step=160, progress={"phase": "train", "step": 320}
    )
    _progress(run, cloud.control, 160, 400, resumed=160)
    cloud.meter(train, 63 * 60_000)
    cloud.submit(
        "lumen",
        "lumen/lab",
        "only-in-france",
        command=["python", "train.py", HTML_NAME],
        resources=ResourcesBody(devices=4, accelerators=["gb300"]),
    )
    bad = cloud.submit(
        "nordic", "nordic/lab", "broken", command=["false"], resources=ResourcesBody(devices=2), retry_limit=0
    )
    cloud.step()
    cloud.observe(bad, Observed.RUNNING)
    cloud.meter(bad, 90_000)
    cloud.observe(bad, Observed.EXITED, exit_code=1, detail=f"said {HTML_NAME}")
    cloud.step()


def _put(cloud: Cloud, content: bytes, name: str, kind: ArtifactKind) -> OutputReport:
    digest, size = cloud.control.blobs.put(name, [content])
    return OutputReport(name=name, kind=kind, digest=digest, size_bytes=size)


def _model(cloud: Cloud) -> None:
    """The training ends; the model is evaluated and passes."""
    train = cloud.jobs["pretrain-code"]
    output = _put(cloud, b"weights" * 200_000, "model", ArtifactKind.TREE)
    cloud.observe(train, Observed.EXITED, exit_code=0, outputs=[output])
    cloud.step()
    check = cloud.submit(
        "acme",
        "acme/lab",
        "evaluate-code",
        recipe="evaluate",
        evaluates="code-small",
        resources=ResourcesBody(devices=1, accelerators=["h100-sxm"]),
    )
    cloud.step()
    cloud.observe(check, Observed.RUNNING)
    cloud.meter(check, 4 * 60_000)
    record = {
        "bits_per_byte": 1.731,
        "uniform_bits_per_byte": 8.0,
        "order2_bits_per_byte": 2.71,
        "gzip_bits_per_byte": 2.06,
        "gzip_stream_bits_per_byte": 1.95,
        "xz_bits_per_byte": 1.97,
        "xz_stream_bits_per_byte": 1.69,
        "heldout_files": 61,
    }
    output = _put(cloud, json.dumps(record).encode(), "evaluation.json", ArtifactKind.FILE)
    cloud.observe(check, Observed.EXITED, exit_code=0, outputs=[output])
    cloud.step()


def _serving(cloud: Cloud) -> None:
    """An endpoint with a ready replica, some tokens used, and more training."""
    control = cloud.control
    body = EndpointBody(
        project="acme/lab",
        name="code",
        model="code-small",
        tenants=["nordic"],
        resources=ResourcesBody(devices=1, accelerators=["h100-sxm"]),
    )
    endpoint = endpoints.create(control, cloud.actors["acme"], body)
    cloud.jobs["code"] = endpoint
    cloud.step()
    cloud.observe(endpoint, Observed.RUNNING, address="http://127.0.0.1:9", ready=True)
    cloud.meter(endpoint, 30 * 60_000)
    sites.add_gateway(control, cloud.operator, "gw-essonne", "essonne")
    usage = [
        UsageRecord(
            seq=seq,
            request=f"req_{seq}",
            at_ms=cloud.clock.now_ms(),
            from_ms=cloud.clock.now_ms() - 900,
            key="key",
            project="acme/lab",
            model="code-small",
            endpoint=endpoint.id,
            run=cloud.newest_run(endpoint).id,
            site="essonne",
            tokens_in=1200 * seq,
            tokens_out=340 * seq,
            price_in_microeur=150_000,
            price_in_version=1,
            price_out_microeur=450_000,
            price_out_version=1,
        )
        for seq in range(1, 8)
    ]
    gateway = Actor("gateway", "gw-essonne", site="essonne")
    request = GatewaySync(
        gateway="gw-essonne",
        journal="journal-gw",
        now_ms=cloud.clock.now_ms(),
        usage=usage,
        acknowledgement=Acknowledgement(EnforcerKind.GATEWAY, "gw-essonne", 2, cloud.clock.now_ms()),
    )
    gateways.receive(control, gateway, request)
    tune = cloud.submit(
        "acme",
        "acme/lab",
        "finetune-support",
        purpose=Purpose.FINE_TUNE,
        command=["python", "tune.py"],
        resources=ResourcesBody(nodes=1, devices=6, accelerators=["gb300"]),
    )
    cloud.step()
    run = cloud.observe(tune, Observed.RUNNING)
    _progress(run, control, 0, 240)
    cloud.meter(tune, 25 * 60_000)
    cloud.sync("essonne")


class Served:
    """An application at a free port of this machine, in a thread."""

    def __init__(self, app: Any) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> "Served":
        self._thread.start()
        deadline = 2000
        while not self._server.started and deadline:
            threading.Event().wait(0.01)
            deadline -= 1
        assert self._server.started, "the server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._socket.close()


class StandIn:
    """What the gateway says, without one; it keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        @app.post("/v1/completions")
        async def answer(request: Request) -> Response:
            body = await request.json()
            key = request.headers["authorization"].removeprefix("Bearer ")
            self.asked.append({"path": request.url.path, "key": key, **body})
            if key != "bk_good":
                refusal = {"error": {"message": "The key is not valid.", "code": "invalid_api_key"}}
                return JSONResponse(refusal, status_code=401)
            return StreamingResponse(self._words("messages" in body), media_type="text/event-stream")

        return app

    async def _words(self, chatting: bool) -> AsyncIterator[str]:
        for word in ["<b>def</b>", " main", "():"]:
            choice = {"delta": {"content": word}} if chatting else {"text": word}
            yield f"data: {json.dumps({'choices': [choice]})}\n\n"
        usage = {"prompt_tokens": 1200, "completion_tokens": 3}
        yield f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n"
        yield "data: [DONE]\n\n"


@pytest.fixture
def stand_in(cloud: Cloud) -> Iterator[StandIn]:
    """A gateway's stand-in that the cloud's playground finds."""
    found = StandIn()
    with Served(found.app()) as served:
        cloud.gateway = served.url
        yield found


@pytest.fixture
def served() -> type[Served]:
    """How a test serves an application to a real browser."""
    return Served


@pytest.fixture
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()
