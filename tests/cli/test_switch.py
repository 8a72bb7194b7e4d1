"""Off and on: waiting for everyone's answer, and by hand at a site with no control at all."""

import itertools
import json

import httpx
import pytest

from bruk.agent.local_hold import LocalAnswer, standing_local_hold, write_local_answer

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


@pytest.fixture
def site_home(tmp_path):
    home = tmp_path / "home" / "sites" / "essonne"
    home.mkdir(parents=True)
    return home


OFF = ("off", "--local", "--site", "essonne")


def agent_answers(monkeypatch, home, *answers):
    """Each pause of the waiting command lets the site's agent give its next answer."""
    given = iter(answers)

    def pause(seconds):
        generation, left, stopped = next(given)
        held = standing_local_hold(home)
        write_local_answer(home, LocalAnswer(generation, left, stopped, held.raised_at_ms + 1))

    monkeypatch.setattr("time.sleep", pause)


def test_a_site_is_turned_off_and_on_by_hand_with_no_control(bruk, control, site_home):
    status, out, _ = bruk(*OFF, "--reason", "fire", "--no-wait", "--json")
    assert status == 0
    assert json.loads(out)["hold"]["scope"] == "local"
    held = standing_local_hold(site_home)
    assert held is not None
    assert (held.target, held.reason) == ("essonne", "fire")
    assert bruk("on", "site", "essonne", "--local")[0] == 0
    assert standing_local_hold(site_home) is None
    assert bruk("on", "--local", "--site", "essonne")[0] == 5
    assert control.requests == []


def test_the_key_waits_until_nothing_is_left(bruk, control, site_home, monkeypatch):
    agent_answers(monkeypatch, site_home, (0, 3, 0), (0, 1, 1), (1, 0, 2))
    status, out, _ = bruk(*OFF)
    assert status == 0
    assert "only 'bruk on --local --site essonne' releases it" in out
    assert "Nothing is left: 0 processes (2 runs stopped)." in out
    status, out, _ = bruk(*OFF, "--json")
    assert (status, json.loads(out)["complete"], json.loads(out)["answer"]["processes_left"]) == (0, True, 0)
    assert control.requests == []


def test_what_is_left_when_the_wait_is_over_is_said(bruk, site_home, monkeypatch):
    looks = itertools.count()
    monkeypatch.setattr("time.monotonic", lambda: float(next(looks)))
    agent_answers(monkeypatch, site_home, *[(0, 3, 0)] * 10)
    status, _, err = bruk(*OFF, "--timeout", "5s")
    assert status == 1
    assert "After 5 s 3 processes of runs are left" in err


def test_an_agent_that_is_silent_is_called_so_and_old_answers_do_not_count(bruk, site_home, monkeypatch):
    write_local_answer(site_home, LocalAnswer(7, 0, 0, 1))
    looks = itertools.count()
    monkeypatch.setattr("time.monotonic", lambda: float(next(looks)))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    status, out, err = bruk(*OFF, "--timeout", "5s")
    assert status == 1
    assert "is off by hand" in out
    assert "has not answered within 5 s" in err
    assert standing_local_hold(site_home) is not None


def test_a_site_that_is_not_here_cannot_be_turned_by_hand(bruk, control):
    status, _, err = bruk("off", "--local", "--site", "borlange")
    assert status == 3
    assert "borlange" in err
    assert bruk("off", "--local", "--site", "../../etc")[0] in (2, 3)
    status, _, err = bruk("off", "tenant", "acme", "--local")
    assert status == 2
    assert "--local --site NAME" in err
