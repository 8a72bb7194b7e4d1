"""Every foreseen failure leaves through one door: words on standard error, a fitting status, no trace."""

import json
import socket

import httpx
import pytest

from bruk.cli import main
from bruk.cli.exits import MEANINGS, status_of
from bruk.cli.settings import Settings
from bruk.model.errors import BrukError, ErrorKind
from bruk.sdk import Client, SdkError
from bruk.wire.problem import HTTP_STATUS

NAME_RULE = "take 1 to 63 of a-z, 0-9, '-' and '.', beginning and ending with a letter or a digit"


def refusal(code: str, kind: ErrorKind) -> httpx.Response:
    status = HTTP_STATUS[kind]
    problem = {"code": code, "title": code, "status": status, "detail": f"Because of {code}."}
    return httpx.Response(status, json=problem)


@pytest.mark.parametrize(
    ("code", "kind", "expected"),
    [
        ("invalid_input", ErrorKind.INVALID, 2),
        ("not_found", ErrorKind.NOT_FOUND, 3),
        ("unauthenticated", ErrorKind.UNAUTHENTICATED, 4),
        ("forbidden", ErrorKind.FORBIDDEN, 4),
        ("residency", ErrorKind.FORBIDDEN, 4),
        ("conflict", ErrorKind.CONFLICT, 5),
        ("gate_not_passed", ErrorKind.CONFLICT, 5),
        ("held", ErrorKind.UNAVAILABLE, 5),
        ("budget_exhausted", ErrorKind.EXHAUSTED, 6),
        ("store_unavailable", ErrorKind.UNAVAILABLE, 7),
        ("internal_error", ErrorKind.INTERNAL, 1),
    ],
)
def test_a_refusal_becomes_words_and_a_status(bruk, control, code, kind, expected):
    control.answers["GET /sites"] = refusal(code, kind)
    for flags in ([], ["--json"]):
        status, out, err = bruk("site", "ls", *flags)
        assert (status, out) == (expected, "")
        assert f"Because of {code}. [{code}]" in err
        assert len(err.splitlines()) <= 2
        assert "Traceback" not in err


def test_every_kind_of_error_has_a_status_with_a_meaning():
    for kind in ErrorKind:
        error = SdkError("x", code="some_code", kind=kind)
        assert status_of(error) in MEANINGS
    assert issubclass(SdkError, BrukError)


def test_control_away_says_what_to_do(bruk):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        status, out, err = bruk("--url", f"http://127.0.0.1:{taken.getsockname()[1]}", "ps")
    assert (status, out) == (7, "")
    assert "bruk up" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "nonsense"),
        (["site", "ad"], "ad"),
        (["site", "add"], "--help"),
        (["ps", "--limit", "0"], "--limit"),
        (["off"], "switched"),
        (["off", "site"], "Name it"),
        (["off", "platform", "essonne"], "platform is one"),
        (["off", "nothing"], "nothing"),
        (["off", "--local"], "--site"),
        (["off", "site", "x", "--wait", "--timeout", "5"], "duration"),
        (["--url", "ftp://x", "ps"], "address"),
        (["--token", "a b", "ps"], "token"),
        (["submit"], "What is to run"),
        (["submit", "--name", "x"], "What is to run"),
        (["submit", "--name", "x", "--env", "A", "--", "true"], "NAME=VALUE"),
        (["submit", "--name", "x", "--memory", "4G", "--", "true"], "4GiB"),
        (["submit", "--name", "x", "--config", "/nothing.json", "--recipe", "pretrain"], "JSON"),
        (["tenant", "add", "x", "--budget", "12,50"], "12,50"),
        (["tenant", "add", "x", "--weight", "0"], "weight"),
        (["site", "add", "x", "--country", "France", "--zone", "FR"], "country"),
        (["site", "add", "x", "--country", "FR", "--zone", "FR", "--pue", "high"], "--pue"),
        (["budget", "set", "a/b/c", "1"], "tenant/name"),
        (["key", "create"], "--project"),
        (["invoice", "show", "1", "--format", "pdf"], "pdf"),
        (["gateway", "--control", "http://127.0.0.1:1"], "--site"),
        (["login", "foo"], "whole login link"),
        (["login", "http://127.0.0.1:1/login"], "no login token"),
        (["budget", "set", "acme", "999999999999999"], "budget_microeur"),
        (["tenant", "add", "A b"], NAME_RULE),
        (["project", "add", "acme", "A b"], NAME_RULE),
        (["site", "add", "A b", "--country", "FR", "--zone", "FR"], NAME_RULE),
        (["submit", "--name", "A b", "--", "true"], NAME_RULE),
        (["submit", "--site", "A b", "--", "true"], f"sites.0 'A b' is not usable: {NAME_RULE}"),
        (["endpoint", "create", "A b", "--model", "m"], NAME_RULE),
        (["submit", "--project", "A", "--", "true"], "tenant/name"),
    ],
)
def test_wrong_use_is_status_2_and_says_what(bruk, control, arguments, says):
    status, out, err = bruk(*arguments)
    assert (status, out) == (2, ""), err
    assert says in err
    assert "Traceback" not in err
    assert "[a-z0-9]" not in err, "nobody reads an expression"
    assert not [request for request in control.requests if request.method != "GET"]


def test_a_token_is_sent_only_to_the_control_it_belongs_to(bruk, control, monkeypatch, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    kept = {"url": "http://127.0.0.1:8610", "token": "secret-of-this-control"}
    (home / "cli.json").write_text(json.dumps(kept))
    control.answers["GET /sites"] = []
    bruk("site", "ls")
    bruk("--url", "http://127.0.0.1:9999", "site", "ls")
    bruk("--url", "http://127.0.0.1:9999", "--token", "other", "site", "ls")
    sent = [request.headers.get("Authorization") for request in control.requests]
    assert sent == ["Bearer secret-of-this-control", None, "Bearer other"]


def test_a_damaged_cli_file_says_what_to_do(bruk, control, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cli.json").write_text("{")
    status, _, err = bruk("ps")
    assert status == 2
    assert "bruk login" in err


def test_logging_in_keeps_the_token_for_its_owner_alone(bruk, monkeypatch, tmp_path):
    answer = {"user": {"id": "u", "name": "Ada", "role": "operator"}, "token": "kept-token"}
    line = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
    whole = Client
    monkeypatch.setattr("bruk.sdk.Client", lambda url, token="": whole(url, token, line=line))
    status, out, _ = bruk("login", "http://127.0.0.1:8610/login?token=" + "x" * 30)
    assert status == 0
    assert "kept-token" not in out
    file = tmp_path / "home" / "cli.json"
    assert json.loads(file.read_text()) == {"url": "http://127.0.0.1:8610", "token": "kept-token"}
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert bruk("login", "http://127.0.0.1:8610/")[0] == 2


def test_what_others_named_cannot_move_the_terminal(bruk, control):
    evil = "a\x1b[2Jb\u202ec"
    control.answers["GET /sites"] = [
        {"name": "x", "display_name": evil, "country": "FR", "grid_zone": "FR", "operator": "[red]o"}
    ]
    status, out, _ = bruk("site", "ls")
    assert status == 0
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[red]o" in out
    _, out, _ = bruk("site", "ls", "--json")
    assert json.loads(out)[0]["display_name"] == evil


def test_a_full_disk_is_words_too(bruk, control, tmp_path):
    control.answers["GET /audit/export"] = httpx.Response(200, content=b"x")
    status, _, err = bruk("audit", "export", str(tmp_path / "no" / "such" / "folder"))
    assert status == 2
    assert "cannot be written" in err


def test_the_settings_never_show_their_token(tmp_path):
    assert "very-secret" not in repr(Settings(tmp_path, token="very-secret"))


def test_version(bruk):
    assert bruk("version") == (0, "bruk 0.1.0\n", "")
    assert json.loads(bruk("version", "--json")[1]) == {"version": "0.1.0"}
    assert main.status(["version"]) == 0


def test_a_group_without_a_command_shows_what_it_has_and_no_empty_error(bruk):
    status, out, err = bruk("site")
    assert status == 2
    assert "drain" not in out + err
    assert "show" in out + err
    assert "Error" not in err
