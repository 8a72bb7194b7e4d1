"""Declared destinations the whole way on a real `bruk up`: what the operator allows is reached and seen by
the tenant, and neither a name nor an address leads to the platform's own doors."""

import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bruk.engines.local import isolation
from bruk.model.reason import ReasonCode
from bruk.model.workload import Outcome
from bruk.sdk import Client
from bruk.wire.access import InspectionBody
from bruk.wire.answers import WorkloadView
from bruk.wire.requests import JobBody, PriceBody, ProjectBody, SiteBody, TenantBody

from ..assembly.test_up import Machine, until  # noqa: TID252 (tests are no installed package)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not isolation.settled("auto"), reason="sandboxes do not work on this machine"),
]

HERE = "127.0.0.2"
ASK = """
import socket, sys
for target in sys.argv[1:]:
    caller = socket.create_connection(("127.0.0.1", 3128), 30)
    caller.sendall(f"CONNECT {target} HTTP/1.1\\r\\n\\r\\n".encode())
    heard = b""
    while data := caller.recv(4096): heard += data
    print(heard.decode().split()[1], heard.decode().splitlines()[-1], flush=True)
"""


@dataclass
class Stage:
    machine: Machine
    client: Client
    service: int

    def submit(self, name: str, network: list[str], *targets: str) -> str:
        """A job that asks its proxy for these targets."""
        spec = {"command": [sys.executable, "-c", ASK, *targets], "network": network, "time_limit_s": 100}
        body = {"project": "acme/lab", "name": name, "spec": {**spec, "retry_limit": 0}}
        return self.client.workloads.submit(JobBody.model_validate(body)).id

    def job(self, name: str, network: list[str], *targets: str) -> tuple[WorkloadView, str]:
        """How such a job ended, and its output."""
        job = self.submit(name, network, *targets)
        return self.ended(job), b"".join(self.client.workloads.logs(job)).decode()

    def ended(self, job: str) -> WorkloadView:
        view = until(
            "its end",
            lambda: (seen := self.client.workloads.get(job)).workload.outcome is not Outcome.OPEN and seen,
            timeout_s=100,
        )
        assert isinstance(view, WorkloadView)
        return view


def _serve(listener: socket.socket) -> None:
    while True:
        try:
            caller, _ = listener.accept()
        except OSError:
            return
        with caller:
            caller.sendall(b"the service answers\n")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with socket.create_server((HERE, 0)) as listener, pytest.MonkeyPatch.context() as patch:
        port = listener.getsockname()[1]
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        patch.setenv("BRUK_ISOLATION", "sandbox")
        # The operator allows a name at every port; that opens no address it leads to.
        patch.setenv("BRUK_EGRESS", f"{HERE}:{port} localhost:* *.internal.example:443")
        machine = Machine(tmp_path_factory.mktemp("network") / "home")
        client = machine.up()
        client.sites.add(SiteBody(name="here", country="FR", grid_zone="FR"))
        client.tenants.add(TenantBody(name="acme"))
        client.projects.add(ProjectBody(tenant="acme", name="lab"))
        client.prices.set(PriceBody(resource="device_time", price_microeur=60_000))
        client.access_requests.ask(InspectionBody(project="acme/lab", reason="a test"))
        until("the agent", lambda: all(item.connected and item.devices for item in client.status().sites))
        yield Stage(machine, client, port)
        machine.down()


def test_a_job_reaches_what_it_declares_and_its_tenant_sees_it(stage: Stage) -> None:
    service = f"{HERE}:{stage.service}"
    view, said = stage.job("reach", [service], service, f"{HERE}:{stage.service + 1}")
    assert view.workload.outcome is Outcome.SUCCEEDED, said
    assert "200 the service answers" in said
    assert "403 " in said
    assert f"[bruk] network: connected to {service} at {HERE}" in said
    assert f"[bruk] network: refused: {HERE}:{stage.service + 1} is not among" in said


def test_no_declared_name_leads_to_the_platforms_doors(stage: Stage) -> None:
    addresses = json.loads((stage.machine.home / "cli.json").read_text())
    doors = [int(addresses[name].rsplit(":", 1)[1]) for name in ("url", "gateway_url")]
    view, said = stage.job("inward", ["localhost:*"], *(f"localhost:{port}" for port in doors))
    assert view.workload.outcome is Outcome.SUCCEEDED, said
    # Python writes a line in pieces there, between which the proxy's own lines may stand.
    assert len(re.findall(r"(?m)^403\b", said)) == 2, said
    assert all(f"localhost:{port} leads where no run may connect" in said for port in doors), said
    assert "the address 127.0.0.1 is the loopback" in said


def test_what_the_operator_does_not_allow_waits_with_the_reason(stage: Stage) -> None:
    job = stage.submit("outward", ["*.example.org:443"], "www.example.org:443")
    until("a reason", lambda: stage.client.workloads.get(job).waiting_for)
    view = stage.client.workloads.get(job)
    assert view.waiting_for is not None
    assert view.waiting_for.code is ReasonCode.NETWORK
    assert "lets no job reach *.example.org:443" in view.waiting_for.summary
    assert view.runs == ()
    stage.client.workloads.cancel(job)


def test_the_operator_reads_every_connection_at_the_site(stage: Stage) -> None:
    service = f"{HERE}:{stage.service}"
    view, _ = stage.job("seen", [service], service)
    folder = stage.machine.home / "sites" / "here" / "runs" / view.runs[-1].id / "engine" / "1"
    lines = [json.loads(line) for line in Path(folder, "network.log").read_text().splitlines()]
    assert [(line["what"], line["to"]) for line in lines] == [("opened", service), ("ended", service)]
    started = view.runs[-1].started_at_ms
    assert started is not None
    assert abs(lines[0]["at_ms"] - started) < 60_000


def test_a_connection_goes_on_while_bruk_is_down(stage: Stage) -> None:
    """The proxy is the run's supervisor, which outlives Bruk."""
    with socket.create_server((HERE, 0)) as listener:
        listener.settimeout(100)
        service = f"{HERE}:{listener.getsockname()[1]}"
        stage.machine.down()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BRUK_EGRESS", service)
            stage.client = stage.machine.up()
        job = stage.submit("hold", [service], service)
        caller, _ = listener.accept()
        with caller:
            stage.machine.down()
            caller.sendall(b"said while bruk was down\n")
        stage.client = stage.machine.up()
        view = stage.ended(job)
    assert view.workload.outcome is Outcome.SUCCEEDED
    assert len(view.runs) == 1
    assert "200 said while bruk was down" in b"".join(stage.client.workloads.logs(job)).decode()
