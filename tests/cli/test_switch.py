"""Off and on: waiting for everyone's answer, and by hand at a site with no control at all."""

import json

import httpx

from bruk.agent.local_hold import standing_local_hold

HOLD = {
    "id": "hold_1",
    "scope": "site",
    "target": "essonne",
    "generation": 3,
    "raised_by": "u",
    "raised_at_ms": 1,
}


def receipt(state: str) -> dict:
    row = {"kind": "agent", "id": "essonne", "state": state, "generation": 3, "at_ms": 1}
    counts = {"refused": 0, "drained": 0, "stopped": 1, "processes_left": 0}
    body = {
        "document": "switch-receipt",
        "format": 1,
        "number": "rcpt_1",
        "action": "off",
        "scope": "site",
        "target": "essonne",
        "generation": 3,
        "by": "u",
        "approved_by": [],
        "reason": "",
        "at_ms": 1,
        "issued_at_ms": 2,
        "holds": [],
        "enforcers": [{**row, "lease_ended_at_ms": None, **counts}],
        **counts,
        "checkpoint": None,
        "unanswered": [],
        "nothing_is_left": state == "acknowledged",
    }
    return {"kind": "switch-receipt", "body": body, "key_id": "0" * 16, "signature": "x"}


def test_waiting_ends_when_everyone_has_answered(bruk, control, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    looks = iter(["false", "false", "true"])
    control.answers["POST /switch/off"] = {"hold": HOLD, "receipt": "rcpt_1"}
    control.answers["GET /switch/receipts/rcpt_1"] = lambda request: httpx.Response(
        200, json=receipt("acknowledged"), headers={"X-Complete": next(looks)}
    )
    status, out, _ = bruk("off", "site", "essonne", "--reason", "test", "--wait")
    assert status == 0
    assert "NOTHING IS LEFT RUNNING" in out
    assert json.loads(control.sent("POST", "/switch/off").content) == {
        "scope": "site",
        "target": "essonne",
        "reason": "test",
    }
    assert next(looks, None) is None


def test_the_platform_needs_no_target(bruk, control):
    control.answers["POST /switch/on"] = {"hold": HOLD, "receipt": "rcpt_2"}
    status, out, _ = bruk("on", "platform", "--json")
    assert (status, json.loads(out)["receipt"]) == (0, "rcpt_2")
    assert json.loads(control.sent("POST", "/switch/on").content)["target"] == "*"


def test_a_site_is_turned_off_and_on_by_hand_with_no_control(bruk, control, tmp_path):
    home = tmp_path / "home" / "sites" / "essonne"
    home.mkdir(parents=True)
    status, out, _ = bruk("off", "--local", "--site", "essonne", "--reason", "fire", "--json")
    assert status == 0
    assert json.loads(out)["scope"] == "local"
    held = standing_local_hold(home)
    assert held is not None
    assert (held.target, held.reason) == ("essonne", "fire")
    assert bruk("on", "--local", "--site", "essonne")[0] == 0
    assert standing_local_hold(home) is None
    assert bruk("on", "--local", "--site", "essonne")[0] == 5
    assert control.requests == []


def test_a_site_that_is_not_here_cannot_be_turned_by_hand(bruk, control):
    status, _, err = bruk("off", "--local", "--site", "borlange")
    assert status == 3
    assert "borlange" in err
    assert bruk("off", "--local", "--site", "../../etc")[0] in (2, 3)
