"""Bytes on a real connection to a real server: what no well-behaved client sends.

Whatever comes, the answer is a refusal or a closed connection, nothing has changed, and the next client
is served.
"""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from bruk.assembly.front import SERVING, hosts_of
from bruk.gateway import heads
from bruk.model.errors import InvalidInput

from ..gateway.conftest import World as GatewayWorld  # noqa: TID252 (tests are no installed package)
from .doors import HOST, SILENT_S, Door, standing_control
from .openapi import QUIET
from .people import Cloud

TENANT = b'{"name": "smuggled"}'


@pytest.fixture(scope="module")
def standing(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Door]]:
    with standing_control(template, tmp_path_factory.mktemp("cloud") / "home") as found:
        yield found


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayWorld, Door]]:
    made = GatewayWorld(tmp_path_factory.mktemp("gateway") / "gw")
    made.start()
    yield made, Door(int(made.url.rsplit(":", 1)[1]), "acme", b"/v1/chat/completions")
    made.close()


CHUNKED = b"Transfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n"
REFUSED: dict[str, tuple[tuple[bytes, ...], tuple[bytes, ...]]] = {
    # Lines of the head, and what is sent behind it.
    "a negative length": ((b"Content-Length: -1\r\n",), (TENANT,)),
    "a signed length": ((b"Content-Length: +20\r\n",), (TENANT,)),
    "a length in hex": ((b"Content-Length: 0x14\r\n",), (TENANT,)),
    "a length of thousands of digits": ((b"Content-Length: " + b"9" * 5000 + b"\r\n",), (TENANT,)),
    "two lengths": ((b"Content-Length: 20\r\n", b"Content-Length: 5\r\n"), (TENANT,)),
    "a list of lengths": ((b"Content-Length: 20, 5\r\n",), (TENANT,)),
    "length and chunks": ((b"Content-Length: 20\r\n", CHUNKED), (b"0\r\n\r\n" + TENANT,)),
    "chunks and length": ((CHUNKED, b"Content-Length: 20\r\n"), (b"0\r\n\r\n" + TENANT,)),
    "chunked twice over": ((b"Transfer-Encoding: chunked, identity\r\n",), (b"0\r\n\r\n",)),
    "chunks of no size": ((CHUNKED,), (b"x\r\n",)),
    "chunks of negative size": ((CHUNKED,), (b"-5\r\n" + TENANT,)),
    "chunks of endless size": ((CHUNKED,), (b"f" * 40 + b"\r\n",)),
    "a space in a name": ((b"Content-Length : 20\r\n",), (TENANT,)),
    "a NUL in a header": ((b"X-A: a\0b\r\n", b"Content-Length: 20\r\n"), (TENANT,)),
    "a gzip'd body": ((b"Content-Encoding: gzip\r\n", CLOSE, b"Content-Length: 4\r\n"), (b"\x1f\x8b\x08\0",)),
    "not UTF-8": ((CLOSE, b"Content-Length: 4\r\n"), (b'{"\xff}',)),
    "UTF-16": ((CLOSE, b"Content-Length: 6\r\n"), ('{"'.encode("utf-16"),)),
    "a header bomb": ((b"X-Bomb: " + b"a" * (1 << 20) + b"\r\n", CLOSE), ()),
}
STARTS = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
    "HTTP/9.9": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no path": b"GET\r\n\r\n",
    "a method of its own": b"BRUK / HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n",
    "an overlong path": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n",
    "bare line feeds": b"GET /api/v1/tenants HTTP/1.1\nHost: 127.0.0.1\nX: \x01\n\n",
}
PATHS = [
    b"/api/v1/../../etc/passwd",
    b"/api/v1/%2e%2e/%2e%2e/etc/passwd",
    b"/assets/%2e%2e/%2e%2e/%2e%2e/pyproject.toml",
    b"/assets/..%2f..%2f..%2fpyproject.toml",
    b"/assets/%c0%ae%c0%ae/%c0%ae%c0%ae/pyproject.toml",
    b"/api/v1/tenants/%00",
    b"/api/v1/me%0a",
    b"/api/v1/me%0d%0aSet-Cookie:%20a=b",
    b"/api/v1/tenants/%ff%fe",
    b"//api/v1//tenants",
    b"/api/v1/tenants/%e2%80%ae",
    b"http://elsewhere.example/api/v1/nothing",
]


@pytest.mark.parametrize("name", REFUSED)
def test_control_refuses_what_is_framed_wrongly(standing: tuple[Cloud, Door], name: str) -> None:
    made, door = standing
    _refused(door, name)
    tenants = made.api.client.get("/api/v1/tenants", headers={"Authorization": f"Bearer {door.token}"}).text
    assert "smuggled" not in tenants


@pytest.mark.parametrize("name", REFUSED)
def test_a_gateway_refuses_what_is_framed_wrongly(gateway: tuple[GatewayWorld, Door], name: str) -> None:
    made, door = gateway
    _refused(door, name)
    assert made.control.ledger == {}


def _refused(door: Door, name: str) -> None:
    lines, behind = REFUSED[name]
    said = door.send(door.head(*lines), *behind, half_close=True)
    _no_good(said)
    assert said.count(b"HTTP/1.1") <= 1, "what stood behind was taken for a second request"
    assert door.lives()


def _no_good(said: bytes) -> None:
    status = int(said.split(b" ", 2)[1]) if said else 400
    assert 400 <= status < 500, said[:300]
    assert b"Traceback" not in said
    assert b".py" not in said


@pytest.mark.parametrize("name", STARTS)
def test_no_beginning_of_a_connection_does_harm(
    standing: tuple[Cloud, Door], gateway: tuple[GatewayWorld, Door], name: str
) -> None:
    for door in (standing[1], gateway[1]):
        _no_good(door.send(STARTS[name], half_close=True))
        assert door.lives()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.decode("latin-1"))
def test_no_path_leads_out(
    standing: tuple[Cloud, Door], gateway: tuple[GatewayWorld, Door], path: bytes
) -> None:
    for door in (standing[1], gateway[1]):
        head = b"GET " + path + b" HTTP/1.1\r\n" + HOST + CLOSE + b"Authorization: Bearer "
        said = door.send(head + door.token.encode() + b"\r\n\r\n")
        _no_good(said)
        lines = said.split(b"\r\n\r\n")[0].lower().split(b"\r\n")
        assert not any(line.startswith(b"set-cookie: a=b") for line in lines)


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        ((b"127.0.0.1",), 200),
        ((b"localhost:8610",), 200),
        ((b"[::1]:8610",), 200),
        ((b"Bruk.Example.org:443",), 200),
        ((b"rebound.example",), 403),
        ((b"127.0.0.1.rebound.example",), 403),
        ((b"127.0.0.1@rebound.example",), 403),
        ((b"127.0.0.1:80:80",), 403),
        ((b"",), 403),
        ((), 403),
        ((b"127.0.0.1", b"rebound.example"), 403),
    ],
)
def test_control_answers_for_its_own_hosts_alone(
    standing: tuple[Cloud, Door], hosts: tuple[bytes, ...], status: int
) -> None:
    door = standing[1]
    for path in (b"/health", b"/login", b"/api/v1/keys/public"):
        head = b"GET " + path + b" HTTP/1.1\r\n" + b"".join(b"Host: " + host + b"\r\n" for host in hosts)
        said = door.send(head + CLOSE + b"\r\n")
        found = int(said.split(b" ", 2)[1])
        # A server may refuse two hosts, or none, before we see them.
        assert found == status or (found == 400 and len(hosts) != 1), said[:300]
        if found == 403:
            assert b'"foreign_host"' in said


def test_a_refused_host_changes_nothing(standing: tuple[Cloud, Door]) -> None:
    made, door = standing
    before = made.api.world.dump()
    head = door.head(b"Content-Length: 20\r\n", CLOSE).replace(HOST, b"Host: rebound.example\r\n")
    assert b" 403 " in door.send(head + TENANT)  # In one piece: what is refused is not read on.
    assert made.api.world.changed(before) - QUIET == set()
    assert b" 201 " in door.send(
        door.head(b"Content-Length: 20\r\n", CLOSE), TENANT.replace(b"smuggled", b"wellsent")
    )


def _is_cut(port: int, start: bytes) -> bool:
    """Whether a connection is closed that sends 2 MB of a head, and never its end."""
    line = b"X-Endless: " + b"a" * 1000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=SILENT_S) as connection:
        try:
            connection.sendall(start + line * 2000)
            connection.settimeout(3)
            said = connection.recv(65536)
        except TimeoutError:
            return False  # It took all of it and waits for more.
        except ConnectionError:
            return True
    return said == b"" or said.split(b" ", 2)[1] in (b"400", b"431")


def test_a_head_without_end_is_cut(standing: tuple[Cloud, Door], gateway: tuple[GatewayWorld, Door]) -> None:
    for door in (standing[1], gateway[1]):
        assert _is_cut(door.port, door.head()[:-2])
        assert door.lives()


@pytest.mark.parametrize("bounded", [True, False])
def test_it_is_the_bound_that_cuts_it(monkeypatch: pytest.MonkeyPatch, bounded: bool) -> None:
    """The same server with a bound that no head reaches takes all of it."""
    if not bounded:
        monkeypatch.setattr(heads, "HEAD_BYTES_MAX", 1 << 30)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_nothing, **{**SERVING, **heads.bounded()}, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        assert _is_cut(listener.getsockname()[1], b"GET / HTTP/1.1\r\n" + HOST) is bounded
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


async def _nothing(scope: object, receive: object, send: object) -> None:
    raise AssertionError("no head ever ended")


def test_hosts_of_the_operator_are_names() -> None:
    assert hosts_of({"BRUK_HOSTS": " Bruk.example.org, b.example "}) == ("bruk.example.org", "b.example")
    assert hosts_of({}) == ()
    for wrong in ("http://a", "a/b", "a:80", "*", "a b"):
        with pytest.raises(InvalidInput, match="BRUK_HOSTS"):
            hosts_of({"BRUK_HOSTS": wrong})


def test_no_method_is_put_in_the_place_of_another(standing: tuple[Cloud, Door]) -> None:
    """Headers and fields by which some frameworks exchange the method mean nothing here."""
    made, door = standing
    before = made.api.world.dump()
    for override in (b"X-HTTP-Method-Override", b"X-Method-Override", b"X-HTTP-Method"):
        head = door.head(override + b": POST\r\n", CLOSE, b"Content-Length: 20\r\n", method=b"GET")
        assert b" 200 " in door.send(head, TENANT)
    for method in (b"TRACE", b"PROPFIND", b"TRACK"):
        _no_good(door.send(door.head(CLOSE, method=method)))
    assert made.api.world.changed(before) - QUIET == set()


def test_a_pipeline_is_answered_in_order(standing: tuple[Cloud, Door]) -> None:
    door = standing[1]
    one = b"GET /api/v1/keys/public HTTP/1.1\r\n" + HOST + b"\r\n"
    last = b"GET /api/v1/nothing HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"
    said = door.send(one * 20 + last)
    assert (said.count(b"HTTP/1.1 200"), said.count(b"HTTP/1.1 404")) == (20, 1)


def test_clients_that_say_nothing_keep_nobody_out(standing: tuple[Cloud, Door]) -> None:
    door = standing[1]
    idle = [socket.create_connection(("127.0.0.1", door.port), timeout=5) for _ in range(100)]
    try:
        for line in idle:
            line.sendall(b"POST /api/v1/tenants HTTP/1.1\r\nHo")
        assert door.lives()
    finally:
        for line in idle:
            line.close()
    assert door.lives()
