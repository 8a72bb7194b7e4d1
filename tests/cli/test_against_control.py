"""The command line against the real API of a real control; no site's agent takes part."""

import io
import json
import re
import shlex
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from bruk.api import create_api
from bruk.assembly.clock import SystemClock
from bruk.assembly.home import Home
from bruk.assembly.platform import open_control
from bruk.cli import main
from bruk.control import access
from bruk.control.step import step
from bruk.model.switch import Hold, HoldScope
from bruk.store import places
from bruk.wire import codec


class Platform:
    """A control that answers on a port, and a way to run commands against it."""

    def __init__(self, home: Path) -> None:
        self.control = open_control(Home(home), SystemClock())
        _, self.login, self.token = access.first_operator(self.control)
        app = FastAPI()
        app.mount("/api/v1", create_api(self.control))
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            self.thread.join(0.01)
            assert self.thread.is_alive(), "the server did not start"
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def end(self) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.control.database.close()


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    started = Platform(tmp_path_factory.mktemp("home") / "control")
    yield started
    started.end()


@pytest.fixture
def bruk(platform, monkeypatch, tmp_path, capfdbinary):
    monkeypatch.setenv("BRUK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BRUK_URL", platform.url)
    monkeypatch.setenv("BRUK_TOKEN", platform.token)
    monkeypatch.delenv("BRUK_PROJECT", raising=False)

    def run(*arguments: str, status: int = 0) -> str:
        capfdbinary.readouterr()
        found = main.status(list(arguments))
        out, err = capfdbinary.readouterr()
        assert found == status, err.decode()
        assert (found == 0) or b"Traceback" not in err
        return (out if status == 0 else out + err).decode()

    return run


def test_a_secret_comes_by_standard_input_and_never_goes_out(bruk, monkeypatch):
    def given(value: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(value)))

    bruk("tenant", "add", "keeper")
    bruk("project", "add", "keeper/models")
    key = bruk("key", "create", "-p", "keeper/models", "--name", "k").strip()
    given(b"hf_very_secret\n")
    words = ("--token", key, "secret")
    assert "'--secret HF_TOKEN'" in bruk(*words, "set", "HF_TOKEN", "-p", "keeper/models")
    listed = bruk(*words, "ls", "-p", "keeper/models") + bruk(*words, "ls", "-p", "keeper/models", "--json")
    assert "HF_TOKEN" in listed
    assert "hf_very_secret" not in listed
    job = ("submit", "-p", "keeper/models", "--secret", "HF_TOKEN", "--json", "--", "true")
    assert json.loads(bruk(*job))["workload"]["spec"]["secrets"] == ["HF_TOKEN"]
    assert "'bruk secret set OTHER" in bruk(*(word.replace("HF_TOKEN", "OTHER") for word in job), status=3)
    bruk(*words, "rm", "HF_TOKEN", "-p", "keeper/models")
    bruk(*words, "rm", "HF_TOKEN", "-p", "keeper/models", status=3)
    assert "has no secrets" in bruk(*words, "ls", "-p", "keeper/models")
    for empty in (b"", b"\n"):
        given(empty)
        assert "nothing came" in bruk(*words, "set", "HF_TOKEN", "-p", "keeper/models", status=2)
    given(b"\xff")
    assert "no UTF-8" in bruk(*words, "set", "HF_TOKEN", "-p", "keeper/models", status=2)
    given(b"x")
    assert "tenant admins, members" in bruk("secret", "set", "HF_TOKEN", "-p", "keeper/models", status=4)


@pytest.mark.slow
def test_an_operators_whole_session(bruk, platform, tmp_path):
    """One story, because each step stands on the ones before it."""
    # Sites, tenants, projects, keys, prices, budgets.
    made = json.loads(
        bruk("site", "add", "essonne", "--country", "fr", "--zone", "fr", "--pue", "1.25", "--json")
    )
    assert made["site"]["country"] == "FR"
    assert made["site"]["pue_milli"] == 1250
    assert len(made["token"]) > 20
    assert "already" in bruk("site", "add", "essonne", "--country", "FR", "--zone", "FR", status=5)
    assert "grid zone" in bruk("site", "add", "x", "--country", "FR", "--zone", "NOWHERE", status=2)
    assert "1.250" in bruk("site", "ls")
    assert "No nodes yet" in bruk("site", "show", "essonne")
    assert "No nodes yet" in bruk("node", "ls")
    assert "No nodes yet" in bruk("node", "ls", "essonne")
    bruk("node", "ls", "nothing", status=3)
    assert "name one" in bruk("node", "ls", "essonne", "--site", "borlange", status=2)
    assert "is changed" in bruk(
        "site", "set", "essonne", "--pue", "1.2", "--accept-no-isolation", "The tenants know each other."
    )
    assert "1.200 (assumed)" in bruk("site", "show", "essonne")
    assert "The tenants know each other." in bruk("site", "show", "essonne")
    bruk("site", "set", "essonne", "--refuse-no-isolation")
    assert "The tenants know each other." not in bruk("site", "show", "essonne")
    assert "Nothing to change" in bruk("site", "set", "essonne", status=2)
    bruk("site", "set", "nothing", "--pue", "1.2", status=3)
    bruk("node", "drain", "essonne", "nothing", status=3)

    bruk("tenant", "add", "acme", "--country", "fr", "--budget", "250", "--grant", "500h")
    assert "in FR" in bruk("tenant", "ls")
    assert "250.00" in bruk("tenant", "show", "acme")
    bruk("tenant", "show", "nobody", status=3)
    assert "name" in bruk("tenant", "add", "A b", status=2)
    bruk("project", "add", "acme", "models", "--budget", "12.50")
    assert "acme/models" in bruk("project", "ls")
    assert "acme/chat added" in bruk("project", "add", "acme/chat")
    assert "What is the project's name?" in bruk("project", "add", "acme", status=2)
    assert "What is the project's name?" in bruk("project", "add", "acme/", status=2)
    assert "anywhere" in bruk("tenant", "set", "acme", "--anywhere", "--weight", "2")
    assert "in FR, SE" in bruk("tenant", "set", "acme", "--country", "fr", "--country", "se")
    bruk("tenant", "set", "acme", "--anywhere", "--country", "fr", status=2)
    assert "at once: 4" in bruk("project", "set", "acme/models", "--devices", "4", "--site", "essonne")
    assert "at essonne" in bruk("project", "ls")
    bruk("project", "set", "acme/models", status=2)
    bruk("project", "set", "acme/models", "--devices", "4", "--no-quota", status=2)
    assert "at once: no limit" in bruk("project", "set", "acme/models", "--no-quota")
    assert "at once: 3" in bruk("tenant", "set", "acme", "--devices", "3", "--grant", "5h")
    lifted = bruk("tenant", "set", "acme", "--no-quota", "--no-grant")
    assert "at once: no limit" in lifted
    bruk("project", "set", "acme/models", "--anywhere")
    secret = bruk("key", "create", "-p", "acme/models", "--expires", "30d", "--name", "app").strip()
    assert secret.startswith("bk_")
    assert "project" in bruk("key", "create", status=2)
    keys = json.loads(bruk("key", "ls", "--json"))
    keys = [key for key in keys if key["project"] == "acme/models"]
    assert [key["name"] for key in keys] == ["app"]
    assert "secret_hash" not in keys[0]
    bruk("price", "set", "device_time", "0.04")
    assert "0.04" in bruk("price", "ls")
    bruk("price", "set", "gold", "1", status=2)
    bruk("budget", "set", "acme/models", "10")
    assert "10.00" in bruk("budget", "show", "acme/models")
    bruk("budget", "set", "acme", "none")
    assert "no limit" in bruk("budget", "show", "acme")
    bruk("budget", "set", "acme", "12,5", status=2)

    # People: a one-time login, used once.
    login = json.loads(bruk("user", "add", "Ada", "--tenant", "acme", "--role", "tenant_admin", "--json"))
    link = f"{platform.url}/login?token={login['login_token']}"
    assert "Ada" in bruk("login", link)
    for lines in (["--tenant", "acme"], []):
        assert [person["name"] for person in json.loads(bruk("user", "ls", *lines, "--json"))][-1] == "Ada"
    assert "tenant admin" in bruk("user", "ls")
    said = bruk("user", "add", "Bea", "--tenant", "acme").splitlines()
    bea_id = json.loads(bruk("user", "ls", "--json"))[-1]["id"]
    assert said[0] == f"Bea ({bea_id}) added as member of acme."
    assert said[-1].strip() == f"bruk --home ~/.bruk-bea login '{said[2].strip()}'"
    assert f"{platform.url}/login?token=" in said[2]
    # What is printed logs in elsewhere than where the one who printed it is logged in.
    own = (tmp_path / "home" / "cli.json").read_text()
    whole = shlex.split(said[-1].replace("~", str(tmp_path)))
    assert "Bea" in bruk(*whole[1:])
    assert (tmp_path / "home" / "cli.json").read_text() == own
    bea = json.loads((tmp_path / ".bruk-bea" / "cli.json").read_text())["token"]
    # The same behind the command; a name without a letter that a shell takes is its person's id.
    said = bruk("user", "add", "北", "--tenant", "acme").splitlines()
    assert re.search(r"--home ~/\.bruk-user_\w+ login", said[-1])
    assert "北" in bruk("login", said[2].strip(), "--home", str(tmp_path / "north"))
    assert (tmp_path / "north" / "cli.json").exists()
    assert (tmp_path / "home" / "cli.json").read_text() == own
    assert {person["tenant"] for person in json.loads(bruk("--token", bea, "user", "ls", "--json"))} == {
        "acme"
    }
    bruk("user", "ls", "--tenant", "nobody", status=3)
    bruk("login", link, status=4)
    bruk("user", "add", "Aud", "--role", "auditor")
    bruk("user", "add", "Nobody", "--role", "auditor", "--tenant", "acme", status=2)

    # Data goes in and comes out.
    (tmp_path / "corpus é").mkdir()
    (tmp_path / "corpus é" / "a.txt").write_text("text")
    artifact = json.loads(
        bruk("data", "put", str(tmp_path / "corpus é"), "--name", "corpus", "-p", "acme/models", "--json")
    )
    assert artifact["kind"] == "tree"
    assert "corpus" in bruk("data", "ls")
    refusal = bruk("data", "get", "corpus", str(tmp_path / "back"), status=4)
    assert "bruk access request --project acme/models" in refusal
    asked = bruk("access", "request", "-p", "acme/models", "--reason", "ticket 42", "--for", "2h")
    assert "you may look at acme/models until" in asked
    bruk("data", "get", "corpus", str(tmp_path / "back"))
    assert (tmp_path / "back" / "a.txt").read_text() == "text"
    bruk("data", "get", "corpus", str(tmp_path / "back"), status=5)
    bruk("data", "get", "nothing", status=3)

    # A job: estimated, submitted by file and by command, why it waits, cancelled.
    (tmp_path / "job.toml").write_text(
        'name = "train"\ncommand = ["true"]\ntime_limit = "10m"\n[inputs]\ncorpus = "corpus"\n'
    )
    file = str(tmp_path / "job.toml")
    estimate = bruk("submit", file, "-p", "acme/models", "--estimate")
    assert "not known yet" in estimate
    assert "Submitted now it would wait (site away)" in estimate
    assert "0.00" not in estimate
    key = bruk("key", "create", "-p", "acme/models").strip()
    assert "Submitted now it would wait (site away)" in bruk("--token", key, "submit", file, "--estimate")
    bruk("project", "set", "acme/chat", "--country", "se")
    assert "Submitted now it would wait (residency)" in bruk(
        "submit", "-p", "acme/chat", "--estimate", "--", "true"
    )
    job = json.loads(bruk("submit", file, "-p", "acme/models", "--idempotency-key", "k1", "--json"))
    again = json.loads(bruk("submit", file, "-p", "acme/models", "--idempotency-key", "k1", "--json"))
    assert job["workload"]["id"] == again["workload"]["id"]
    assert job["workload"]["spec"]["inputs"] == {"corpus": artifact["id"]}
    assert job["workload"]["spec"]["time_limit_s"] == 600
    bruk("submit", "--name", "x", "-p", "acme/models", "--yes", "--", "python", "-c", "print('--json')")
    bruk("submit", "--name", "x", "-p", "acme/models", "--input", "a=nothing", "--", "true", status=3)
    bruk("submit", "--name", "x", "-p", "acme/nothing", "--", "true", status=3)
    step(platform.control)
    listed = bruk("ps")
    assert "Waiting for" in listed
    assert job["workload"]["id"] in listed
    why = bruk("why", "train")
    assert "essonne" in why
    assert "What to do:" in why
    assert bruk("logs", "train") == ""
    assert "ticket 42" in bruk("access", "ls")
    assert "art_" in bruk("access", "show", asked.split(":")[0])
    assert "has ended" in bruk("access", "end", asked.split(":")[0])
    bruk("access", "approve", asked.split(":")[0], status=4)
    bruk("access", "show", "acc_none", status=3)
    bruk("data", "get", "corpus", str(tmp_path / "again"), status=4)
    assert ") added as operator of essonne" in bruk(
        "user", "add", "Ada", "--role", "operator", "--site", "essonne"
    )
    assert "only an operator" in bruk("user", "add", "A", "--role", "auditor", "--site", "essonne", status=2)
    bruk("access", "demand", "approved", "--tenant", "acme", status=4)
    bruk("cancel", "train")
    step(platform.control)
    assert json.loads(bruk("why", "train", "--json"))["workload"]["wanted"] == "stop"
    bruk("why", "job_nothing", status=3)
    bruk("logs", "job_nothing", status=3)

    # Models and endpoints.
    assert "90 % of gzip_bits_per_byte" in bruk("model", "gate", "--limit-permille", "900")
    assert "at most 90 %" in bruk("model", "gate")
    assert "No models yet" in bruk("model", "ls")
    bruk("model", "show", "nothing", status=3)
    bruk("model", "retire", "nothing", status=3)
    bruk("endpoint", "create", "chat", "--model", "nothing", "-p", "acme/models", status=3)
    assert "No endpoints yet" in bruk("endpoint", "ls")
    bruk("endpoint", "scale", "chat", "2", status=3)
    bruk("endpoint", "rm", "chat", status=3)

    # The switch.
    off = json.loads(bruk("off", "tenant", "acme", "--reason", "unpaid é", "--json"))
    assert off["hold"]["target"] == "acme"
    bruk("off", "tenant", "acme", status=5)
    bruk("off", "site", "nothing", status=3)
    waited = bruk("off", "platform", "--wait", "--timeout", "0s", status=1)
    assert "Not everyone has answered" in waited
    shown = bruk("receipt", "show", off["receipt"])
    assert "unpaid" in shown
    assert re.search(r"by +user_\w+ \(operator\)", shown)
    assert "(operator)" not in bruk("receipt", "show", off["receipt"], "--json")
    assert "(operator)" in waited
    assert "SWITCH RECEIPT" in waited
    assert off["receipt"] in bruk("receipt", "ls")
    assert "tenant acme" in bruk("status")
    bruk("on", "tenant", "acme")
    bruk("on", "platform")
    bruk("on", "platform", status=3)
    with platform.control.database.write() as connection:
        agent = places.get_agent(connection, "essonne")
        held = Hold("hold_1", HoldScope.LOCAL, "essonne", 1, "root", 1)
        places.replace_agent(connection, replace(agent, local_hold=codec.dump(held)))
    assert "bruk on --local --site essonne" in bruk("on", "site", "essonne", status=3)
    assert "is not off [" in bruk("on", "tenant", "acme", status=3)

    # Records, verified with no server.
    assert "Nothing was used yet" in bruk("ledger")
    credited = bruk("ledger", "credit", "acme/models", "1.50", "--note", "a node was slow")
    assert "1.50 EUR are credited to acme/models" in credited
    assert "-1.50" in bruk("ledger", "--project", "acme/models")
    bruk("ledger", "credit", "acme/models", "0", "--note", "nothing", status=2)
    bruk("ledger", "credit", "acme/nothing", "1", "--note", "nobody", status=3)
    bruk("ledger", "export", str(tmp_path / "ledger.jsonl"))
    bruk("audit", "export", str(tmp_path / "audit.jsonl"))
    assert "switch.off" in bruk("audit", "ls")
    assert re.search(r"user \S.* \([0-9a-f]{6}\) ", bruk("audit", "ls"))
    assert len(json.loads(bruk("audit", "ls", "--limit", "3", "--json"))) == 3
    number = json.loads(bruk("invoice", "issue", "acme", "--json"))["number"]
    assert number in bruk("invoice", "ls")
    assert number in bruk("invoice", "show", number)
    bruk("invoice", "issue", "acme", "--from", "2026-01-02", "--to", "2026-01-01", status=2)
    bruk("invoice", "show", number, "--save", str(tmp_path / "invoice.json"))
    bruk("receipt", "show", off["receipt"], "--save", str(tmp_path / "receipt.json"))
    keys_file = str(platform.control.home / "keys" / "public.json")
    for chain in ("ledger", "audit"):
        bruk("audit", "verify", str(tmp_path / f"{chain}.jsonl"), "--key", keys_file)
    verify = ["audit", "verify", str(tmp_path / "audit.jsonl"), "--key", keys_file]
    # The receipt was signed after that export, which is therefore known to be older; a new one is not.
    assert "missing" in bruk(*verify, "--against", str(tmp_path / "receipt.json"), status=8)
    bruk("audit", "export", str(tmp_path / "audit.jsonl"))
    bruk(*verify, "--against", str(tmp_path / "receipt.json"))
    bruk("invoice", "verify", str(tmp_path / "invoice.json"), "--key", keys_file)
    bruk("receipt", "verify", str(tmp_path / "receipt.json"), "--key", keys_file)
    bruk("receipt", "verify", str(tmp_path / "invoice.json"), "--pin", "0" * 16, status=8)


@pytest.mark.parametrize(
    ("kind", "line"), [("audit", ["audit", "ls"]), ("me", ["tenant", "ls"]), ("off", ["off", "platform"])]
)
def test_a_wrong_token_is_not_allowed_and_says_how_to_log_in(bruk, kind, line):
    said = bruk("--token", "wrong" * 8, *line, status=4)
    assert "bruk login" in said


def test_a_projects_key_may_not_do_what_operators_may(bruk, platform):
    bruk("tenant", "add", "zeta")
    bruk("project", "add", "zeta", "p")
    secret = bruk("key", "create", "-p", "zeta/p").strip()
    assert "forbidden" in bruk("--token", secret, "tenant", "add", "other", status=4)
    key = json.loads(bruk("key", "ls", "-p", "zeta/p", "--json"))[0]["id"]
    bruk("--token", secret, "ps")
    assert "disabled" in bruk("key", "disable", key)
    bruk("--token", secret, "ps", status=4)
    assert "ends 20" in bruk("key", "expire", key, "--in", "1d")


def test_verification_names_the_entry_that_was_changed(bruk, platform, tmp_path):
    file = tmp_path / "audit.jsonl"
    bruk("audit", "export", str(file))
    lines = file.read_bytes().splitlines(keepends=True)
    keys_file = str(platform.control.home / "keys" / "public.json")
    lines[1] = lines[1].replace(b"done", b"gone", 1)
    file.write_bytes(b"".join(lines))
    assert "entry 1" in bruk("audit", "verify", str(file), "--key", keys_file, status=8)
    report = json.loads(
        bruk("audit", "verify", str(file), "--key", keys_file, "--json", status=8).split("\nError")[0]
    )
    assert report["problem"]["seq"] == 1
    assert report["verified"] is False
    file.write_bytes(b"".join(lines[:-1]))
    bruk("audit", "verify", str(file), "--key", keys_file, status=8)
    bruk("audit", "verify", str(tmp_path / "none.jsonl"), "--key", keys_file, status=3)
