"""Event streams: one for each open page, that says what to ask for again.

``changed`` comes when anything in control changed, ``log`` and ``progress`` when the workload that a
page watches wrote more, ``ended`` when the session has. The events carry no content; the page asks for
it with its own rights. No thread is held while a stream waits.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from bruk.console.door import Seen, control_of, guard
from bruk.control import access, jobs
from bruk.control.control import Control
from bruk.control.logs import Stream
from bruk.model.errors import BrukError
from bruk.model.policy import PEOPLE, Policy, Reach
from bruk.model.tenant import Actor

router = APIRouter()

PERIOD_MS = 10_000
# A watched workload is looked at this often; its log and progress files do not announce themselves.
WATCH_MS = 800
# Changes that come closer together than this are told of as one.
GAP_MS = 700


class Watched:
    """How far a workload's newest run has written."""

    def __init__(self, control: Control, actor: Actor, workload: str) -> None:
        self._control, self._actor, self._workload = control, actor, workload
        self._seen: dict[tuple[str, Stream], int] = {}

    def grown(self) -> list[str]:
        """Names of the streams that have grown since the last look."""
        runs = jobs.view(self._control, self._actor, self._workload).runs
        if not runs:
            return []
        found = []
        for stream in Stream:
            key = (runs[-1].id, stream)
            size = self._control.logs.size(*key)
            if size != self._seen.get(key, 0):
                self._seen[key] = size
                found.append(stream.value)
        return found


async def events(
    control: Control, actor: Actor, secret: str, workload: str = ""
) -> AsyncGenerator[str, None]:
    """The stream of a session, until it ends."""
    with control.streams.opened(actor):
        try:
            async with aclosing(_events(control, secret, workload)) as said:
                async for line in said:
                    yield line
        except BrukError:
            # The session ended, or the workload is out of its sight.
            yield "event: ended\ndata: 0\n\n"


async def _events(control: Control, secret: str, workload: str) -> AsyncGenerator[str, None]:
    version = control.changes.version
    actor = await run_in_threadpool(access.actor_of, control, secret, active=False)
    # What was written between the page and its stream counts as grown: the page asks for it from where it is.
    watched = Watched(control, actor, workload) if workload else None
    yield "retry: 2000\n\n"
    while not control.changes.closed:
        newest = await control.changes.wait_past(version, WATCH_MS if watched else PERIOD_MS)
        await run_in_threadpool(access.actor_of, control, secret, active=False)
        names = await run_in_threadpool(watched.grown) if watched else []
        if newest > version:
            names.insert(0, "changed")
            version = newest
        for name in names:
            yield f"event: {name}\ndata: {version}\n\n"
        if names:
            await asyncio.sleep(GAP_MS / 1000)
        elif not watched:
            yield ": still here\n\n"


@router.get("/events", dependencies=[guard(Policy(PEOPLE, Reach.RUN))])
async def stream(
    request: Request, seen: Seen, workload: Annotated[str, Query(max_length=200)] = ""
) -> StreamingResponse:
    """What to ask for again, as it happens."""
    control = control_of(request)
    control.streams.require(seen.actor)
    if workload:
        await run_in_threadpool(jobs.get, control, seen.actor, workload)
    return StreamingResponse(
        events(control, seen.actor, seen.secret, workload),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )
