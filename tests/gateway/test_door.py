"""The gateway's own server and client of HTTP, where clients and replicas behave as few do."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from bruk.gateway.wire import HEAD_BYTES_MAX, Connection, UpstreamFailed

from .conftest import World

BODY = json.dumps({"model": "little", "messages": [], "max_tokens": 2}).encode()
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer acme\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)
)


def answers(peer: socket.socket, count: int) -> bytes:
    """What came, once it has so many answers."""
    found = b""
    while found.count(b"HTTP/1.1 200 OK") < count or not found.endswith(b"}"):
        data = peer.recv(65536)
        assert data, f"it was closed after {found!r}"
        found += data
    return found


def test_a_request_whose_body_comes_while_the_one_before_is_served_is_served_too(world: World) -> None:
    assert world.gateway is not None
    assert world.gateway.address is not None
    with socket.create_connection(world.gateway.address, timeout=10) as peer:
        peer.sendall(REQUEST + BODY + REQUEST + BODY[:10])
        answers(peer, 1)
        peer.sendall(BODY[10:])
        answers(peer, 1)


class Transport:
    """A transport of a replica that does as the test says."""

    def __init__(self) -> None:
        self.reading = True
        self.closed = False

    def write(self, data: bytes) -> None:
        pass

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def asked(idle_s: float = 60) -> tuple[Connection, Transport]:
    """A connection over which a request has gone."""
    connection, transport = Connection(asyncio.get_running_loop()), Transport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.send(b"", b"", 60, idle_s)
    return connection, transport


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n"
LARGE = b"x" * (100 * 1024)


def run(act: Any) -> None:
    asyncio.run(act())


def test_a_connection_is_used_again_only_while_it_is_read() -> None:
    async def act() -> None:
        connection, transport = asked()
        connection.data_received(HEAD % 2 + b"ok")
        assert await connection.whole(10) == b"ok"
        assert connection.finish()
        connection, transport = asked()
        connection.data_received(HEAD % len(LARGE) + LARGE)
        assert not transport.reading, "its client has not caught up"
        assert not connection.finish(), "who takes it next would wait for ever"
        assert transport.closed

    run(act)


def test_a_slow_client_is_no_silence_of_the_replica() -> None:
    async def act() -> None:
        connection, transport = asked(idle_s=0.1)
        connection.data_received(HEAD % (len(LARGE) + 1) + LARGE)
        await asyncio.sleep(0.3)
        assert await connection.read() == LARGE
        assert transport.reading
        await asyncio.sleep(0.05)
        connection.data_received(b"y")
        assert await connection.read() == b"y"
        connection, _ = asked(idle_s=0.1)
        connection.data_received(HEAD % 2 + b"o")
        assert await connection.read() == b"o"
        with pytest.raises(UpstreamFailed, match="silent"):
            await connection.read()

    run(act)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx", "encoded its answer"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", "changed the protocol"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"x" * (HEAD_BYTES_MAX + 1), "head is too long"),
        (b"no HTTP at all\r\n\r\n", "HttpParser"),
    ],
)
def test_an_answer_that_is_not_taken_says_why(said: bytes, why: str) -> None:
    async def act() -> None:
        connection, transport = asked()
        connection.data_received(said)
        with pytest.raises(UpstreamFailed, match=why):
            await connection.head_read()
        assert transport.closed

    run(act)
