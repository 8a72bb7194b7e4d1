"""Every role reads its event streams, over real connections: what it may watch, and nothing else."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn

from bruk.console.door import SESSION_COOKIE
from bruk.control.logs import Stream
from bruk.model.policy import EVERYBODY, PEOPLE, Policy, Reach

from .conftest import SECRET_OF, House, hidden, reached

SILENT_S = 20.0
CALLERS = (
    "operator",
    "site operator",
    "other site operator",
    "auditor",
    "acme admin",
    "acme member",
    "acme key",
    "acme second key",
    "lumen member",
    "agent",
    "gateway",
    "disabled",
    "expired",
    "ended key",
    "nobody",
    "forged",
)


@pytest.fixture(scope="module")
def address(house: House) -> Iterator[str]:
    """Where the house answers on a real port."""
    config = uvicorn.Config(house.client.app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
        assert thread.is_alive(), "the server did not start"
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(SILENT_S)
    assert not thread.is_alive()


@contextmanager
def opened(url: str, **more: object) -> Iterator[httpx.Response]:
    with (
        httpx.Client(timeout=SILENT_S, trust_env=False) as client,
        client.stream("GET", url, **more) as answer,  # type: ignore[arg-type]
    ):
        yield answer


def until(texts: Iterator[str], mark: str) -> str:
    """What a stream says up to a mark."""
    said = ""
    for piece in texts:
        said += piece
        if mark in said:
            return said
    raise AssertionError(f"it ended before {mark!r}: {said!r}")


@pytest.mark.parametrize("who", CALLERS)
def test_the_apis_stream_tells_whoever_may_read_that_something_changed(
    house: House, address: str, who: str
) -> None:
    caller = house.callers[who]
    headers = {"Authorization": f"Bearer {caller.secret}"} if caller.secret else {}
    with opened(f"{address}/api/v1/events", headers=headers) as answer:
        if caller.who not in EVERYBODY:
            assert answer.status_code == 401
            return
        assert answer.status_code == 200
        said = until(answer.iter_text(), "\n\n")
    assert said == f"event: changed\ndata: {said.split('data: ')[1].strip()}\n\n"
    assert said.split("data: ")[1].strip().isdecimal(), "it says that something changed, and not what"


@pytest.mark.parametrize("tenant", ["acme", "lumen"])
@pytest.mark.parametrize("who", CALLERS)
def test_a_page_watches_the_work_that_its_reader_may_see(
    house: House, address: str, who: str, tenant: str
) -> None:
    caller, ids = house.callers[who], house.ids[tenant]
    cookies = {SESSION_COOKIE: caller.secret} if caller.secret else {}
    url = f"{address}/events?workload={ids.values['workload']}"
    headers = {"Accept": "application/json"}
    with opened(url, headers=headers, cookies=cookies) as answer:
        if caller.who not in PEOPLE:
            assert answer.status_code == 401
            return
        if not reached(Policy(PEOPLE, Reach.RUN), caller, ids):
            assert answer.status_code == 404
            refusal = answer.read().decode()
            assert not [word for word in hidden(caller, ids) if word in refusal and word not in url]
            return
        assert answer.status_code == 200
        texts = answer.iter_text()
        said = until(texts, "retry")
        logs, run = house.world.control.logs, ids.values["run"]
        more = f"{SECRET_OF.format(tenant)} once more\n".encode()
        logs.append(run, Stream.LOG, logs.size(run, Stream.LOG), more)
        said += until(texts, "event: log")
    assert SECRET_OF.format(tenant) not in said, "the page asks for content with its own rights"


@pytest.mark.parametrize("who", ["operator", "site operator", "auditor", "acme admin", "lumen member"])
def test_a_page_hears_of_every_change(house: House, address: str, who: str) -> None:
    with opened(f"{address}/events", cookies={SESSION_COOKIE: house.callers[who].secret}) as answer:
        assert answer.status_code == 200
        texts = answer.iter_text()
        until(texts, "retry")
        house.world.control.changes.bump()
        assert "event: changed" in until(texts, "event: changed")
