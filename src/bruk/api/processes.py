"""Doors for the other processes: agents and gateways dial in here, never the other way."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from bruk.api.door import Agent, ControlOf, GatewayCaller, Secret, guard, media
from bruk.api.stream import give, take
from bruk.control import access, agents, gateways
from bruk.control.control import Control
from bruk.control.logs import CHUNK_BYTES_MAX, Stream
from bruk.model.errors import InvalidInput, NotFound
from bruk.model.policy import AGENTS, GATEWAYS, Policy, Reach
from bruk.store import work
from bruk.wire.agent import SyncRequest, SyncResponse
from bruk.wire.gateway import GatewayAnswer, GatewaySync

log = logging.getLogger(__name__)
router = APIRouter(tags=["processes"])

WAIT_MS_MAX = 25_000
# A gateway must hear again well before its lease ends.
GATEWAY_WAIT_MS_MAX = 3_000

Offset = Annotated[int, Query(ge=0, le=2**62)]


async def _wait(control: Control, known: int, wait_ms: int, limit_ms: int) -> int:
    if known != control.changes.version or wait_ms == 0:
        return control.changes.version
    return await control.changes.wait_past(known, min(wait_ms, limit_ms))


@router.post("/agent/sync", dependencies=[guard(Policy(AGENTS, Reach.SITE))])
async def sync_agent(control: ControlOf, agent: Agent, secret: Secret, body: SyncRequest) -> SyncResponse:
    """An agent says what is observed and hears what is wanted; waits while nothing is new."""
    changed = await run_in_threadpool(agents.receive, control, agent, body)
    version = control.changes.version
    if not changed:
        version = await _wait(control, body.known_version, body.wait_ms, WAIT_MS_MAX)
        # A token that was renewed meanwhile hears nothing more.
        agent = await run_in_threadpool(access.agent_of, control, secret)
    return await run_in_threadpool(agents.answer, control, agent, version, body.scopes, body.asked)


@router.get(
    "/agent/blobs/{digest}",
    response_class=Response,
    responses=media("application/octet-stream"),
    dependencies=[guard(Policy(AGENTS, Reach.SITE))],
)
def get_blob(control: ControlOf, agent: Agent, digest: str) -> StreamingResponse:
    """Bytes that a run at this site needs; no others are given out."""
    with control.read() as connection:
        allowed = digest in agents.digests_for(connection, agent.site or "")
    if not allowed:
        raise NotFound(f"no run at {agent.site} needs the bytes {digest}", what="blob", id=digest)
    return StreamingResponse(give(control.blobs.open(digest)), media_type="application/octet-stream")


@router.put("/agent/blobs/{digest}", dependencies=[guard(Policy(AGENTS, Reach.PLATFORM))])
async def put_blob(
    request: Request, control: ControlOf, agent: Agent, digest: str, response: Response
) -> dict[str, Any]:
    """Bytes that a run wrote, by their digest."""
    if control.blobs.has(digest):
        return {"digest": digest}
    name = control.clock.new_id("blob")
    await take(request, lambda chunks: control.blobs.put(name, chunks, digest))
    response.status_code = 201
    return {"digest": digest}


@router.post("/agent/runs/{run}/logs", dependencies=[guard(Policy(AGENTS, Reach.SITE))])
async def put_logs(
    request: Request, control: ControlOf, agent: Agent, run: str, offset: Offset
) -> dict[str, int]:
    """The next piece of a run's output."""
    return await _append(request, control, agent.site, run, Stream.LOG, offset)


@router.post("/agent/runs/{run}/progress", dependencies=[guard(Policy(AGENTS, Reach.SITE))])
async def put_progress(
    request: Request, control: ControlOf, agent: Agent, run: str, offset: Offset
) -> dict[str, int]:
    """The next piece of a run's progress file."""
    return await _append(request, control, agent.site, run, Stream.PROGRESS, offset)


async def _append(
    request: Request, control: Control, site: str | None, run: str, stream: Stream, offset: int
) -> dict[str, int]:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > CHUNK_BYTES_MAX:
            raise InvalidInput(f"a piece may have at most {CHUNK_BYTES_MAX} bytes")

    def keep() -> int:
        with control.read() as connection:
            if work.get_run(connection, run).run.site != site:
                raise NotFound(f"there is no run {run!r} at this site", what="run", id=run)
        return control.logs.append(run, stream, offset, bytes(content))

    return {"next_offset": await run_in_threadpool(keep)}


@router.post("/gateway/sync", dependencies=[guard(Policy(GATEWAYS, Reach.OWN))])
async def sync_gateway(
    control: ControlOf, gateway: GatewayCaller, secret: Secret, body: GatewaySync
) -> GatewayAnswer:
    """A gateway hands over usage and gets a fresh signed lease; waits while nothing is new."""
    received = await run_in_threadpool(gateways.receive, control, gateway, body)
    version = control.changes.version
    if not received.changed and not received.booked:
        version = await _wait(control, body.known_version, body.wait_ms, GATEWAY_WAIT_MS_MAX)
        gateway = await run_in_threadpool(access.gateway_of, control, secret)
    return await run_in_threadpool(gateways.answer, control, gateway, version)
