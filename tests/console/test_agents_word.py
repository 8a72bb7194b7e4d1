"""An agent or a gateway in wrong hands says anything: it is refused, or kept and shown as text, and control
goes on."""

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from bruk.control import agents, evidence, gateways
from bruk.control import step as steps
from bruk.model.errors import BrukError
from bruk.model.run import Observed
from bruk.model.switch import Acknowledgement, EnforcerKind, Hold, HoldScope
from bruk.model.tenant import Actor
from bruk.store import records
from bruk.wire.agent import MeterRecord, Observation, OutputReport, SyncRequest
from bruk.wire.gateway import GatewaySync, UsageRecord

MARKUP = "\"'><img src=x onerror=window.__hit=1><script>window.__hit=1</script>"
JUNK: list[Any] = [
    MARKUP,
    "x" * 100_000,
    "a\0b",
    "a\nb\x1b[31m",
    "\u202e\u2028\U000e0041",
    "..",
    "a/b",
    "",
    0,
    -1,
    2**53,
    2**62,
    2**70,
    10**400,
    True,
    None,
    [],
    {},
    {MARKUP: MARKUP},
    {f"k{number}": "v" * 1000 for number in range(1000)},
]


def said(cloud, run) -> dict[str, Any]:
    """One whole message about a run that is under way, as JSON has it."""
    now_ms = cloud.clock.now_ms()
    word = SyncRequest(
        site=run.site,
        agent_version="0.1",
        boot_id="boot",
        journal=f"journal-{run.site}",
        now_ms=now_ms,
        nodes=cloud.nodes[run.site],
        observations=[
            Observation(
                run=run.id,
                generation=run.generation,
                observed=Observed.RUNNING,
                detail="said",
                started_at_ms=now_ms,
                address="http://127.0.0.1:9001",
                software="python 3.11",
                progress={"phase": "train", "step": 240, "loss": 2.5},
                outputs=[OutputReport(name="model", kind="tree", digest="0" * 64, size_bytes=1)],
            )
        ],
        meters=[
            MeterRecord(
                seq=1000,
                run=run.id,
                generation=run.generation,
                from_ms=now_ms - 10,
                to_ms=now_ms,
                device_ms=10,
                it_energy_j=5,
                quality="measured",
                method="a meter",
            )
        ],
        acknowledgement=Acknowledgement(EnforcerKind.AGENT, run.site, 1, now_ms),
        local_hold=Hold("hold_1", HoldScope.LOCAL, run.site, 1, "a person", now_ms, "maintenance"),
    )
    found: dict[str, Any] = json.loads(word.model_dump_json())
    return found


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value of a message stands, containers also."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [at] if at else []
    for name, inner in items:
        found += places(inner, (*at, name))
    return found


def put(message: dict[str, Any], at: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The message with another value there."""
    changed = json.loads(json.dumps(message))
    inner = changed
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    return changed


def hear(cloud, shape: type, message: dict[str, Any]) -> bool:
    """Whether control took it; what is refused is refused by a documented error."""
    try:
        request = shape.model_validate_json(json.dumps(message))
    except (ValidationError, ValueError):
        return False
    try:
        if shape is SyncRequest:
            site = cloud.newest_run(cloud.jobs["finetune-support"]).site
            agents.receive(cloud.control, Actor("agent", site, site=site), request)
        else:
            gateways.receive(cloud.control, Actor("gateway", "gw-essonne", site="essonne"), request)
    except BrukError:
        return False
    return True


def used(cloud) -> dict[str, Any]:
    """One whole message of a gateway, as JSON has it."""
    now_ms, endpoint = cloud.clock.now_ms(), cloud.jobs["code"]
    record = UsageRecord(
        seq=10**6,
        request="req_x",
        at_ms=now_ms,
        from_ms=now_ms - 5,
        key="key",
        project="acme/lab",
        model="code-small",
        endpoint=endpoint.id,
        run=cloud.newest_run(endpoint).id,
        site="essonne",
        tokens_in=3,
        tokens_out=4,
        price_in_microeur=150_000,
        price_in_version=1,
        price_out_microeur=450_000,
        price_out_version=1,
    )
    word = GatewaySync(
        gateway="gw-essonne",
        journal="journal-gw",
        now_ms=now_ms,
        usage=[record],
        acknowledgement=Acknowledgement(EnforcerKind.GATEWAY, "gw-essonne", 1, now_ms),
    )
    found: dict[str, Any] = json.loads(word.model_dump_json())
    return found


def attack(cloud, shape: type, message: dict[str, Any], pages: list[str]) -> int:
    """Say it with every junk in every place; how often that was taken."""
    assert hear(cloud, shape, message)
    browser = cloud.client("operator")
    taken = 0
    for at in places(message):
        for junk in JUNK:
            case = f"{'.'.join(map(str, at))} = {str(junk)[:40]!r}"
            # A number that was heard already would not be looked at.
            fresh = put(message, ("usage", 0, "seq"), 10**6 + taken + 1) if "usage" in message else message
            if not hear(cloud, shape, put(fresh, at, junk)):
                continue
            taken += 1
            try:
                steps.step(cloud.control)
            except Exception as error:
                raise AssertionError(f"control stops on {case}: {error!r}") from error
            for path in pages:
                answer = browser.get(path)
                assert answer.status_code == 200, f"{path} after {case}: {answer.status_code}"
                assert len(answer.text) < 300_000, f"{path} has {len(answer.text)} characters after {case}"
                assert "<img src=x" not in answer.text, f"{path} shows markup after {case}"
                assert not re.search(r"[\x00\x1b\u202e]", answer.text), f"{path} after {case}"
        assert hear(cloud, shape, message), f"a sound message is refused after {at}"
    return taken


@pytest.mark.slow
def test_whatever_an_agent_says_control_goes_on_and_every_page_answers(cloud):
    job = cloud.jobs["finetune-support"]
    pages = ["/sites/borlange", f"/workloads/{job.id}", "/switch"]
    assert attack(cloud, SyncRequest, said(cloud, cloud.newest_run(job)), pages) > 100


@pytest.mark.slow
def test_whatever_a_gateway_says_control_goes_on_and_every_page_answers(cloud):
    pages = ["/ledger", f"/workloads/{cloud.jobs['code'].id}", "/switch"]
    assert attack(cloud, GatewaySync, used(cloud), pages) > 60
    with cloud.control.read() as connection:
        booked = [entry.amount_microeur for entry in records.ledger_entries(connection, limit=10_000)]
    assert max(booked) < 10**12, "one call costs no million euros, whatever a gateway says"
    assert evidence.verify(cloud.control, cloud.operator, "ledger", []).ok
