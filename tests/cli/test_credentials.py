"""People, tokens, keys and the signing key at the command line, against the real API of a real control."""

import json
import re

import pytest

from bruk.control import access
from bruk.control.step import step
from bruk.model.errors import Unauthenticated

from .test_against_control import Platform


@pytest.fixture
def platform(tmp_path):
    started = Platform(tmp_path / "control")
    yield started
    started.end()


@pytest.fixture
def bruk(platform, bruk, monkeypatch):
    monkeypatch.setenv("BRUK_URL", platform.url)
    monkeypatch.setenv("BRUK_TOKEN", platform.token)
    return bruk


@pytest.fixture
def run(bruk):
    """Run a command that must succeed, and return what it printed."""

    def ran(*words: str) -> str:
        status, out, err = bruk(*words)
        assert status == 0, err
        return out

    return ran


def _refused(platform: Platform, secret: str) -> bool:
    try:
        access.actor_of(platform.control, secret)
    except Unauthenticated:
        return True
    return False


def test_a_person_is_disabled_enabled_and_gets_a_link(platform, run, bruk):
    run("tenant", "add", "acme")
    made = json.loads(run("user", "add", "Ada", "--tenant", "acme", "--json"))
    person = made["user"]["id"]
    _, token = access.log_in(platform.control, made["login_token"], "token")
    assert "1" in run("token", "ls", "--user", person)
    assert "have ended" in run("user", "disable", person)
    assert _refused(platform, token)
    status, _, err = bruk("user", "login-link", person)
    assert status != 0
    assert "bruk user enable" in err
    assert f"bruk user login-link {person}" in run("user", "enable", person)
    shown = run("user", "login-link", person)
    link = re.search(r"/login\?token=(\S+)", shown)
    assert link is not None
    assert access.log_in(platform.control, link[1])[0].id == person
    operator = json.loads(run("user", "ls", "--json"))[0]["id"]
    status, _, err = bruk("user", "disable", operator)
    assert status != 0
    assert "last operator" in err


def test_tokens_are_listed_rotated_and_ended(platform, run, bruk, monkeypatch):
    listed = json.loads(run("token", "ls", "--json"))["held"]
    assert {(item["kind"], item["used_here"]) for item in listed} == {("login", False), ("token", True)}
    assert platform.token not in run("token", "ls")
    renewed = run("token", "rotate", "--overlap", "1h").strip()
    assert not _refused(platform, platform.token)
    monkeypatch.setenv("BRUK_TOKEN", renewed)
    assert "2 ended" in run("token", "end", "--all"), "the link and the old token"
    assert _refused(platform, platform.token)
    (mine,) = json.loads(run("token", "ls", "--json"))["held"]
    assert bruk("token", "end")[0] != 0
    assert bruk("token", "end", mine["id"], "--all")[0] != 0
    run("token", "end", mine["id"])
    status, _, err = bruk("token", "ls")
    assert status != 0
    assert "log in again" in err


def test_a_token_in_the_home_is_replaced_there(platform, run, tmp_path, monkeypatch):
    monkeypatch.delenv("BRUK_TOKEN")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "cli.json").write_text(json.dumps({"url": platform.url, "token": platform.token, "x": 1}))
    assert platform.token not in run("token", "rotate")
    kept = json.loads((home / "cli.json").read_text())
    assert kept["x"] == 1
    assert _refused(platform, platform.token)
    assert not _refused(platform, kept["token"])


def test_a_key_is_rotated_with_an_overlap(platform, run, bruk):
    run("tenant", "add", "acme")
    run("project", "add", "acme/lab")
    old = run("key", "create", "--project", "acme/lab").strip()
    key = json.loads(run("key", "ls", "--json"))[0]["id"]
    status, out, err = bruk("key", "rotate", key, "--overlap", "1h")
    assert status == 0
    assert "the old one ends" in err
    new = out.strip()
    assert new.startswith("bk_")
    assert not _refused(platform, old)
    shown = run("key", "rotate", key, "--json")
    assert "secret_hash" not in shown
    assert _refused(platform, old)
    assert _refused(platform, new)
    for overlap in ("31d", "-1h", "soon"):
        assert bruk("key", "rotate", key, "--overlap", overlap)[0] != 0


def test_gateways_are_added_listed_and_renewed(platform, run, bruk):
    run("site", "add", "lulea", "--country", "SE", "--zone", "SE-SE3")
    status, token, err = bruk("gateway", "add", "gw-lulea", "--site", "lulea")
    assert status == 0
    assert "control.pub" in err
    assert access.gateway_of(platform.control, token.strip()).id == "gw-lulea"
    assert "gw-lulea" in run("gateway", "ls")
    status, _, err = bruk("gateway", "add", "gw-lulea", "--site", "lulea")
    assert status != 0
    assert "bruk gateway token gw-lulea" in err
    renewed = run("gateway", "token", "gw-lulea").strip()
    assert access.gateway_of(platform.control, renewed).id == "gw-lulea"
    with pytest.raises(Unauthenticated):
        access.gateway_of(platform.control, token.strip())
    agent = run("site", "token", "lulea").strip()
    assert access.agent_of(platform.control, agent).site == "lulea"
    assert bruk("gateway", "add", "gw2", "--site", "nowhere")[0] != 0
    assert bruk("gateway", "token", "none")[0] != 0


def _off(run, tenant: str, file) -> None:
    found = json.loads(run("off", "tenant", tenant, "--reason", "x", "--no-wait", "--json"))
    run("receipt", "show", found["receipt"], "--save", str(file))


def test_evidence_verifies_across_rotations_under_the_old_and_the_new_pin(platform, run, bruk, tmp_path):
    control = platform.control
    for tenant in ("acme", "lumen"):
        run("tenant", "add", tenant)
    old = control.key.public_key
    _off(run, "acme", tmp_path / "before.json")
    old_ring = tmp_path / "old.json"
    old_ring.write_text(json.dumps(control.keyring.document()))
    said = run("signing-key", "rotate")
    new = control.key.public_key
    assert new.key_id in said
    assert old.key_id in said
    _off(run, "lumen", tmp_path / "after.json")
    step(control)
    run("audit", "export", str(tmp_path / "audit.jsonl"))
    ring = tmp_path / "ring.json"
    ring.write_text(json.dumps(control.keyring.document()))
    listed = json.loads(run("signing-key", "ls", "--json"))
    assert [row["key_id"] for row in listed] == [old.key_id, new.key_id]
    log, before, after = (str(tmp_path / name) for name in ("audit.jsonl", "before.json", "after.json"))
    for pin in (["--pin", old.key_id], ["--pin", new.key_id], ["--pin", old.text], ["--key", str(old_ring)]):
        run("audit", "verify", log, *pin, "--against", before, "--against", after)
    for way in (
        ["--key", str(ring)],
        ["--key", str(ring), "--pin", old.key_id],
        ["--key", str(ring), "--pin", new.key_id],
        ["--pin", old.text, "--handovers", str(ring)],
        ["--pin", new.text, "--handovers", str(ring)],
        ["--key", str(old_ring), "--handovers", str(ring)],
    ):
        for receipt in (before, after):
            run("receipt", "verify", receipt, *way)
    status, _, err = bruk("receipt", "verify", after, "--key", str(old_ring))
    assert status == 8, "nothing leads from the old key to the new one"
    assert "not among the pinned keys" in err
    assert bruk("audit", "verify", log, "--pin", "0" * 16)[0] == 8


def test_a_revoked_key_is_told_and_its_late_records_fail(platform, run, bruk, tmp_path):
    control = platform.control
    run("tenant", "add", "acme")
    _off(run, "acme", tmp_path / "receipt.json")
    assert bruk("signing-key", "rotate", "--since", "2027-01-31")[0] != 0
    since = json.loads(run("signing-key", "ls", "--json"))[0]["from_ms"]
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(since // 1000 + 1, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    while control.clock.now_ms() < since + 1_100:
        pass
    again = json.loads(run("on", "tenant", "acme", "--json"))
    run("receipt", "show", again["receipt"], "--save", str(tmp_path / "late.json"))
    assert "is not believed" in run("signing-key", "rotate", "--revoke", "--since", moment)
    (tmp_path / "ring.json").write_text(json.dumps(control.keyring.document()))
    late = bruk("receipt", "verify", str(tmp_path / "late.json"), "--key", str(tmp_path / "ring.json"))
    assert late[0] == 8
    assert bruk("signing-key", "rotate", "--revoke", "--since", "2000-01-01")[0] != 0
