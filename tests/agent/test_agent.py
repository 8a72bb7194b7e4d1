"""The loop, over real HTTP, and one real process from order to end."""

import asyncio
import contextlib
import http.server
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.agent.conftest import SITE, Control, order
from tests.wire.tars import tar_of

from bruk.agent.agent import Agent
from bruk.agent.local_hold import local_answer, raise_local_hold
from bruk.agent.means import Settings
from bruk.agent.sync import ControlAway, ControlRefused, HttpTransport
from bruk.engines.base import Engine
from bruk.engines.local.engine import LocalEngine
from bruk.engines.local.slots import LocalConfig
from bruk.engines.mock import Behaviour, MockEngine, MockWorld
from bruk.model.clock import ManualClock
from bruk.model.run import DeviceSet, Observed, StopReason
from bruk.wire.agent import Observation, SyncRequest

FAST = Settings(
    reserve_bytes=0, retry_ms=20, retry_ms_max=100, idle_wait_ms=2000, busy_wait_ms=2000, health_ms=50
)


class WallClock(ManualClock):
    """Real time with counted identifiers."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


class Server(http.server.ThreadingHTTPServer):
    """The scripted control behind the agent's real wire, with long polls."""

    daemon_threads = True
    control: Control
    broken = 0
    ranges = True


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._welcome():
            return
        url, control = urlsplit(self.path), self.server.control
        if url.path.endswith("/sync"):
            request = SyncRequest.model_validate_json(body)
            response = control.answer(request)
            until = time.monotonic() + request.wait_ms / 1000
            while control.version == request.known_version and time.monotonic() < until:
                time.sleep(0.02)
            response = control.answer(request) if control.version != response.version else response
            self._answer(200, response.model_dump_json().encode())
            return
        *_, run, stream = url.path.split("/")
        offset = int(parse_qs(url.query)["offset"][0])
        gap = offset > len(control.shipped.get((run, stream), b""))
        found = control.ship(run, stream, offset, body)
        self._answer(409 if gap else 200, json.dumps({"next_offset": found}).encode())

    def do_GET(self) -> None:
        if not self._welcome():
            return
        data = self.server.control.blobs.get(self.path.rsplit("/", 1)[1])
        wanted = self.headers.get("Range")
        if data is None:
            self._answer(404, b"{}")
        elif wanted and self.server.ranges:
            self._answer(206, data[int(wanted[6:-1]) :])
        else:
            self._answer(200, data)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._welcome():
            self.server.control.uploads[self.path.rsplit("/", 1)[1]] = body
            self._answer(201, b"")

    def _welcome(self) -> bool:
        if self.headers.get("Authorization") != "Bearer right":
            self._answer(401, b'{"detail": "unknown token"}')
            return False
        if self.server.broken:
            self.server.broken -= 1
            self._answer(503, b"{}")
            return False
        return True

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.control = Control()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


@contextlib.asynccontextmanager
async def running(
    home: Path, server: Server, engine: Engine, settings: Settings = FAST
) -> AsyncIterator[Agent]:
    agent = Agent(
        home / SITE, SITE, url(server), "right", engine, WallClock(), sys.executable, settings=settings
    )
    task = asyncio.create_task(agent.run())
    try:
        yield agent
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(server: Server, holds: Callable[[Observation], bool], run: str = "run_1") -> Observation:
    """Wait for an observation that control was told."""
    while True:
        for request in server.control.requests[-1:]:
            for seen in request.observations:
                if seen.run == run and holds(seen):
                    return seen
        await asyncio.sleep(0.02)


def test_the_transport_translates_what_control_says(server: Server, tmp_path: Path) -> None:
    async def talk() -> None:
        transport = HttpTransport(url(server), "right")
        text = server.control.put("x", b"0123456789")
        with transport.fetch(text.digest, 4) as fetched:
            assert (fetched.offset, b"".join(fetched.blocks())) == (4, b"456789")
        server.ranges = False
        with transport.fetch(text.digest, 4) as fetched:
            assert (fetched.offset, b"".join(fetched.blocks())) == (0, b"0123456789")
        with pytest.raises(ControlRefused, match="404"), transport.fetch("0" * 64, 0):
            pass
        (tmp_path / "out").write_bytes(b"result")
        transport.hand_over("d", tmp_path / "out")
        assert server.control.uploads["d"] == b"result"
        assert transport.ship("run_1", "logs", 0, b"abc") == 3
        assert transport.ship("run_1", "logs", 7, b"gap") == 3, "control's 409 says where to go on"
        server.broken = 1
        with pytest.raises(ControlAway, match="503"):
            transport.ship("run_1", "logs", 3, b"d")
        await transport.close()
        wrong = HttpTransport(url(server), "wrong")
        with pytest.raises(ControlRefused, match="token"):
            wrong.ship("run_1", "logs", 0, b"abc")
        await wrong.close()
        gone = HttpTransport("http://127.0.0.1:9", "right")
        with pytest.raises(ControlAway, match="cannot be reached"):
            gone.hand_over("d", tmp_path / "out")
        await gone.close()

    asyncio.run(talk())


def test_the_loop_drives_a_run_and_tells_its_end_without_waiting_for_the_poll(
    server: Server, tmp_path: Path
) -> None:
    world = MockWorld(behave=lambda launch: Behaviour(ends_after_ms=300, output=b"hello\n"))
    patient = Settings(reserve_bytes=0, idle_wait_ms=60_000, busy_wait_ms=60_000)

    async def live() -> Observation:
        async with running(tmp_path, server, MockEngine(WallClock(), world), patient):
            server.control.want(order())
            return await until(server, lambda seen: seen.observed is Observed.EXITED)

    seen = asyncio.run(asyncio.wait_for(live(), 30))
    assert seen.exit_code == 0
    assert server.control.shipped["run_1", "logs"] == b"hello\n"


def test_the_loop_survives_a_control_that_is_away_or_says_nonsense(server: Server, tmp_path: Path) -> None:
    server.broken = 3
    world = MockWorld()

    async def live() -> None:
        async with running(tmp_path, server, MockEngine(WallClock(), world)):
            server.control.want(order())
            await until(server, lambda seen: seen.observed is Observed.RUNNING)
            server.control.generation = 0
            await asyncio.sleep(0.3)
            server.control.generation = 1
            server.control.stop("run_1")
            await until(server, lambda seen: seen.observed is Observed.EXITED)

    asyncio.run(asyncio.wait_for(live(), 30))
    assert len(world.launched) == 1


def test_an_engine_that_is_away_at_the_start_is_asked_again(server: Server, tmp_path: Path) -> None:
    world = MockWorld(unreachable="the cluster is away")

    async def live() -> None:
        async with running(tmp_path, server, MockEngine(WallClock(), world)):
            server.control.want(order())
            await asyncio.sleep(0.2)
            assert server.control.requests == [], "nothing is said before it is known what runs"
            world.unreachable = ""
            await until(server, lambda seen: seen.observed is Observed.RUNNING)

    asyncio.run(asyncio.wait_for(live(), 30))


def test_a_home_has_one_agent(server: Server, tmp_path: Path) -> None:
    from bruk.journal import JournalLocked

    engine = MockEngine(WallClock())
    first = Agent(tmp_path, SITE, url(server), "right", engine, WallClock())
    with pytest.raises(JournalLocked):
        Agent(tmp_path, SITE, url(server), "right", engine, WallClock())
    first.close()


PROGRAM = """
import json, os, pathlib, signal, sys, time
env = os.environ
place = pathlib.Path(env["BRUK_CHECKPOINT_DIR"], "step")
step = int(place.read_text()) if place.exists() else 0
progress = open(env["BRUK_PROGRESS_FILE"], "a")
def say(**fields):
    progress.write(json.dumps(fields) + "\\n"); progress.flush()
say(phase="resume", resumed_from_step=step)
def end(*_):
    place.write_text(str(step)); print("checkpoint", step, flush=True); sys.exit(143)
signal.signal(signal.SIGTERM, end)
text = pathlib.Path(env["BRUK_DATA_DIR"], "corpus", "text").read_text()
last = 10**9 if step == 0 else step + 5
while step < last:
    step += 1
    say(step=step); time.sleep(0.02)
out = pathlib.Path(env["BRUK_OUTPUT_DIR"], "model"); out.mkdir()
(out / "weights").write_text(text + str(step))
"""


def test_a_real_process_trains_is_held_resumes_and_hands_over(server: Server, tmp_path: Path) -> None:
    control = server.control
    corpus = control.put("corpus", tar_of(("text", b"bruk")), "tree")
    program = [sys.executable, "-c", PROGRAM]
    engine_home = tmp_path / SITE / "engine"

    def engine() -> LocalEngine:
        return LocalEngine(engine_home, WallClock(), LocalConfig(slots=2, accelerators=False))

    node = engine().inventory().nodes[0].name
    fields = {
        "placement": [DeviceSet(node, (0,))],
        "inputs": [corpus],
        "outputs": ["model"],
        "command": program,
        "grace_s": 10,
        "time_limit_s": 120,
    }

    async def first_life() -> int:
        async with running(tmp_path, server, engine()):
            control.want(order("run_1", **fields))
            seen = await until(server, lambda seen: bool(seen.progress and seen.progress.get("step")))
            assert seen.observed is Observed.RUNNING
            return seen.processes

    assert asyncio.run(asyncio.wait_for(first_life(), 60)) >= 1

    async def second_life() -> None:
        # The process outlived the agent; the next one adopts it, and a hold ends it.
        async with running(tmp_path, server, engine()):
            control.hold()
            control.stop("run_1", stop_reason=StopReason.HELD)
            seen = await until(server, lambda seen: seen.observed is Observed.EXITED)
            assert (seen.exit_code, seen.processes) == (143, 0)
            while control.requests[-1].acknowledgement.generation < 2:
                await asyncio.sleep(0.02)
            assert control.requests[-1].acknowledgement.processes_left == 0
            control.release()
            control.settle("run_1")
            control.want(order("run_2", attempt=2, **fields))
            seen = await until(server, lambda seen: seen.observed is Observed.EXITED, "run_2")
            assert seen.exit_code == 0, control.shipped
            assert seen.resumed_from_step is not None
            assert seen.resumed_from_step > 0
            assert [report.name for report in seen.outputs] == ["model"]
            assert seen.outputs[0].digest in control.uploads

    asyncio.run(asyncio.wait_for(second_life(), 90))
    assert b"checkpoint" in control.shipped["run_1", "logs"]
    records = [control.meters[seq] for seq in sorted(control.meters) if control.meters[seq].run == "run_1"]
    assert all(after.from_ms == before.to_ms for before, after in itertools.pairwise(records))


def test_the_local_key_ends_a_real_process_while_control_is_away(server: Server, tmp_path: Path) -> None:
    engine = LocalEngine(tmp_path / SITE / "engine", WallClock(), LocalConfig(slots=2, accelerators=False))
    node = engine.inventory().nodes[0].name
    command = [sys.executable, "-c", "import time; time.sleep(600)"]

    async def live() -> None:
        async with running(tmp_path, server, engine):
            server.control.want(order(placement=[DeviceSet(node, (0,))], command=command, grace_s=5))
            seen = await until(server, lambda seen: seen.observed is Observed.RUNNING)
            server.broken = 10**9
            hold = raise_local_hold(tmp_path / SITE, "operator", "by hand", WallClock())
            while (answer := local_answer(tmp_path / SITE)) is None or answer.generation < hold.generation:
                await asyncio.sleep(0.02)
            assert (answer.processes_left, answer.stopped) == (0, 1)
            assert seen.processes >= 1
            status = engine.poll(list(engine.handles()))[0]
            assert (status.observed, status.processes) == (Observed.EXITED, 0)

    asyncio.run(asyncio.wait_for(live(), 60))
    assert os.path.exists(tmp_path / SITE / "local_hold.json")
