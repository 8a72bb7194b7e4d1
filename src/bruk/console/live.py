"""Event streams: one for each open page, that says what to ask for again.

``changed`` comes when anything in control changed, ``log`` and ``progress`` when the workload that a
page watches wrote more, ``ended`` when the session has. The events carry no content; the page asks for
it with its own rights. No thread is held while a stream waits.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from bruk.console.door import STREAMS_MAX, Console, Seen, TooManyStreams, console_of
from bruk.control import access, jobs
from bruk.control.control import Control
from bruk.control.logs import Stream
from bruk.model.errors import BrukError
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


async def events(console: Console, secret: str, workload: str = "") -> AsyncIterator[str]:
    """The stream of a session, until it ends."""
    control = console.control
    version = control.changes.version
    console.streams += 1
    try:
        actor = await run_in_threadpool(access.actor_of, control, secret)
        watched = Watched(control, actor, workload) if workload else None
        if watched is not None:
            await run_in_threadpool(watched.grown)
        yield "retry: 2000\n\n"
        while not control.changes.closed:
            newest = await control.changes.wait_past(version, WATCH_MS if watched else PERIOD_MS)
            await run_in_threadpool(access.actor_of, control, secret)
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
    except BrukError:
        # The session ended, or the workload is out of its sight.
        yield "event: ended\ndata: 0\n\n"
    finally:
        console.streams -= 1


@router.get("/events")
async def stream(
    request: Request, seen: Seen, workload: Annotated[str, Query(max_length=200)] = ""
) -> StreamingResponse:
    """What to ask for again, as it happens."""
    console = console_of(request)
    if console.streams >= STREAMS_MAX:
        raise TooManyStreams("too many pages are open at once; this one does not refresh itself")
    if workload:
        await run_in_threadpool(jobs.get, console.control, seen.actor, workload)
    return StreamingResponse(
        events(console, seen.secret, workload),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )
