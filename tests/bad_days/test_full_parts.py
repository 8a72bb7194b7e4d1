"""One part's disk is full while the others have room: artifacts, a site's folder, a gateway's journal.

Each time: a clear error to whoever asked, nothing lost that was acknowledged, and on without a restart.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.assembly.test_up import Machine, _site, until
from tests.gateway.conftest import World as GatewayWorld
from tests.gateway.conftest import ask, wait_until

from bruk.agent.disk import write_durably
from bruk.agent.local_hold import keep_reserve, raise_local_hold, release_local_hold, standing_local_hold
from bruk.assembly.clock import SystemClock
from bruk.model.ledger import Resource
from bruk.model.run import Observed
from bruk.model.workload import Outcome
from bruk.sdk.errors import SdkError
from bruk.wire.access import InspectionBody
from bruk.wire.requests import JobBody

from .conftest import fill, mounted

pytestmark = [pytest.mark.slow, pytest.mark.root]


@pytest.fixture
def artifacts(machine: Machine) -> Iterator[Path]:
    """A file system of 12 MiB under control's artifacts."""
    machine.home.mkdir(mode=0o700)
    yield from mounted(machine.home / "artifacts", "12m")


def test_uploads_are_refused_whole_and_go_on(machine: Machine, artifacts: Path, tmp_path: Path) -> None:
    client = machine.up()
    _site(client)
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(os.urandom(2 << 20))
    large.write_bytes(os.urandom(16 << 20))
    kept = client.artifacts.put(small, "acme/lab", "kept")
    for _ in range(2):
        with pytest.raises(SdkError) as refused:
            client.artifacts.put(large, "acme/lab", "large")
        assert refused.value.code == "disk_full"
        assert "nothing was kept" in str(refused.value)
        assert list((artifacts / "incoming").iterdir()) == [], "what came of it is gone"
    ballast = fill(artifacts)
    with pytest.raises(SdkError) as refused:
        client.artifacts.put(large, "acme/lab", "large")
    assert refused.value.code == "disk_full"
    assert [item.id for item in client.artifacts.list()] == [kept.id]
    # The rest of control has its room: changes are made meanwhile.
    client.access_requests.ask(InspectionBody(project="acme/lab", reason="a test"))
    client.artifacts.fetch(kept, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == small.read_bytes()
    ballast.unlink()
    small.write_bytes(os.urandom(2 << 20))
    more = client.artifacts.put(small, "acme/lab", "more")
    assert {item.id for item in client.artifacts.list()} == {kept.id, more.id}
    machine.down()


# Writes a checkpoint as the documentation asks, until it can, and an output that is what it should be.
JOB = """
import os, pathlib, time
here = pathlib.Path(os.environ['BRUK_CHECKPOINT_DIR'])
(here / 'ready').touch()
while not (here / 'go').exists():
    time.sleep(0.1)
while not (here / 'step-1').exists():
    try:
        (here / 'step-1.new').write_bytes(b'c' * (1 << 20))
        (here / 'step-1.new').replace(here / 'step-1')
    except OSError as error:
        print('full:', error.strerror, flush=True)
        time.sleep(0.5)
out = pathlib.Path(os.environ['BRUK_OUTPUT_DIR']) / 'result'
while True:
    try:
        out.write_bytes(b'r' * (1 << 20))
        break
    except OSError:
        time.sleep(0.5)
print('done', flush=True)
"""


@pytest.fixture
def site_folder(machine: Machine) -> Iterator[Path]:
    """A file system of 400 MiB under all that the site's agent keeps: journal, runs, checkpoints, outputs."""
    (machine.home / "sites").mkdir(mode=0o700, parents=True)
    machine.home.chmod(0o700)
    yield from mounted(machine.home / "sites" / "here", "400m")


def test_a_sites_disk_fills_under_checkpoints_and_outputs(
    machine: Machine, site_folder: Path, tmp_path: Path
) -> None:
    client = machine.up()
    _site(client)
    body: dict[str, Any] = {
        "project": "acme/lab",
        "name": "writes",
        "spec": {
            "command": ["python", "-c", JOB],
            "time_limit_s": 600,
            "outputs": ["result"],
        },
    }
    job = client.workloads.submit(JobBody.model_validate(body)).id
    until("running", lambda: [r for r in client.workloads.get(job).runs if r.observed is Observed.RUNNING])
    until("it is billed", lambda: list(client.ledger.list()))
    (ready,) = until("it is ready", lambda: list(site_folder.rglob("ready")))
    ballast = fill(site_folder)
    ready.with_name("go").touch()  # An empty file takes no room.
    client.access_requests.ask(InspectionBody(project="acme/lab", reason="a test"))

    # The disk that is full holds the job's log too: what it could not say is not waited for.
    until("its time to write has come", ready.with_name("step-1.new").exists)
    assert client.status().sites[0].connected, "the agent speaks on"
    assert len(machine.runs()) == 1, "the job goes on"
    # What comes new is not begun there, and says why.
    body["spec"]["command"] = ["true"]
    body["spec"]["outputs"] = []
    later = client.workloads.submit(JobBody.model_validate(body)).id
    until("why", lambda: any("disk is full" in run.detail for run in client.workloads.get(later).runs))
    assert client.workloads.get(job).workload.outcome is Outcome.OPEN
    ballast.unlink()
    view = until(
        "the job's end",
        lambda: (seen := client.workloads.get(job)).workload.outcome is not Outcome.OPEN and seen,
        90,
    )
    assert view.workload.outcome is Outcome.SUCCEEDED
    (run,) = view.runs
    booked = [
        entry
        for entry in client.ledger.list()
        if entry.resource is Resource.DEVICE_TIME and entry.run == run.id
    ]
    assert sum(entry.quantity for entry in booked) == run.ended_at_ms - run.started_at_ms
    until("what waited", lambda: client.workloads.get(later).workload.outcome is Outcome.SUCCEEDED, 60)
    (made,) = [item for item in client.artifacts.list() if item.name != "kept"]
    client.artifacts.fetch(made, tmp_path / "result")
    assert (tmp_path / "result").read_bytes() == b"r" * (1 << 20), "whole, and what the job wrote last"
    machine.down()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[tuple[GatewayWorld, Path]]:
    """A gateway whose home, and so its journal, lies on a file system of 2 MiB."""
    for folder in mounted(tmp_path / "gateway", "2m"):
        made = GatewayWorld(folder / "gw")
        try:
            yield made.start(), folder
        finally:
            made.close()


def test_a_gateways_journal_fills_while_calls_are_answered(gateway: tuple[GatewayWorld, Path]) -> None:
    world, folder = gateway
    client = world.client()
    answered = [ask(client) for _ in range(5)]
    ballast = fill(folder)
    refusals = []
    while len(refusals) < 5:  # The journal may have room for a record or two in its last block.
        try:
            answered.append(ask(client))
        except openai.APIStatusError as error:
            refusals.append(error)
        assert len(answered) < 200
    assert {(error.status_code, error.code) for error in refusals} == {(503, "journal_unavailable")}
    ballast.unlink()
    wait_until(lambda: _answered(client, answered), "it serves again")
    answered += [ask(client) for _ in range(5)]
    records = world.settled(len(answered))
    assert len(records) == len(answered), "every answer once, and nothing of what was refused"
    assert sum(record.tokens_out for record in records) == sum(
        answer.usage.completion_tokens for answer in answered
    )


def test_a_stream_that_cannot_be_recorded_says_so_and_the_next_is_whole(
    gateway: tuple[GatewayWorld, Path],
) -> None:
    world, folder = gateway
    client = world.client()
    assert _streamed(client)
    ballast = fill(folder)
    refused = None
    while refused is None:
        try:
            _streamed(client)
        except openai.APIError as error:
            refused = error
    assert refused.code == "journal_unavailable"
    ballast.unlink()
    wait_until(lambda: _answered(client, []), "it serves again")
    assert _streamed(client)


def _answered(client: openai.OpenAI, answered: list[Any]) -> bool:
    try:
        answered.append(ask(client))
    except openai.APIStatusError:
        return False
    return True


def _streamed(client: openai.OpenAI) -> str:
    pieces = ask(client, stream=True)
    return "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB of its own."""
    yield from mounted(tmp_path / "small", "2m")


def test_a_site_is_switched_off_by_hand_though_its_disk_is_full(small_disk: Path) -> None:
    home = small_disk / "essonne"
    home.mkdir()
    keep_reserve(home)
    fill(small_disk)
    with pytest.raises(OSError, match="No space"):
        write_durably(small_disk / "anything", b"x" * 4096)
    hold = raise_local_hold(home, "operator", "fire", SystemClock())
    assert standing_local_hold(home) == hold
    release_local_hold(home, "operator", "", SystemClock())
    assert standing_local_hold(home) is None
