"""A replica's port, key and health."""

import http.server
import threading
from collections.abc import Iterator

import pytest
from tests.agent.conftest import SiteUnderTest, order

from bruk.agent.replica import FAILURES_MAX, free_port, http_health
from bruk.engines.mock import Behaviour
from bruk.model.run import DeviceSet, Observed, RunWanted


class Server(http.server.ThreadingHTTPServer):
    status = 200
    keys: list[str | None]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.keys.append(self.headers.get("Authorization"))
        self.send_response(self.server.status if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.keys = []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_health_is_asked_without_a_key(server: Server) -> None:
    address = f"http://127.0.0.1:{server.server_port}"
    assert http_health(address)
    server.status = 503
    assert not http_health(address)
    assert server.keys == [None, None]
    assert not http_health(f"http://127.0.0.1:{free_port(())}")


def replica(run: str = "run_1", **changes: object) -> object:
    return order(run, replica=True, replica_key="rk_secret", command=["serve"], **changes)


def test_a_replica_gets_a_port_and_is_ready_once_it_answers(site: SiteUnderTest, server: Server) -> None:
    site.healthy = lambda address: http_health(f"http://127.0.0.1:{server.server_port}")
    server.status = 503
    site.control.want(replica())
    site.exchange()
    env = site.world.launched[0].env
    assert env["BRUK_REPLICA_KEY"] == "rk_secret"
    site.drive(1000)
    assert not site.seen().ready
    server.status = 200
    assert site.drive(1000), "becoming ready is news"
    seen = site.seen()
    assert (seen.ready, seen.address) == (True, f"http://127.0.0.1:{env['BRUK_PORT']}")


def test_readiness_has_hysteresis(site: SiteUnderTest) -> None:
    well = True
    site.healthy = lambda address: well
    site.control.want(replica())
    site.exchange()
    site.drive(1000)
    assert site.seen().ready
    well = False
    for _ in range(FAILURES_MAX - 1):
        site.drive(1000)
    assert site.seen().ready, "one lost answer does not take it out"
    site.drive(1000)
    assert not site.seen().ready
    well = True
    site.drive(1000)
    assert site.seen().ready


def test_a_replica_that_never_gets_ready_is_stopped_and_says_why(site: SiteUnderTest) -> None:
    site.healthy = lambda address: False
    site.control.want(replica())
    site.exchange()
    for _ in range(119):
        site.exchange(advance_ms=1000)
    assert site.seen().observed is Observed.RUNNING
    for _ in range(4):
        site.exchange(advance_ms=1000)
    seen = site.seen()
    assert seen.observed is Observed.EXITED
    assert "not healthy on /health for 120 s" in seen.detail
    assert not seen.interrupted, "this is the replica's own failure"


def test_a_replica_that_dies_has_ended(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: Behaviour(ends_after_ms=5000, exit_code=9)
    site.control.want(replica())
    site.exchange()
    site.drive(1000)
    assert site.seen().ready
    site.drive(5000)
    seen = site.seen()
    assert (seen.observed, seen.exit_code, seen.ready, seen.address) == (Observed.EXITED, 9, False, "")


def test_a_restart_of_the_agent_does_not_unroute_a_replica(site: SiteUnderTest) -> None:
    site.control.want(replica())
    site.exchange()
    site.drive(1000)
    address = site.seen().address
    site.restart()
    site.healthy = lambda address: False
    site.drive(100)
    assert (site.seen().ready, site.seen().address) == (True, address)


def test_a_stopping_replica_is_not_ready(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: Behaviour(stop_takes_ms=5000)
    site.control.want(replica())
    site.exchange()
    site.drive(1000)
    site.control.want(replica(generation=2, wanted=RunWanted.STOP))
    site.exchange()
    site.drive(1000)
    assert (site.seen().observed, site.seen().ready) == (Observed.STOPPING, False)


def test_ports_are_promised_once(site: SiteUnderTest) -> None:
    site.control.want(replica(run="run_1"))
    site.control.want(replica(run="run_2", placement=[DeviceSet("node-1", (1,))]))
    site.exchange()
    ports = [launch.env[name] for launch in site.world.launched for name in ("BRUK_PORT", "MASTER_PORT")]
    assert len(set(ports)) == 4
