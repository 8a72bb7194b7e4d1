"""What is revoked ends at once over real HTTP: event streams, waiting exchanges, the next request."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from bruk.assembly.clock import SystemClock
from bruk.assembly.home import Home
from bruk.assembly.platform import create_app, open_control
from bruk.control import access, persons, sites, tenancy
from bruk.model.site import Isolation
from bruk.model.switch import Acknowledgement, EnforcerKind
from bruk.model.tenant import Actor, Role
from bruk.wire.agent import SyncRequest
from bruk.wire.gateway import GatewaySync
from bruk.wire.requests import SiteBody, TenantBody, UserBody

# Streams look at their credential of themselves every 10 s and exchanges wait for 25 s, so what ends
# within this was ended by the revocation [s].
WOKEN_S = 5.0


class Served:
    """Control with its API and console on a port of this machine."""

    def __init__(self, folder: Path) -> None:
        self.control = open_control(Home(folder), SystemClock())
        user, _, self.token = access.first_operator(self.control)
        self.operator = Actor("user", user.id, Role.OPERATOR)
        self.server = uvicorn.Server(uvicorn.Config(create_app(self.control), port=0, log_config=None))
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            self.thread.join(0.01)
            assert self.thread.is_alive(), "the server did not start"
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def person(self) -> tuple[Actor, str]:
        """A member of acme, and a login link."""
        user, link = access.add_user(
            self.control, self.operator, UserBody(name="Ada", role="member", tenant="acme")
        )
        return Actor("user", user.id, Role.MEMBER, "acme"), link

    def end(self) -> None:
        self.control.changes.close()
        self.server.should_exit = True
        self.thread.join()
        self.control.database.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    found = Served(tmp_path / "home")
    tenancy.add_tenant(found.control, found.operator, TenantBody(name="acme"))
    yield found
    found.end()


@contextmanager
def stream(url: str, **how: object) -> Iterator[tuple[httpx.Response, Iterator[str]]]:
    """An event stream that has answered its first line."""
    with (
        httpx.Client(timeout=30, trust_env=False) as client,
        client.stream("GET", url, **how) as answer,  # type: ignore[arg-type]
    ):
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(lines)
        yield answer, lines


def _ended_after_s(lines: Iterator[str], revoke: Callable[[], object]) -> float:
    """How long the stream goes on after what ends it [s]."""
    revoke()
    began = time.monotonic()
    said = list(lines)
    assert len(said) < 20, "it does not go on as if nothing had happened"
    return time.monotonic() - began


REVOKE: dict[str, Callable[[Served, Actor, str], object]] = {
    "disable": lambda served, person, _: persons.disable(served.control, served.operator, person.id),
    "end all": lambda served, person, _: persons.end_all(served.control, served.operator, person.id),
    "end one": lambda served, person, _: persons.end(
        served.control, person, persons.credentials(served.control, person, person.id).held[0].id
    ),
    "log out": lambda served, _, secret: access.log_out(served.control, secret),
}


@pytest.mark.parametrize("how", sorted(REVOKE))
@pytest.mark.parametrize("kind", ["session", "token"])
def test_an_open_event_stream_ends_with_what_opened_it(served: Served, kind: str, how: str) -> None:
    person, link = served.person()
    _, secret = access.log_in(served.control, link, kind)
    if kind == "session":
        opened = stream(f"{served.url}/events", cookies={"bruk_session": secret})
    else:
        opened = stream(f"{served.url}/api/v1/events", headers={"Authorization": f"Bearer {secret}"})
    with opened as (_, lines):
        took_s = _ended_after_s(lines, lambda: REVOKE[how](served, person, secret))
    assert took_s < WOKEN_S


@pytest.mark.parametrize("kind", ["session", "token"])
def test_the_next_request_is_refused(served: Served, kind: str) -> None:
    person, link = served.person()
    _, secret = access.log_in(served.control, link, kind)

    def ask() -> int:
        if kind == "session":
            found = httpx.get(f"{served.url}/people", cookies={"bruk_session": secret}, trust_env=False)
            return 401 if found.headers.get("location") == "/login" else found.status_code
        headers = {"Authorization": f"Bearer {secret}"}
        return httpx.get(f"{served.url}/api/v1/me", headers=headers, trust_env=False).status_code

    assert ask() == 200
    persons.disable(served.control, served.operator, person.id)
    assert ask() == 401


def _agent_body(served: Served) -> SyncRequest:
    return SyncRequest(
        site="here",
        agent_version="0.1",
        boot_id="boot",
        journal="journal",
        now_ms=served.control.clock.now_ms(),
        nodes=[],
        isolation=Isolation.SANDBOX,
        known_version=served.control.changes.version,
        wait_ms=25_000,
        acknowledgement=Acknowledgement(EnforcerKind.AGENT, "here", 0, 0),
    )


def _gateway_body(served: Served) -> GatewaySync:
    return GatewaySync(
        gateway="gw",
        journal="journal",
        now_ms=served.control.clock.now_ms(),
        known_version=served.control.changes.version,
        wait_ms=3_000,
        acknowledgement=Acknowledgement(EnforcerKind.GATEWAY, "gw", 0, 0),
    )


@pytest.mark.parametrize("who", ["agent", "gateway"])
def test_an_exchange_that_waits_ends_with_its_token_and_hears_nothing(served: Served, who: str) -> None:
    control, operator = served.control, served.operator
    _, agent_token = sites.add_site(control, operator, SiteBody(name="here", country="FR", grid_zone="FR"))
    _, gateway_token = sites.new_gateway(control, operator, "gw", "here")
    old = {"agent": agent_token, "gateway": gateway_token}[who]

    def renew() -> str:
        if who == "agent":
            return sites.renew_agent_token(control, operator, "here")
        return sites.renew_gateway_token(control, operator, "gw")

    def exchange(token: str, wait: bool) -> httpx.Response:
        body = _agent_body(served) if who == "agent" else _gateway_body(served)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        content = body.model_copy(update={} if wait else {"wait_ms": 0}).model_dump_json()
        return httpx.post(
            f"{served.url}/api/v1/{who}/sync", content=content, headers=headers, timeout=40, trust_env=False
        )

    assert exchange(old, wait=False).status_code == 200
    answers: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(exchange(old, wait=True)))
    waiting.start()
    # Once it waits, it is beside control's own loop among those who are woken by a change.
    while len(control.changes._waiting) < 2 and waiting.is_alive():
        time.sleep(0.01)
    new = renew()
    waiting.join(WOKEN_S if who == "agent" else 10)
    assert answers, "it was woken"
    assert answers[0].status_code == 401
    assert exchange(old, wait=False).status_code == 401
    assert exchange(new, wait=False).status_code == 200
