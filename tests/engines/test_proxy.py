"""A run's proxy against what a hostile run asks of it and what hostile names lead to."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from bruk.engines.local import connect, proxy, records, tunnel
from bruk.engines.local.log import Log
from bruk.engines.local.proxy import Proxy

from .conftest import wait_for

REACHED, ELSEWHERE = "127.0.0.2", "127.0.0.3"


class Service:
    """Counts who comes, says its name, and echoes."""

    def __init__(self, address: str, port: int = 0) -> None:
        self.address = address
        self.callers = 0
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                self.callers += 1
                threading.Thread(target=self._echo, args=(caller,), daemon=True).start()

    def _echo(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError):
            caller.sendall(f"this is {self.address}\n".encode())
            while data := caller.recv(65536):
                caller.sendall(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # A thread that waits in accept would keep it open.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Way:
    """A proxy under test, on this machine's loopback, and what it has written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.looked_up: list[str] = []
        self.answers: Callable[[str], list[str]] = lambda host: [host]

    def open(self, *declared: str, opened: tuple[str, ...] = (), log_bytes: int = 2**20) -> "Way":
        listener = socket.create_server(("127.0.0.1", 0))
        self.at = listener.getsockname()
        order = records.Order(
            "run-a", 1, "mark", [], {}, "/", [], [], None, 10, 0, 0, [], 0,
            network=list(declared), opened=list(opened), clock_ms=5_000_000, monotonic_ms=0,
        )  # fmt: skip
        self.log = Log(self.folder / "network.log", log_bytes)
        Proxy(listener, order, self.log, self.said.append, self._resolve).start()
        return self

    async def _resolve(self, host: str, port: int) -> list[str]:
        self.looked_up.append(host)
        return self.answers(host)

    def ask(self, request: bytes) -> bytes:
        """All that the proxy says to a request until it ends or the service greets."""
        with socket.create_connection(self.at, 60) as caller:
            with contextlib.suppress(OSError):  # It may have been refused before it was whole.
                caller.sendall(request)
            heard = b""
            with contextlib.suppress(ConnectionResetError):
                while b"this is" not in heard and (data := caller.recv(65536)):
                    heard += data
            return heard

    def connect(self, target: str) -> bytes:
        return self.ask(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())

    def written(self) -> list[dict[str, object]]:
        lines = (self.folder / "network.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.fixture
def way(tmp_path: Path) -> Way:
    return Way(tmp_path)


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service(REACHED)
    yield made
    made.close()


def _both(way: Way, service: Service, name: str = "data.example") -> Way:
    """A proxy whose run declared a name, and whose operator opened one address for it."""
    return way.open(f"{name}:{service.port}", opened=(f"{REACHED}:{service.port}",))


def test_a_declared_name_is_reached_and_both_ways_carried(way: Way, service: Service) -> None:
    _both(way, service).answers = lambda host: [REACHED]
    blob = os.urandom(3_000_000)
    with socket.create_connection(way.at, 60) as caller:
        # What comes right behind the head belongs to the connection already.
        caller.sendall(f"CONNECT data.example:{service.port} HTTP/1.0\r\n\r\nearly".encode())
        sender = threading.Thread(target=lambda: (caller.sendall(blob), caller.shutdown(socket.SHUT_WR)))
        sender.start()
        heard = b""
        while data := caller.recv(65536):
            heard += data
        sender.join()
    assert heard == connect.GRANTED + f"this is {REACHED}\n".encode() + b"early" + blob
    wait_for(lambda: len(way.written()) == 2)
    opened, ended = way.written()
    to = f"data.example:{service.port}"
    assert {name: opened[name] for name in ("what", "to", "address")} == {
        "what": "opened",
        "to": to,
        "address": REACHED,
    }
    assert (ended["what"], ended["sent"], ended["received"]) == ("ended", 3_000_005, 3_000_023)
    assert int(str(opened["at_ms"])) >= 5_000_000
    assert way.said == [f"network: connected to {to} at {REACHED}"]


@pytest.mark.parametrize(
    "target",
    [
        *("other.example:{port}", "data.example:{other}", "sub.data.example:{port}", "127.0.0.2:{port}"),
        *(
            "DATA.example.evil.example:{port}",
            "127.0.0.1:{port}",
            "[::1]:{port}",
            "[::ffff:127.0.0.2]:{port}",
        ),
        *("169.254.169.254:80", "localhost:{port}", "*.example:{port}"),
    ],
)
def test_what_was_not_declared_is_refused_and_not_even_looked_up(
    way: Way, service: Service, target: str
) -> None:
    _both(way, service)
    heard = way.connect(target.format(port=service.port, other=service.port + 1))
    assert heard.startswith(b"HTTP/1.1 403 "), heard
    assert b"not among what the job declares" in heard
    assert (way.looked_up, service.callers) == ([], 0)
    assert way.written()[0]["what"] == "refused"


@pytest.mark.parametrize(
    "target",
    [
        *("2130706434:{port}", "0x7f000002:{port}", "0177.0.0.2:{port}", "127.2:{port}", "127.0.0.02:{port}"),
        *("127.0.0.2.:{port}", "::ffff:127.0.0.2:{port}", "[127.0.0.2]:{port}", "[fe80::1%lo]:{port}"),
        *(
            "[::ffff:127.0.0.2:{port}",
            "127.0.0.2:0{port}",
            "127.0.0.2:99999",
            "127.0.0.2:*",
            "127.0.0.2",
            ":80",
        ),
        *("http://127.0.0.2:{port}", "a@127.0.0.2:{port}", "127.0.0.2:{port}/", "127.0.0.2%00:{port}"),
        *("127.0.0.2:{port}#x", "127.0.0.2\0.example:{port}", "b\xfccher.example:{port}", "\uff11:80"),
    ],
)
def test_another_spelling_of_a_declared_address_is_refused(way: Way, service: Service, target: str) -> None:
    way.open(f"{REACHED}:{service.port}", opened=(f"{REACHED}:{service.port}",))
    heard = way.connect(target.format(port=service.port))
    assert heard.startswith(b"HTTP/1.1 400 "), heard
    assert (way.looked_up, service.callers) == ([], 0)
    assert b"this is" in way.connect(f"{REACHED}:{service.port}")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"CONNECT\r\n\r\n", 400),
        (b"CONNECT  127.0.0.2:{port} HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT 127.0.0.2:{port}\r\n\r\n", 400),
        (b"CONNECT 127.0.0.2:{port} HTTP/2\r\n\r\n", 400),
        (b"CONNECT 127.0.0.2:{port} HTTP/1.1 \r\n\r\n", 400),
        (b"CONNECT\t127.0.0.2:{port}\tHTTP/1.1\r\n\r\n", 400),
        (b" CONNECT 127.0.0.2:{port} HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT 127.0.0.2:{port} HTTP/1.1\nX: y\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"\x05\x01\x00\r\n\r\n", 400),
        (b"connect 127.0.0.2:{port} HTTP/1.1\r\n\r\n", 405),
        (b"GET http://127.0.0.2:{port}/ HTTP/1.1\r\nHost: 127.0.0.2:{port}\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"CONNECT 127.0.0.2:{port} HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", 431),
        (b"\n" * 100_000, 431),
    ],
)
def test_a_request_that_is_none_is_answered_and_nobody_is_reached(
    way: Way, service: Service, request_bytes: bytes, status: int
) -> None:
    way.open(f"{REACHED}:{service.port}", opened=(f"{REACHED}:{service.port}",))
    heard = way.ask(request_bytes.replace(b"{port}", str(service.port).encode()))
    assert heard.startswith(f"HTTP/1.1 {status} ".encode()), heard
    assert (b"CONNECT" in heard) is (status in (400, 405))
    assert service.callers == 0
    assert b"this is" in way.connect(f"{REACHED}:{service.port}")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.0.0.3", "169.254.169.254", "10.0.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0"),
        *("::1", "::ffff:127.0.0.2", "fe80::1%lo", "fd00:ec2::254", "64:ff9b::7f00:2", "2002:7f00:2::"),
        *("", "127.2", "2130706434", "data.example"),
    ],
)
def test_a_declared_name_that_leads_inward_is_refused(way: Way, service: Service, address: str) -> None:
    elsewhere = Service(ELSEWHERE, service.port)
    _both(way, service).answers = lambda host: [address]
    heard = way.connect(f"data.example:{service.port}")
    elsewhere.close()
    assert heard.startswith(b"HTTP/1.1 403 "), heard
    assert b"leads where no run may connect" in heard
    assert (service.callers, elsewhere.callers) == (0, 0)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_ipv6_address_is_reached_where_it_stands_in_the_rules(way: Way) -> None:
    service = Service("::1")
    rule = f"[::1]:{service.port}"
    way.open(rule, f"data.example:{service.port}", opened=(rule,)).answers = lambda host: ["::1"]
    heard = [
        way.connect(each.format(service.port)) for each in ("[0:0::1]:{}", "data.example:{}", "[::2]:{}")
    ]
    service.close()
    assert [b"this is ::1" in each for each in heard] == [True, True, False]


def test_a_name_with_a_rule_of_its_own_opens_no_address(way: Way, service: Service) -> None:
    name = f"data.example:{service.port}"
    way.open(name, opened=(name, "*.example:*", f"{REACHED}:{service.port + 1}")).answers = lambda host: [
        REACHED
    ]
    assert b"is the loopback" in way.connect(name)
    assert service.callers == 0


def test_a_name_that_changes_is_connected_to_where_it_was_judged(way: Way, service: Service) -> None:
    """DNS rebinding: good when it is judged, elsewhere whenever it is asked again."""
    elsewhere = Service(ELSEWHERE, service.port)
    answers = [[REACHED], [ELSEWHERE], [ELSEWHERE, REACHED], [REACHED, ELSEWHERE]]
    _both(way, service).answers = lambda host: answers[len(way.looked_up) - 1]
    heard = [way.connect(f"data.example:{service.port}") for _ in answers]
    elsewhere.close()
    assert [b"this is 127.0.0.2" in each for each in heard] == [True, False, True, True]
    assert heard[1].startswith(b"HTTP/1.1 403 ")
    assert way.looked_up == ["data.example"] * 4
    assert elsewhere.callers == 0


def test_this_machines_own_public_address_is_not_of_the_internet(
    way: Way, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine reaches itself by its public address, too. No test has one: the loopback stands for it."""
    monkeypatch.setattr(proxy, "refused_address", lambda *_: "")
    own = Service("127.0.0.1", service.port)
    _both(way, service).answers = lambda host: ["127.0.0.1"]
    assert b"is this machine itself" in way.connect(f"data.example:{service.port}")
    own.close()
    assert own.callers == 0


def test_the_machines_own_resolver_is_asked(tmp_path: Path, service: Service) -> None:
    made = Way(tmp_path)
    made._resolve = None  # type: ignore[assignment,method-assign]
    made.open("localhost:*", "none.invalid:80", f"{REACHED}:{service.port}", opened=(f"{REACHED}:*",))
    assert b"the address 127.0.0.1 is the loopback" in made.connect(f"localhost:{service.port}")
    assert made.connect("none.invalid:80").startswith(b"HTTP/1.1 502 ")
    assert b"this is" in made.connect(f"{REACHED}:{service.port}")


async def _never(host: str, port: int) -> list[str]:
    raise TimeoutError


async def _fails(host: str, port: int) -> list[str]:
    raise RuntimeError("a defect")


@pytest.mark.parametrize(("resolve", "says"), [(_never, "504"), (_fails, "")])
def test_a_resolver_that_fails_takes_nobody_along(
    way: Way, service: Service, resolve: Callable[[str, int], Awaitable[list[str]]], says: str
) -> None:
    working, way._resolve = way._resolve, resolve  # type: ignore[method-assign]
    _both(way, service)
    for _ in range(3):
        assert way.connect(f"data.example:{service.port}").decode().startswith(says and f"HTTP/1.1 {says} ")
    assert len(way.written()) == 3
    assert working is not resolve


def test_a_service_that_does_not_listen_is_said_so(way: Way, service: Service) -> None:
    service.close()
    _both(way, service).answers = lambda host: [REACHED]
    heard = way.connect(f"data.example:{service.port}")
    assert heard.startswith(b"HTTP/1.1 502 ")
    assert f"{REACHED}: Connection refused".encode() in heard


def test_slow_heads_and_idle_connections_end(
    way: Way, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    _both(way, service).answers = lambda host: [REACHED]
    with monkeypatch.context() as hasty:
        hasty.setattr(tunnel, "HEAD_TIMEOUT_S", 0.3)
        assert way.ask(b"CONNECT data.exa").startswith(b"HTTP/1.1 408 ")
    monkeypatch.setattr(tunnel, "IDLE_S", 2)
    with socket.create_connection(way.at, 60) as caller:
        caller.sendall(f"CONNECT data.example:{service.port} HTTP/1.1\r\n\r\n".encode())
        for _ in range(10):  # Longer than it may be idle, but never idle.
            time.sleep(0.25)
            caller.sendall(b"x")
        heard = b""
        with contextlib.suppress(ConnectionResetError):
            while data := caller.recv(1000):
                heard += data
    assert heard.endswith(b"x" * 10)
    wait_for(lambda: way.written()[-1]["what"] == "ended")


def test_thousands_of_connections_keep_out_only_themselves(
    way: Way, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "CONNECTIONS_MAX", 16)
    under_way, most, read = 0, 0, tunnel.head

    async def head(inner: socket.socket) -> tuple[bytes, bytes] | None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await read(inner)
        finally:
            under_way -= 1

    monkeypatch.setattr(tunnel, "head", head)
    _both(way, service).answers = lambda host: [REACHED]
    held = []
    for _ in range(2000):  # Most of them find the queue full, as a caller would that goes on.
        caller = socket.socket()
        caller.setblocking(False)
        caller.connect_ex(way.at)
        held.append(caller)
    wait_for(lambda: under_way == 16)
    for caller in held:
        caller.close()
    assert b"this is" in way.connect(f"data.example:{service.port}")
    assert most == 16


def test_what_is_written_down_is_bounded(way: Way, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "REFUSALS_MAX", 20)
    monkeypatch.setattr(proxy, "SAID_MAX", 5)
    _both(way, service).answers = lambda host: [REACHED]
    for number in range(50):
        way.connect(f"host-{number}.example:80")
    assert b"this is" in way.connect(f"data.example:{service.port}")
    wait_for(lambda: way.written()[-1]["what"] == "ended")
    assert len(way.said) == 5
    assert [each["what"] for each in way.written()] == ["refused"] * 21 + ["opened", "ended"]
    assert way.written()[20]["why"] == "further refusals are not written down"


def test_no_line_of_an_answer_or_of_the_log_is_a_runs(way: Way, service: Service) -> None:
    _both(way, service)
    heard = way.connect("evil.example:80\x1b[31m")
    assert b"\x1b" not in heard
    heard = way.connect("x" * 5000 + ":80")
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert len(heard) < 2000
    assert [set(each) for each in way.written()] == [{"at_ms", "what", "to", "why"}] * 2


def test_files_that_are_no_listener_of_the_proxys_are_refused() -> None:
    reader, writer = os.pipe()
    pair = socket.socketpair()
    loose = socket.socket()
    other = socket.create_server(("127.0.0.1", 0))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for file in (reader, writer, *(each.detach() for each in (*pair, loose, other, datagrams))):
        assert proxy.listener_of(file) is None
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(file)
