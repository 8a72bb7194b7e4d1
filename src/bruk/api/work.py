"""Routes of artifacts, jobs, workloads, runs, models and endpoints."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from bruk.api.door import Caller, ControlOf, OnceOf, Secret, guard, media
from bruk.api.page import Page, WindowOf, page_of
from bruk.api.stream import give, take
from bruk.control import access, authorise, data, endpoints, jobs, models
from bruk.control.estimate import estimate
from bruk.control.logs import Stream
from bruk.model.artifact import Artifact, ArtifactKind, Gate, Model
from bruk.model.errors import NotFound, Unauthenticated
from bruk.model.policy import EVERYBODY, OPERATORS, PLATFORM, READERS, TENANTS, WORKERS, Policy, Reach
from bruk.model.run import Run
from bruk.model.workload import Workload, WorkloadKind
from bruk.store import work
from bruk.wire import codec
from bruk.wire.answers import Estimate, WorkloadView
from bruk.wire.requests import AttachBody, EndpointBody, EndpointChange, GateBody, JobBody

router = APIRouter(tags=["work"])

Offset = Annotated[int, Query(ge=0, le=2**62)]
PieceLimit = Annotated[int, Query(ge=1, le=1 << 20)]


@router.post("/artifacts", status_code=201, dependencies=[guard(Policy(WORKERS, Reach.PROJECT))])
async def put_artifact(
    request: Request,
    control: ControlOf,
    caller: Caller,
    name: Annotated[str, Query(max_length=63)],
    kind: ArtifactKind = ArtifactKind.FILE,
    project: str | None = None,
    digest: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")] = None,
) -> Artifact:
    """Upload the body's bytes as an artifact; with ``digest``, only if they have it."""
    owner = jobs.project_of(caller, project)
    return await take(request, lambda chunks: data.put(control, caller, owner, name, kind, chunks, digest))


@router.get("/artifacts", dependencies=[guard(Policy(READERS | TENANTS, Reach.OWN))])
def list_artifacts(
    control: ControlOf, caller: Caller, window: WindowOf, project: str | None = None
) -> Page[Artifact]:
    """The artifacts that the caller may see, newest first."""
    return page_of(data.artifacts(control, caller, project), window, lambda item: item.id)


@router.get("/artifacts/{artifact}", dependencies=[guard(Policy(READERS | TENANTS, Reach.PROJECT))])
def get_artifact(control: ControlOf, caller: Caller, artifact: str) -> Artifact:
    """One artifact."""
    return data.get(control, caller, artifact)


@router.get(
    "/artifacts/{artifact}/content",
    response_class=Response,
    responses=media("application/octet-stream"),
    dependencies=[guard(Policy(WORKERS, Reach.CONTENT))],
)
def artifact_content(control: ControlOf, caller: Caller, artifact: str) -> StreamingResponse:
    """An artifact's bytes."""
    found, file = data.content(control, caller, artifact)
    headers = {"Content-Length": str(found.size_bytes), "X-Digest-Sha256": found.digest}
    return StreamingResponse(give(file), media_type="application/octet-stream", headers=headers)


@router.delete("/artifacts/{artifact}", status_code=204, dependencies=[guard(Policy(WORKERS, Reach.PROJECT))])
def remove_artifact(control: ControlOf, caller: Caller, artifact: str) -> None:
    """Forget an artifact."""
    data.remove(control, caller, artifact)


@router.post("/jobs/estimate", dependencies=[guard(Policy(WORKERS, Reach.PROJECT))])
def estimate_job(control: ControlOf, caller: Caller, body: JobBody) -> Estimate:
    """What the job would use at most, site by site, and what it would wait for."""
    return estimate(control, caller, body)


@router.post("/jobs", status_code=201, dependencies=[guard(Policy(WORKERS, Reach.PROJECT))])
def submit_job(control: ControlOf, caller: Caller, body: JobBody, once: OnceOf) -> Any:
    """Submit a job."""
    return once(body, lambda: codec.dump(jobs.submit(control, caller, body)))


@router.get("/workloads", dependencies=[guard(Policy(EVERYBODY, Reach.OWN))])
def list_workloads(
    control: ControlOf,
    caller: Caller,
    window: WindowOf,
    project: str | None = None,
    kind: WorkloadKind | None = None,
    open: bool | None = None,
) -> Page[WorkloadView]:
    """The newest workloads that the caller may see, each with its runs and what it waits for."""
    found = jobs.listing(
        control, caller, project=project, kind=kind, open_=open, after=window.after, limit=window.limit
    )
    views = [jobs.view(control, caller, item.id) for item in found]
    more = len(found) == window.limit
    return Page[WorkloadView](items=views, next=found[-1].id if more else None)


@router.get("/workloads/{workload}", dependencies=[guard(Policy(EVERYBODY, Reach.RUN))])
def get_workload(control: ControlOf, caller: Caller, workload: str) -> WorkloadView:
    """Everything about one workload."""
    return jobs.view(control, caller, workload)


@router.post("/workloads/{workload}/cancel", dependencies=[guard(Policy(WORKERS, Reach.PROJECT))])
def cancel_workload(control: ControlOf, caller: Caller, workload: str) -> Workload:
    """Stop wanting a workload."""
    return jobs.cancel(control, caller, workload)


@router.get("/workloads/{workload}/why", dependencies=[guard(Policy(EVERYBODY, Reach.RUN))])
def why(control: ControlOf, caller: Caller, workload: str) -> dict[str, Any]:
    """Why it waits, and why its runs were placed where they are."""
    shown = jobs.view(control, caller, workload)
    placements = jobs.placements(control, caller, workload)
    return {
        "workload": codec.dump(shown.workload),
        "waiting_for": codec.dump(shown.waiting_for) if shown.waiting_for else None,
        "placements": [{"run": run, **codec.dump(placement)} for run, placement in placements.items()],
    }


@router.get(
    "/workloads/{workload}/logs",
    response_class=Response,
    responses=media("text/plain"),
    dependencies=[guard(Policy(OPERATORS | TENANTS, Reach.CONTENT))],
)
def logs(
    control: ControlOf,
    caller: Caller,
    workload: str,
    run: str | None = None,
    offset: Offset = 0,
    limit: PieceLimit = 1 << 18,
) -> Response:
    """A piece of a run's output; ``X-Next-Offset`` says where the next begins."""
    return _piece(control, caller, workload, run, Stream.LOG, offset, limit)


@router.get(
    "/workloads/{workload}/progress",
    response_class=Response,
    responses=media("text/plain"),
    dependencies=[guard(Policy(OPERATORS | TENANTS, Reach.CONTENT))],
)
def progress(
    control: ControlOf,
    caller: Caller,
    workload: str,
    run: str | None = None,
    offset: Offset = 0,
    limit: PieceLimit = 1 << 18,
) -> Response:
    """A piece of a run's progress file, JSON lines."""
    return _piece(control, caller, workload, run, Stream.PROGRESS, offset, limit)


def _piece(
    control: ControlOf,
    caller: Caller,
    workload: str,
    run: str | None,
    stream: Stream,
    offset: int,
    limit: int,
) -> Response:
    content, following, chosen = jobs.output_of(control, caller, workload, run, stream, offset, limit)
    headers = {"X-Next-Offset": str(following), "X-Run": chosen}
    return Response(content, media_type="text/plain; charset=utf-8", headers=headers)


@router.get("/runs", dependencies=[guard(Policy(EVERYBODY, Reach.OWN))])
def list_runs(
    control: ControlOf, caller: Caller, window: WindowOf, workload: str | None = None, site: str | None = None
) -> Page[Run]:
    """The runs that the caller may see, oldest first."""
    with control.read() as connection:
        found = [record.run for record in work.runs(connection, site=site, of_workload=workload)]
    seen = [run for run in found if authorise.may_see_run(caller, run)]
    return page_of(seen, window, lambda run: run.id)


@router.get("/runs/{run}", dependencies=[guard(Policy(EVERYBODY, Reach.RUN))])
def get_run(control: ControlOf, caller: Caller, run: str) -> Run:
    """One run."""
    with control.read() as connection:
        found = work.get_run(connection, run).run
    if not authorise.may_see_run(caller, found):
        raise NotFound(f"there is no run {run!r}", what="run", id=run)
    return found


@router.get("/models", dependencies=[guard(Policy(READERS | TENANTS, Reach.OWN))])
def list_models(control: ControlOf, caller: Caller, window: WindowOf) -> Page[Model]:
    """The models that the caller may see."""
    return page_of(models.listing(control, caller), window, lambda model: model.id)


@router.get("/models/{model}", dependencies=[guard(Policy(READERS | TENANTS, Reach.TENANT))])
def get_model(control: ControlOf, caller: Caller, model: str) -> Model:
    """One model with its evaluations."""
    return models.get(control, caller, model)


@router.put("/models/{model}/gate", dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def set_gate(control: ControlOf, caller: Caller, model: str, body: GateBody) -> Gate:
    """Set the rule that this model must pass."""
    return models.set_gate(control, caller, model, body)


@router.post("/models/{model}/retire", dependencies=[guard(Policy(WORKERS, Reach.PROJECT))])
def retire_model(control: ControlOf, caller: Caller, model: str) -> Model:
    """Take a model out of use for good."""
    return models.retire(control, caller, model)


@router.get("/gate", dependencies=[guard(Policy(EVERYBODY, Reach.PLATFORM))])
def get_gate(control: ControlOf, caller: Caller) -> Gate:
    """The rule for models without one of their own."""
    with control.read() as connection:
        return models.platform_gate(connection)


@router.put("/gate", dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def set_platform_gate(control: ControlOf, caller: Caller, body: GateBody) -> Gate:
    """Set the rule for models without one of their own."""
    return models.set_platform_gate(control, caller, body)


@router.get("/endpoints", dependencies=[guard(Policy(EVERYBODY, Reach.OWN))])
def list_endpoints(control: ControlOf, caller: Caller, window: WindowOf) -> Page[WorkloadView]:
    """The open endpoints that the caller may see."""
    found = jobs.listing(control, caller, kind=WorkloadKind.ENDPOINT, open_=True, limit=1000)
    views = [jobs.view(control, caller, item.id) for item in found]
    return page_of(views, window, lambda view: view.workload.id)


@router.post("/endpoints", status_code=201, dependencies=[guard(Policy(WORKERS, Reach.PROJECT))])
def create_endpoint(control: ControlOf, caller: Caller, body: EndpointBody, once: OnceOf) -> Any:
    """Serve a model that passed its gate."""
    return once(body, lambda: codec.dump(endpoints.create(control, caller, body)))


@router.post("/endpoints/attached", status_code=201, dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def attach_endpoint(control: ControlOf, caller: Caller, body: AttachBody, once: OnceOf) -> Any:
    """Offer a server that already runs; its site is the operator's word."""
    return once(body, lambda: codec.dump(endpoints.attach(control, caller, body)))


@router.get("/endpoints/{name}", dependencies=[guard(Policy(READERS | TENANTS, Reach.PROJECT))])
def get_endpoint(control: ControlOf, caller: Caller, name: str) -> WorkloadView:
    """One endpoint by its name."""
    return jobs.view(control, caller, endpoints.get(control, caller, name).id)


@router.patch("/endpoints/{name}", dependencies=[guard(Policy(WORKERS, Reach.PROJECT))])
def scale_endpoint(control: ControlOf, caller: Caller, name: str, body: EndpointChange) -> Workload:
    """Keep another number of replicas."""
    return endpoints.scale(control, caller, name, body.replicas)


@router.delete("/endpoints/{name}", dependencies=[guard(Policy(WORKERS, Reach.PROJECT))])
def remove_endpoint(control: ControlOf, caller: Caller, name: str) -> Workload:
    """Stop serving under this name."""
    return endpoints.remove(control, caller, name)


EVENTS_WAIT_MS = 15_000


@router.get(
    "/events",
    response_class=Response,
    responses=media("text/event-stream"),
    dependencies=[guard(Policy(EVERYBODY, Reach.OWN))],
)
async def events(control: ControlOf, caller: Caller, secret: Secret, request: Request) -> StreamingResponse:
    """Server-sent events: ``changed`` with the newest version, and comments that keep the line.

    The stream ends when the credential that opened it does.
    """

    control.streams.require(caller)

    async def lines() -> AsyncIterator[str]:
        version = 0
        with control.streams.opened(caller):
            while not control.changes.closed and not await request.is_disconnected():
                newest = await control.changes.wait_past(version, EVENTS_WAIT_MS)
                try:
                    await run_in_threadpool(access.actor_of, control, secret, active=False)
                except Unauthenticated:
                    return
                yield f"event: changed\ndata: {newest}\n\n" if newest > version else ": still here\n\n"
                version = newest
                await asyncio.sleep(0.1)

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
