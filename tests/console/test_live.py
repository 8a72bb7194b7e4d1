"""The event stream: what it tells, and when it ends."""

import asyncio

from bruk.console.live import events
from bruk.control import access
from bruk.control.logs import Stream


def _session(cloud, who):
    return access.log_in(cloud.control, cloud.logins[who])[1]


async def _next_event(stream):
    while True:
        piece = await asyncio.wait_for(anext(stream), 30)
        if piece.startswith("event: "):
            return piece.split("\n")[0].removeprefix("event: ")


def test_a_change_is_told_at_once(cloud):
    async def story():
        stream = events(cloud.control, cloud.operator, _session(cloud, "operator"))
        assert (await anext(stream)).startswith("retry")
        assert len(cloud.control.streams) == 1
        cloud.control.changes.bump()
        assert await _next_event(stream) == "changed"
        await stream.aclose()
        assert len(cloud.control.streams) == 0

    asyncio.run(story())


def test_what_a_run_writes_is_told(cloud):
    async def story():
        workload = cloud.jobs["finetune-support"]
        run = cloud.newest_run(workload).id
        stream = events(cloud.control, cloud.actors["acme"], _session(cloud, "acme"), workload.id)
        await anext(stream)
        for kind in (Stream.LOG, Stream.PROGRESS):
            cloud.control.logs.append(run, kind, cloud.control.logs.size(run, kind), b"{}\n")
            assert await _next_event(stream) == kind.value
        await stream.aclose()

    asyncio.run(story())


def test_the_stream_ends_with_the_session(cloud):
    async def story():
        session = _session(cloud, "operator")
        stream = events(cloud.control, cloud.operator, session)
        await anext(stream)
        access.log_out(cloud.control, session)
        cloud.control.changes.bump()
        assert await _next_event(stream) == "ended"
        assert [piece async for piece in stream] == []

    asyncio.run(story())


def test_a_workload_of_somebody_else_ends_the_stream_before_it_tells_anything(cloud):
    async def story():
        job = cloud.jobs["pretrain-code"].id
        stream = events(cloud.control, cloud.actors["lumen"], _session(cloud, "lumen"), job)
        assert await _next_event(stream) == "ended"

    asyncio.run(story())


def test_there_is_a_limit_to_open_streams(cloud, monkeypatch):
    monkeypatch.setattr("bruk.control.streams.STREAMS_MAX", 0)
    answer = cloud.client("operator").get("/events")
    assert answer.status_code == 503
    assert "too_many_streams" in answer.text
