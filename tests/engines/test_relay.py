"""A replica in a sandbox is reached from outside, and what comes out of the sandbox is not believed."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import httpx
import pytest

from bruk.engines.base import LaunchFailed
from bruk.engines.local import relay
from bruk.engines.local.relay import Relay
from bruk.model.run import DeviceSet

from .conftest import Works

SERVER = """
import http.server, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (b"data: 1\\n\\n", b"x" * 3_000_000, b"data: 2\\n\\n"):
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(part), part))
        self.wfile.write(b"0\\r\\n\\r\\n")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["BRUK_PORT"])), Handler)
print("up", flush=True)
server.serve_forever()
""".replace("\\\\", "\\")
ANSWERS_IN_PIECES = """
import os, socket, time
listener = socket.create_server(("127.0.0.1", int(os.environ["BRUK_PORT"])))
print("up", flush=True)
caller, _ = listener.accept()
asked = b""
while piece := caller.recv(1000): asked += piece
caller.sendall(b"heard " + asked)
caller.close()
time.sleep(300)
"""


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _served(works: Works, script: str, run: str = "run-a", device: int = 0) -> int:
    port, engine = _port(), works.engine()
    env = {"PATH": os.environ["PATH"], "BRUK_PORT": str(port)}
    placement = (DeviceSet("node-1", (device,)),)
    handle = engine.launch(works.launch(script, run, env=env, ports=(port,), placement=placement))
    works.said(engine, handle, "up")
    return port


def test_a_replica_is_reached_with_and_without_a_sandbox(works: Works) -> None:
    port = _served(works, SERVER)
    body = os.urandom(2_000_000)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        answer = client.get("/").content
        assert (answer[:9], answer[-9:], len(answer)) == (b"data: 1\n\n", b"data: 2\n\n", 3_000_018)
        for _ in range(20):
            assert client.post("/", content=body[:1000]).content == body[:1000][::-1]
        assert client.post("/", content=body).content == body[::-1]


def test_many_callers_at_once(works: Works) -> None:
    port = _served(works, SERVER)
    answers: list[bytes] = []

    def ask(number: int) -> None:
        content = str(number).encode() * 1000
        answer = httpx.post(f"http://127.0.0.1:{port}/", content=content, trust_env=False).content
        answers.append(answer if answer == content[::-1] else b"")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(answers) == 40
    assert all(answers)


def test_one_side_may_end_before_the_other(works: Works) -> None:
    port = _served(works, ANSWERS_IN_PIECES)
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(b"all of it")
        caller.shutdown(socket.SHUT_WR)
        heard = b""
        while piece := caller.recv(1000):
            heard += piece
    assert heard == b"heard all of it"


def test_a_replica_that_does_not_listen_yet_ends_the_connection(boxed: Works) -> None:
    port = _served(boxed, "import time; print('up', flush=True); time.sleep(300)")
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)


def test_two_replicas_in_sandboxes_do_not_reach_each_other(boxed: Works) -> None:
    first = _served(boxed, SERVER)
    script = f"""
import socket
for port in ({first}, 1):
    try: socket.create_connection(("127.0.0.1", port), 5)
    except OSError as error: print(type(error).__name__, flush=True)
"""
    engine = boxed.engine()
    handle = engine.launch(boxed.launch(script, "run-b", placement=(DeviceSet("node-1", (1,)),)))
    boxed.end(engine, handle)
    assert engine.logs(handle, 0, 1000)[0].decode().split() == ["ConnectionRefusedError"] * 2


def test_a_port_in_use_fails_the_launch(boxed: Works) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(LaunchFailed, match=f"port {port}"):
            boxed.engine().launch(boxed.shell("exit 0", ports=(port,)))
    assert list(boxed.engine().handles()) == []


@pytest.fixture
def made() -> Iterator[tuple[Relay, int]]:
    """A relay whose sandbox is the test."""
    port = _port()
    made = Relay([port])
    made.start()
    yield made, port
    made.door.close()
    made.close()


def _ask_while(made: tuple[Relay, int], answer: list[int], word: bytes = b"connected") -> bytes:
    """What a caller hears if the sandbox answers with these files."""
    door, port = made[0].door, made[1]
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.settimeout(60)
        assert door.recv(100) == str(port).encode()
        socket.send_fds(door, [word], answer)
        try:
            return caller.recv(100)
        except ConnectionResetError:
            return b""


def test_files_that_are_no_connections_are_refused(made: tuple[Relay, int]) -> None:
    reader, writer = os.pipe()
    local, remote = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fresh = socket.socket()
    for file in (reader, writer, local.fileno(), listener.fileno(), datagrams.fileno(), fresh.fileno()):
        assert _ask_while(made, [file]) == b""
    assert _ask_while(made, []) == b""
    assert _ask_while(made, [], b"refused") == b""
    assert _ask_while(made, [reader, writer, reader]) == b""
    for each in (local, remote, listener, datagrams, fresh):
        each.close()
    os.close(reader)
    os.close(writer)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as good:
        good.connect(server.getsockname())
        caller, _ = server.accept()
        caller.sendall(b"still here")
        caller.close()
        assert _ask_while(made, [good.fileno()]) == b"still here"


def test_answers_that_nobody_asked_for_are_dropped(made: tuple[Relay, int]) -> None:
    reader, writer = os.pipe()
    for _ in range(50):
        socket.send_fds(made[0].door, [b"connected"], [writer])
    assert _ask_while(made, [reader]) == b""
    os.close(reader)
    os.close(writer)


def test_a_door_that_closes_ends_the_callers(made: tuple[Relay, int]) -> None:
    with socket.create_connection(("127.0.0.1", made[1])) as caller:
        caller.settimeout(60)
        made[0].door.recv(100)
        made[0].door.close()
        with contextlib.suppress(ConnectionResetError):
            assert caller.recv(100) == b""


def test_callers_beyond_the_limit_are_turned_away(
    made: tuple[Relay, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "CALLERS_MAX", 0)
    caller = socket.create_connection(("127.0.0.1", made[1]))
    with caller, contextlib.suppress(ConnectionResetError):
        assert caller.recv(100) == b""


def test_the_relay_leaves_the_interpreter_small() -> None:
    """Only a replica pays for it: without ports it is not even loaded."""
    code = "import sys, bruk.engines.local.supervisor; print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
