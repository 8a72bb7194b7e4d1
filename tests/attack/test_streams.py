"""Event streams of the API and the console over real connections: who may open them, with what, how many."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bruk.console.door import SESSION_COOKIE
from bruk.control import streams

from .doors import HOST, SILENT_S, Door, standing_control
from .people import MARK, ROLES, Cloud

READERS = ("operator", "auditor", "admin", "member", "key", "other")
PEOPLE = ("operator", "auditor", "admin", "member", "other")


@pytest.fixture(scope="module")
def standing(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Door]]:
    with standing_control(template, tmp_path_factory.mktemp("cloud") / "home") as found:
        yield found


class Line:
    """One connection on which a stream was asked for."""

    def __init__(self, door: Door, path: str, *lines: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", door.port), timeout=SILENT_S)
        head = b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"".join(line + b"\r\n" for line in lines)
        try:
            self.socket.sendall(head + b"\r\n")
            self.said = self._until(b"\r\n\r\n")
        except ConnectionError:  # It closed before all of a huge head was sent.
            self.said = b""

    def _until(self, mark: bytes) -> bytes:
        said = b""
        while mark not in said and (data := self.socket.recv(65536)):
            said += data
        return said

    @property
    def status(self) -> int:
        return int(self.said.split(b" ", 2)[1]) if self.said else 0

    def event(self) -> bytes:
        """The first line of the stream, which comes at once."""
        behind = self.said.split(b"\r\n\r\n", 1)[1]
        return behind or self._until(b"\n\n")

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def bearer(made: Cloud, role: str | None) -> list[bytes]:
    token = made.token(role)
    return [] if token is None else [b"Authorization: Bearer " + token.encode()]


def cookie(made: Cloud, role: str | None) -> list[bytes]:
    token = made.token(role)
    return [] if token is None else [f"Cookie: {SESSION_COOKIE}={token}".encode()]


def none_left(made: Cloud) -> None:
    """Closed connections are noticed, and their streams counted no more."""
    control = made.api.world.control
    ends = time.monotonic() + SILENT_S
    while len(control.streams) and time.monotonic() < ends:
        control.changes.bump()
        time.sleep(0.05)
    assert len(control.streams) == 0


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_only_who_may_read_opens_a_stream(standing: tuple[Cloud, Door], role: str | None) -> None:
    made, door = standing
    with Line(door, "/api/v1/events", *bearer(made, role)) as line:
        assert (line.status == 200) is (role in READERS), line.said
        assert role in READERS or line.status == 401, line.said
        assert role not in READERS or b"event: changed" in line.event()
    with Line(door, "/events", b"Accept: application/json", *cookie(made, role)) as line:
        assert (line.status == 200) is (role in PEOPLE), line.said
        assert role in PEOPLE or line.status == 401, line.said
    none_left(made)


@pytest.mark.parametrize("role", PEOPLE)
def test_a_page_watches_no_work_of_others(standing: tuple[Cloud, Door], role: str) -> None:
    made, door = standing
    for whose, names in (("acme", made.mine), (MARK, made.strange)):
        for workload in names["workload"]:
            with Line(door, f"/events?workload={workload}", *cookie(made, role)) as line:
                sees = role in ("operator", "auditor") or (whose == "acme" and role in ("admin", "member"))
                assert line.status == (200 if sees else 404), (role, whose, line.said)
                assert MARK.encode() not in line.said
    for workload in ("nothing", "%00", "a" * 201, "..%2f..", "%ff", "*"):
        with Line(door, f"/events?workload={workload}", *cookie(made, role)) as line:
            assert 400 <= line.status < 500, (workload, line.said)
    none_left(made)


STRANGE = {
    "an empty id": [b"Last-Event-ID: "],
    "no number": [b"Last-Event-ID: abc"],
    "a negative id": [b"Last-Event-ID: -1"],
    "thousands of digits": [b"Last-Event-ID: " + b"9" * 5000],
    "not UTF-8": [b"Last-Event-ID: \xff\xfe"],
    "two ids": [b"Last-Event-ID: 1", b"Last-Event-ID: 2"],
    "another page": [b"Accept: text/html", b"Bruk-Fragment: runs"],
    "a range": [b"Range: bytes=5-"],
    "gzip": [b"Accept-Encoding: gzip"],
    "many cookies": [b"Cookie: " + b"; ".join(b"a%d=b" % number for number in range(500))],
    "a length": [b"Content-Length: 5"],
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_a_client_says_of_where_it_stopped_changes_nothing(
    standing: tuple[Cloud, Door], name: str
) -> None:
    made, door = standing
    for path, who in (("/api/v1/events", bearer(made, "member")), ("/events", cookie(made, "member"))):
        with Line(door, path, *who, *STRANGE[name]) as line:
            assert line.status in (200, 400), line.said
            assert line.status == 400 or b"text/event-stream" in line.said
            assert line.status == 400 or line.event()
    none_left(made)
    assert door.lives()


def test_huge_headers_are_cut(standing: tuple[Cloud, Door]) -> None:
    made, door = standing
    for path, who in (("/api/v1/events", bearer(made, "member")), ("/events", cookie(made, "member"))):
        with Line(door, path, *who, b"X-Bomb: " + b"a" * (1 << 20)) as line:
            assert line.status in (0, 400, 431), line.said
        with Line(door, path, *who, *(b"X-%d: a" % number for number in range(20_000))) as line:
            assert line.status in (0, 400, 431), line.said
    assert door.lives()


def test_nobody_keeps_the_others_out_by_opening_many(
    standing: tuple[Cloud, Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, door = standing
    monkeypatch.setattr(streams, "STREAMS_EACH_MAX", 6)
    monkeypatch.setattr(streams, "STREAMS_MAX", 10)
    ways = (("/api/v1/events", bearer), ("/events", cookie))
    with ExitStack() as stack:

        def opened(role: str, way: int) -> int:
            path, who = ways[way]
            line = stack.enter_context(Line(door, path, *who(made, role)))
            if line.status == 200:
                line.event()
            return line.status

        said = [opened("member", number % 2) for number in range(8)]
        assert said == [200] * 6 + [503] * 2, "both doors count together"
        assert opened("other", 0) == 200
        assert [opened("operator", 1) for _ in range(4)] == [200, 200, 200, 503]
    none_left(made)
    with Line(door, "/api/v1/events", *bearer(made, "member")) as line:
        assert line.status == 200
    none_left(made)
