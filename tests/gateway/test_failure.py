"""Bad days: engines that fail, clients that go, disks that refuse, a process that is killed."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from bruk.gateway import Limits
from bruk.gateway.account import Accounts
from bruk.journal import Journal, JournalFull
from bruk.wire.gateway import UsageRecord

from .conftest import HTTP, World, ask, client_of, wait_until
from .upstream import KEY

HEADERS = {"authorization": "Bearer acme"}


def stream_of(world: World, **more: Any) -> bytes:
    body = {"model": "little", "messages": [], "stream": True, "max_tokens": 5, **more}
    with HTTP.stream(
        "POST", f"{world.url}/v1/chat/completions", headers=HEADERS, json=body, timeout=30
    ) as answer:
        assert answer.status_code == 200, answer.read()
        return answer.read()


def last_error(data: bytes) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(data.strip().rsplit(b"data: ", 1)[1])["error"]
    return error


@pytest.mark.parametrize("fault", ["dies_before", "500", "503", "garbage"])
@pytest.mark.parametrize("stream", [False, True])
def test_before_the_first_byte_another_replica_answers(world: World, fault: str, stream: bool) -> None:
    world.upstreams[1].fault = fault  # the one that is tried first
    answer = ask(world.client(), stream=stream)
    models = {chunk.model for chunk in answer} if stream else {answer.model}
    assert models == {"little"}
    (record,) = world.settled(1)
    assert (record.site, record.status) == ("essonne", "complete")
    # The one that failed is not tried again for a while.
    ask(world.client())
    assert [len(upstream.headers) for upstream in world.upstreams] == [2, 1]


@pytest.mark.parametrize("fault", ["dies_before", "500", "garbage", "error_first", "html"])
def test_when_every_replica_fails_the_client_learns_it_and_pays_nothing(world: World, fault: str) -> None:
    world.fault(fault)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(world.client(), stream=fault in ("error_first", "html"))
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_failed")
    assert all(secret not in str(caught.value) for secret in ("127.0.0.1", KEY, "/srv", "run-"))
    assert world.gateway is not None
    assert world.gateway.accounts.budget("acme/lab").reserved_microeur == 0
    assert not world.control.ledger


def test_busy_replicas(world: World) -> None:
    world.fault("503")
    with pytest.raises(openai.RateLimitError):
        ask(world.client())


def test_a_replica_that_is_not_there(world: World) -> None:
    world.upstreams[0].stop()
    assert ask(world.client()).model == "little"
    world.upstreams[1].stop()
    with pytest.raises(openai.InternalServerError):
        ask(world.client())


def test_no_fallback_outside_the_tenants_law(world: World) -> None:
    world.upstreams[1].fault = "500"
    with pytest.raises(openai.InternalServerError):
        ask(world.client("swede"))
    assert not world.upstreams[0].seen


@pytest.mark.parametrize("fault", ["dies", "silent_end", "error_event", "garbage_event"])
def test_an_engine_that_ends_in_mid_stream(world: World, fault: str) -> None:
    world.fault(fault)
    data = stream_of(world)
    assert data.count(b'"content":"') == 3  # the role, and two pieces
    assert last_error(data)["code"] == "upstream_failed"
    assert b"/srv" not in data
    (record,) = world.settled(1)
    assert (record.status, record.tokens_out, record.estimated) == ("upstream_failed", 2, True)
    assert record.tokens_in > 0
    with pytest.raises(openai.APIError, match="broke off"):
        list(ask(world.client(), stream=True))


def test_an_engine_that_never_reports_usage_is_estimated(world: World) -> None:
    world.fault("no_usage")
    assert stream_of(world).endswith(b"data: [DONE]\n\n")
    ask(world.client())
    streamed, whole = world.settled(2)
    assert (streamed.status, streamed.tokens_out, streamed.estimated) == ("complete", 5, True)
    assert whole.estimated
    assert 0 < whole.tokens_out <= 4


def test_a_stream_ends_where_the_budget_ends(world: World) -> None:
    project = next(project for project in world.control.projects if project["id"] == "acme/lab")
    project["slice_microeur"] = 110
    world.control.change()
    gateway = world.gateway
    assert gateway is not None
    wait_until(lambda: gateway.accounts.budget("acme/lab").slice_microeur, "the slice is known")
    world.fault("too_many")
    data = stream_of(world, max_tokens=2)
    assert last_error(data)["code"] == "budget_ended"
    (record,) = world.settled(1)
    assert record.status == "budget_ended"
    budget = gateway.accounts.budget("acme/lab")
    assert 0 < budget.spent_microeur <= project["slice_microeur"]
    assert budget.reserved_microeur == 0


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes(world: World, stream: bool) -> None:
    world.fault("", pause_s=0.05 if stream else 20)
    port = int(world.url.rsplit(":", 1)[1])
    body = json.dumps({"model": "little", "messages": [], "stream": stream, "max_tokens": 200}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer acme\r\n"
            b"content-length: %d\r\n\r\n" % len(body) + body
        )
        if stream:
            received = b""
            while received.count(b'"content":"') < 4:
                received += connection.recv(65536)
        else:
            wait_until(lambda: any(upstream.seen for upstream in world.upstreams), "the engine works")
    wait_until(lambda: sum(upstream.cancelled for upstream in world.upstreams), "the engine is told to stop")
    (record,) = world.settled(1)
    assert (record.status, record.estimated) == ("client_gone", True)
    sent = sum(upstream.sent_pieces for upstream in world.upstreams)
    assert record.tokens_out <= sent < 200
    assert record.tokens_out >= (3 if stream else 0)
    assert world.gateway is not None
    assert world.gateway.accounts.budget("acme/lab").reserved_microeur == 0
    assert len(world.gateway.traffic) == 0


def test_a_disk_that_refuses(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(self: Journal, seq: int) -> None:
        raise JournalFull("no space")

    monkeypatch.setattr(Journal, "commit", refuse)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(world.client())
    assert (caught.value.status_code, caught.value.code) == (503, "journal_unavailable")
    assert world.gateway is not None
    monkeypatch.undo()
    wait_until(lambda: _answers(world), "it serves again")


def test_a_stream_whose_usage_the_disk_refused_is_journalled_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, failures = Journal.commit, []

    async def refuse_twice(self: Journal, seq: int) -> None:
        if len(failures) < 2:
            failures.append(seq)
            raise JournalFull("no space")
        await commit(self, seq)

    monkeypatch.setattr(Journal, "commit", refuse_twice)
    assert stream_of(world).endswith(b"data: [DONE]\n\n")
    (record,) = world.settled(1)
    assert record.tokens_out == 5
    assert record.seq not in failures


def _answers(world: World) -> bool:
    try:
        return bool(ask(world.client()))
    except openai.APIStatusError:
        return False


def test_control_away_and_back_loses_and_doubles_nothing(world: World) -> None:
    world.control.down = True
    for _ in range(3):
        ask(world.client())
    time.sleep(0.5)
    assert not world.control.ledger
    world.control.down = False
    assert [record.tokens_out for record in world.settled(3)] == [4, 4, 4]


def test_usage_handed_over_again_changes_nothing(world: World) -> None:
    world.control.settle = False
    for _ in range(3):
        ask(world.client())
    wait_until(lambda: world.control.received >= 6, "the records came twice")
    assert len(world.control.ledger) == 3
    assert world.gateway is not None
    spent = world.gateway.accounts.budget("acme/lab").spent_microeur
    world.control.settle = True
    world.control.change()
    wait_until(lambda: not world.gateway.book.waiting, "they are settled")  # type: ignore[union-attr]
    assert world.gateway.accounts.budget("acme/lab").spent_microeur == spent
    assert world.gateway.accounts.budget("acme/lab").unsettled_microeur == 0


def test_an_ending_process_lets_streams_finish(world: World) -> None:
    world.fault("", pause_s=0.1)
    stream = ask(world.client(), stream=True)
    next(iter(stream))
    gateway = world.gateway
    assert gateway is not None
    gateway.stop()
    pieces = [chunk.choices[0].delta.content for chunk in stream]
    assert len([piece for piece in pieces if piece]) == 4
    world.stop_gateway()
    (record,) = world.settled(1)
    assert (record.status, record.tokens_out) == ("complete", 4)


def test_an_ending_process_cuts_what_takes_too_long(idle_world: World) -> None:
    idle_world.limits = Limits(drain_s=0.3)
    idle_world.start()
    idle_world.fault("", pause_s=0.1)
    with HTTP.stream(
        "POST",
        f"{idle_world.url}/v1/chat/completions",
        headers=HEADERS,
        json={"model": "little", "messages": [], "stream": True, "max_tokens": 200},
        timeout=30,
    ) as answer:
        parts = answer.iter_raw()
        data = next(parts)
        idle_world.gateway.stop()  # type: ignore[union-attr]
        for part in parts:
            data += part
    assert last_error(data)["code"] == "shutting_down"
    idle_world.stop_gateway()
    (record,) = idle_world.settled(1)
    assert record.status == "gateway_ended"
    assert record.tokens_out == data.count(b'"content":"') - 1


PROCESS = """
import asyncio, json, sys
from pathlib import Path
from bruk.gateway import Gateway
from bruk.seal import Keyring
sys.path.insert(0, sys.argv[1])
from tests.gateway.conftest import SystemClock
options = json.loads(sys.argv[2])
gateway = Gateway(
    Path(options["home"]), "gw1", "essonne", options["control"], options["token"],
    Keyring.from_document([options["key"]]), SystemClock(),
)
async def main():
    running = asyncio.create_task(gateway.run("127.0.0.1:0"))
    while gateway.address is None and not running.done():
        await asyncio.sleep(0.01)
    print(gateway.address[1] if gateway.address else "", flush=True)
    await running
asyncio.run(main())
"""


def start_process(world: World) -> tuple[subprocess.Popen[str], str]:
    options = {
        "home": str(world.home),
        "control": world.control.url,
        "token": "gateway-token",
        "key": world.control.signing.public_key.text,
    }
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, root, json.dumps(options)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
    wait_until(lambda: HTTP.get(f"{url}/health").status_code == 200, "the process has a lease")
    return process, url


def journalled(home: Path) -> list[UsageRecord]:
    with Journal.open(home / "journal", new_id="unused") as journal:
        entries = list(journal.read_from(journal.acknowledged_seq + 1))
    return [UsageRecord.model_validate(json.loads(entry.payload) | {"seq": entry.seq}) for entry in entries]


def test_killed_after_an_answer_its_usage_is_there_exactly_once(idle_world: World) -> None:
    idle_world.control.settle = False
    process, url = start_process(idle_world)
    try:
        client = client_of(url, "acme")
        answered = ask(client).usage.completion_tokens
        streamed = len([chunk for chunk in ask(client, stream=True) if chunk.choices[0].delta.content])
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert (answered, streamed) == (4, 4)
    assert [record.tokens_out for record in journalled(idle_world.home)] == [4, 4]
    idle_world.control.settle = True
    idle_world.start()
    assert [record.tokens_out for record in idle_world.settled(2)] == [4, 4]
    idle_world.stop_gateway()
    assert not journalled(idle_world.home)


def test_killed_under_load_each_answer_got_is_billed_once(idle_world: World) -> None:
    got: list[str] = []
    process, url = start_process(idle_world)

    async def load() -> None:
        async with httpx.AsyncClient(timeout=10) as client:

            async def one() -> None:
                while True:
                    try:
                        answer = await client.post(
                            f"{url}/v1/chat/completions",
                            headers=HEADERS,
                            json={"model": "little", "messages": [], "max_tokens": 2, "stream": True},
                        )
                    except httpx.HTTPError:
                        return
                    if answer.content.endswith(b"data: [DONE]\n\n"):
                        got.append(answer.headers["x-request-id"])
                    if len(got) >= 40 and process.poll() is None:
                        process.send_signal(signal.SIGKILL)

            await asyncio.gather(*(one() for _ in range(4)))

    try:
        asyncio.run(load())
    finally:
        process.kill()
        process.wait(10)
    idle_world.start()
    wait_until(lambda: not idle_world.gateway.book.waiting, "everything is handed over")  # type: ignore[union-attr]
    billed = [record.request for record in idle_world.control.records()]
    assert len(billed) == len(set(billed))
    assert set(got) <= set(billed)


def test_sigterm_ends_a_process_well(idle_world: World) -> None:
    process, url = start_process(idle_world)
    client = client_of(url, "acme")
    ask(client)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert len(idle_world.control.ledger) == 1
    assert not journalled(idle_world.home)


@pytest.mark.parametrize("fault", ["", "dies", "500", "400", "garbage"])
def test_no_prompt_and_no_key_is_ever_logged(
    world: World, fault: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("DEBUG")
    prompt = "the-prompt"
    world.fault(fault)
    for stream in (False, True):
        body = {"model": "little", "messages": [{"content": prompt}], "stream": stream, "max_tokens": 5}
        HTTP.post(f"{world.url}/v1/chat/completions", headers=HEADERS, json=body)

    def defect(self: Accounts, project: str, request: str, bound_microeur: int) -> None:
        raise KeyError(prompt)

    # A defect of our own, whose message quotes the prompt.
    monkeypatch.setattr(Accounts, "reserve", defect)
    answer = HTTP.post(
        f"{world.url}/v1/chat/completions",
        headers=HEADERS,
        json={"model": "little", "messages": [prompt]},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "KeyError" in caplog.text
    assert prompt not in caplog.text + answer.text
    assert KEY not in caplog.text
    assert "Bearer acme" not in caplog.text


def test_a_control_that_was_restored_from_a_backup_gets_again_what_it_lacks(world: World) -> None:
    for _ in range(3):
        ask(world.client())
    whole = world.settled(3)
    assert world.gateway is not None
    book = world.gateway.book
    wait_until(lambda: book.after == 3, "control has all of it")
    for key in [key for key in world.control.ledger if key[1] > 1]:
        del world.control.ledger[key]
    world.control.change()
    wait_until(lambda: len(world.control.ledger) == 3, "the rest is handed over again")
    assert world.control.records() == whole
    ask(world.client())
    assert len(world.settled(4)) == 4


def test_a_control_that_does_not_keep_up_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bruk.gateway.book.BACKLOG_MAX", 2)
    world.control.settle = False
    for _ in range(3):
        ask(world.client())
    with pytest.raises(openai.RateLimitError) as caught:
        ask(world.client())
    assert caught.value.code == "too_many_requests"
    assert caught.value.response.headers["retry-after"] == "5"
    world.control.settle = True
    world.control.change()
    assert world.gateway is not None
    book = world.gateway.book
    wait_until(lambda: book.backlog == 0, "control has everything")
    assert ask(world.client()).model == "little"
