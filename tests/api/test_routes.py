"""Every route's good path, through HTTP as a client sees it."""

import asyncio
import hashlib
import json
from typing import Any

import pytest

from bruk.control import access
from bruk.seal import Checkpoint, Keyring, SignedDocument, verify_document, verify_export

from .conftest import Api

JOB = {"project": "acme/lab", "name": "train", "spec": {"command": ["true"], "time_limit_s": 60}}


def _ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def _error(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["code"], body["status"], body["type"]) == (code, status, f"urn:bruk:error:{code}")
    assert body["title"]
    assert body["detail"]
    return dict(body)


def test_logging_in_and_out(api: Api) -> None:
    person = api.world.person("acme", "member")
    link = api.world.logins[person.id]
    token = _ok(api.post("/login", {"token": link}, None))["token"]
    api.tokens["new"] = token
    me = _ok(api.get("/me", "new"))
    assert (me["id"], me["role"], me["tenant"]) == (person.id, "member", "acme")
    _error(api.post("/login", {"token": link}, None), 401, "unauthenticated")
    assert api.post("/logout", who="new").status_code == 204
    answer = api.get("/me", "new")
    _error(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_sites_and_nodes(api: Api) -> None:
    made = _ok(api.post("/sites", {"name": "lund", "country": "SE", "grid_zone": "SE-SE3"}), 201)
    assert access.agent_of(api.world.control, made["token"]).site == "lund"
    assert [item["name"] for item in _ok(api.get("/sites"))["items"]] == ["borlange", "essonne", "lund"]
    changed = _ok(api.call("PATCH", "/sites/lund", json={"pue_milli": 1100}))
    assert (changed["pue_milli"], changed["country"]) == (1100, "SE")
    assert _ok(api.get("/sites/lund")) == changed
    renewed = _ok(api.post("/sites/lund/token"), 201)["token"]
    assert renewed != made["token"]
    nodes = _ok(api.get("/sites/essonne/nodes"))["items"]
    assert [node["devices"] for node in nodes] == [4, 4]
    assert _ok(api.post("/sites/essonne/nodes/essonne-0/drain"))["drained"] is True
    assert _ok(api.post("/sites/essonne/nodes/essonne-0/undrain"))["drained"] is False
    _error(api.post("/sites/essonne/nodes/essonne-0/explode"), 404, "not_found")
    _error(api.post("/sites", {"name": "lund", "country": "SE", "grid_zone": "SE-SE3"}), 409, "conflict")
    _error(api.call("PATCH", "/sites/lund", json={"country": "FR"}), 422, "invalid_input")


def test_status_tells_a_tenant_nothing_of_others(api: Api) -> None:
    api.post("/jobs", JOB)
    api.post("/switch/off", {"scope": "tenant", "target": "acme", "reason": "unpaid"})
    whole = _ok(api.get("/status"))
    assert [hold["target"] for hold in whole["switch"]["holds"]] == ["acme"]
    assert whole["counts"]["open_workloads"] == 1
    assert [site["site"]["name"] for site in whole["sites"]] == ["borlange", "essonne"]
    assert _ok(api.get("/status", "member"))["switch"]["holds"] != []
    other = api.get("/status", "other")
    assert _ok(other)["counts"]["open_workloads"] == 0
    assert "acme" not in other.text
    assert "unpaid" not in other.text


def test_tenants_projects_keys_people_and_budgets(api: Api) -> None:
    _ok(api.post("/tenants", {"name": "newcomer", "residency": {"countries": ["FR"]}}), 201)
    assert _ok(api.get("/tenants/newcomer"))["residency"]["countries"] == ["FR"]
    changed = _ok(api.call("PATCH", "/tenants/newcomer", json={"display_name": "Nyköping נורדיק 北"}))
    assert (changed["display_name"], changed["residency"]["countries"]) == ("Nyköping נורדיק 北", ["FR"])
    _ok(api.post("/projects", {"tenant": "newcomer", "name": "lab"}), 201)
    assert _ok(api.get("/projects/newcomer/lab"))["tenant"] == "newcomer"
    assert _ok(api.call("PATCH", "/projects/newcomer/lab", json={"quota_devices": 2}))["quota_devices"] == 2
    assert (
        _ok(api.call("PATCH", "/projects/newcomer/lab", json={"quota_devices": None}))["quota_devices"]
        is None
    )
    made = _ok(api.post("/projects/newcomer/lab/keys", {"name": "app"}), 201)
    api.tokens["app"] = made["secret"]
    assert _ok(api.get("/me", "app"))["project"] == "newcomer/lab"
    assert [key["id"] for key in _ok(api.get("/projects/newcomer/lab/keys"))["items"]] == [made["key"]["id"]]
    assert made["secret"] not in api.get("/projects/newcomer/lab/keys").text
    assert _ok(api.call("PATCH", f"/keys/{made['key']['id']}", json={"disabled": True}))["disabled"] is True
    _error(api.get("/me", "app"), 401, "unauthenticated")
    person = _ok(api.post("/tenants/newcomer/users", {"name": "Ann", "role": "member"}), 201)
    assert person["user"]["tenant"] == "newcomer"
    assert len(_ok(api.get("/tenants/newcomer/users"))["items"]) == 1
    assert len(_ok(api.get("/users"))["items"]) >= 2
    _ok(api.post("/users", {"name": "Aud", "role": "auditor"}), 201)
    _ok(api.call("PUT", "/tenants/newcomer/budget", json={"budget_microeur": 700}))
    _ok(api.call("PUT", "/projects/newcomer/lab/budget", json={"budget_microeur": 500}))
    assert _ok(api.get("/projects/newcomer/lab/budget"))["left_microeur"] == 500
    assert _ok(api.get("/tenants/newcomer/budget"))["budget_microeur"] == 700
    _ok(api.call("PUT", "/projects/newcomer/lab/budget", json={"budget_microeur": None}))
    assert _ok(api.get("/projects/newcomer/lab/budget"))["left_microeur"] == 700


def test_prices(api: Api) -> None:
    _ok(api.post("/prices", {"resource": "device_time", "item": "h100-sxm", "price_microeur": 5}), 201)
    shown = _ok(api.get("/prices", "member"))["items"]
    assert {"h100-sxm", "*"} == {item["item"] for item in shown}


def test_artifacts(api: Api) -> None:
    content = b"corpus" * 1000
    digest = hashlib.sha256(content).hexdigest()
    params = {"project": "acme/lab", "name": "corpus", "digest": digest}
    made = _ok(api.call("POST", "/artifacts", "member", params=params, content=content), 201)
    assert (made["digest"], made["size_bytes"], made["kind"]) == (digest, 6000, "file")
    answer = api.get(f"/artifacts/{made['id']}/content", "member")
    assert (answer.content, answer.headers["x-digest-sha256"]) == (content, digest)
    assert [item["id"] for item in _ok(api.get("/artifacts", "member"))["items"]] == [made["id"]]
    assert _ok(api.get("/artifacts", "other"))["items"] == []
    _error(api.get(f"/artifacts/{made['id']}/content", "other"), 404, "not_found")
    _error(api.call("DELETE", f"/artifacts/{made['id']}", "other"), 404, "not_found")
    keyed = _ok(api.call("POST", "/artifacts", "key", params={"name": "mine"}, content=b"x"), 201)
    assert keyed["project"] == "acme/lab"
    assert api.call("DELETE", f"/artifacts/{made['id']}", "member").status_code == 204
    _error(api.get(f"/artifacts/{made['id']}"), 404, "not_found")


def test_an_upload_that_arrived_otherwise_is_not_kept(api: Api) -> None:
    before = api.world.dump()
    params = {"project": "acme/lab", "name": "corpus", "digest": "0" * 64}
    _error(api.call("POST", "/artifacts", params=params, content=b"other bytes"), 422, "invalid_input")
    api.world.control.blobs.size_bytes_max = 10
    params = {"project": "acme/lab", "name": "corpus"}
    _error(api.call("POST", "/artifacts", params=params, content=b"x" * 11), 422, "blob_too_large")
    assert api.world.changed(before) == set()
    assert [item.name for item in api.world.control.blobs.folder.rglob("*") if item.is_file()] == []


def test_jobs_runs_logs_and_why(api: Api) -> None:
    found = _ok(api.post("/jobs/estimate", JOB, "member"))
    assert found["amount_microeur_max"] == 60_000
    assert {site["site"] for site in found["sites"]} == {"essonne", "borlange"}
    job = _ok(api.post("/jobs", JOB, "member"), 201)
    view = _ok(api.get(f"/workloads/{job['id']}", "member"))
    assert (view["workload"]["name"], view["runs"]) == ("train", [])
    api.world.step()
    (run,) = _ok(api.get(f"/runs?workload={job['id']}", "member"))["items"]
    assert _ok(api.get(f"/runs/{run['id']}", "member"))["observed"] == "assigned"
    _error(api.get(f"/runs/{run['id']}", "other"), 404, "not_found")
    assert _ok(api.get("/runs", "other"))["items"] == []
    (placement,) = _ok(api.get(f"/workloads/{job['id']}/why", "member"))["placements"]
    assert (placement["run"], placement["site"]) == (run["id"], run["site"])
    who = "agent" if run["site"] == "essonne" else "other_agent"
    where = f"/agent/runs/{run['id']}"
    assert _ok(api.call("POST", f"{where}/logs?offset=0", who, content=b"step 1\n")) == {"next_offset": 7}
    assert _ok(api.call("POST", f"{where}/logs?offset=0", who, content=b"step 1\nstep 2\n")) == {
        "next_offset": 14
    }
    assert _ok(api.call("POST", f"{where}/logs?offset=3", who, content=b"p 1\n")) == {"next_offset": 14}
    gap = _error(api.call("POST", f"{where}/logs?offset=20", who, content=b"x"), 409, "offset_gap")
    assert gap["about"]["next_offset"] == 14
    _ok(api.call("POST", f"{where}/progress?offset=0", who, content=b'{"loss": 1}\n'))
    shown = api.get(f"/workloads/{job['id']}/logs", "member")
    assert (shown.text, shown.headers["x-next-offset"], shown.headers["x-run"]) == (
        "step 1\nstep 2\n",
        "14",
        run["id"],
    )
    assert api.get(f"/workloads/{job['id']}/logs?offset=7&limit=4", "member").text == "step"
    assert api.get(f"/workloads/{job['id']}/logs?offset=99", "member").text == ""
    assert json.loads(api.get(f"/workloads/{job['id']}/progress", "member").text) == {"loss": 1}
    _error(api.get(f"/workloads/{job['id']}/logs?run=run_none", "member"), 404, "not_found")
    stranger = "other_agent" if who == "agent" else "agent"
    _error(api.call("POST", f"{where}/logs?offset=14", stranger, content=b"x"), 404, "not_found")
    _error(
        api.call("POST", f"{where}/logs?offset=14", who, content=b"x" * (1 << 20 | 1)), 422, "invalid_input"
    )
    assert _ok(api.post(f"/workloads/{job['id']}/cancel", who="member"))["wanted"] == "stop"


def test_a_loss_that_is_not_a_number_is_shown(api: Api) -> None:
    """A run that diverges writes NaN; its site sends it, and everybody still sees the workload."""
    job, run, site = api.world.running()
    body = site.request().model_dump(mode="json")
    body["observations"] = [
        {"run": run.id, "generation": 1, "observed": "running", "progress": {"loss": float("nan"), "step": 3}}
    ]
    who = "agent" if run.site == "essonne" else "other_agent"
    headers = {"Content-Type": "application/json"}
    answer = api.call("POST", "/agent/sync", who, content=json.dumps(body), headers=headers)
    _ok(answer)
    assert _ok(api.get(f"/workloads/{job.id}", "member"))["progress"] == {"loss": None, "step": 3}
    # How good it is, is the tenant's own; how far it is, operators need to know.
    assert _ok(api.get(f"/workloads/{job.id}"))["progress"] == {"step": 3}


def test_models_gates_and_endpoints(api: Api) -> None:
    api.world.train("m")
    endpoint = {"project": "acme/lab", "name": "chat", "model": "m"}
    _error(api.post("/endpoints", endpoint, "member"), 409, "gate_not_passed")
    gate = {"metric": "loss", "baseline": "best", "rule": "at_most", "limit_permille": 1000}
    assert _ok(api.call("PUT", "/models/m/gate", json=gate)) == gate
    assert _ok(api.call("PUT", "/gate", json=gate)) == gate == _ok(api.get("/gate", "member"))
    api.world.evaluate("m", b'{"loss": 1, "best": 1}')
    assert _ok(api.get("/models/m", "member"))["stage"] == "validated"
    assert [item["id"] for item in _ok(api.get("/models", "member"))["items"]] == ["m"]
    assert _ok(api.get("/models", "other"))["items"] == []
    made = _ok(api.post("/endpoints", endpoint, "member"), 201)
    assert _ok(api.get("/endpoints", "member"))["items"][0]["workload"]["id"] == made["id"]
    assert _ok(api.call("PATCH", "/endpoints/chat", "member", json={"replicas": 2}))["spec"]["replicas"] == 2
    _error(api.post("/models/m/retire", who="member"), 409, "conflict")
    assert _ok(api.call("DELETE", "/endpoints/chat", "member"))["wanted"] == "stop"
    api.world.step()
    _error(api.get("/endpoints/chat", "member"), 404, "not_found")
    assert _ok(api.post("/models/m/retire", who="member"))["stage"] == "retired"


def test_the_switch_and_its_receipts(api: Api) -> None:
    off = _ok(api.post("/switch/off", {"scope": "site", "target": "essonne", "reason": "fire"}), 201)
    assert off["hold"]["generation"] == 1
    _error(api.post("/switch/off", {"scope": "site", "target": "essonne"}), 409, "conflict")
    _error(api.post("/switch/off", {"scope": "local", "target": "essonne"}), 422, "invalid_input")
    assert _ok(api.get("/switch"))["generation"] == 1
    answer = api.get(f"/switch/receipts/{off['receipt']}")
    assert answer.headers["x-complete"] == "false"
    for _ in range(2):
        api.world.sites["essonne"].sync()
        api.world.gateways["gw"].sync()
    api.world.step()
    answer = api.get(f"/switch/receipts/{off['receipt']}", "auditor")
    assert answer.headers["x-complete"] == "true"
    keys = Keyring.from_document(_ok(api.get("/keys/public", None)))
    assert verify_document(SignedDocument.from_document(answer.json()), keys).ok
    for form, media in (("html", "text/html"), ("text", "text/plain")):
        shown = api.get(f"/switch/receipts/{off['receipt']}?format={form}")
        assert shown.headers["content-type"].startswith(media)
        assert "fire" in shown.text
    assert [item["complete"] for item in _ok(api.get("/switch/receipts"))["items"]] == [True]
    _ok(api.post("/switch/on", {"scope": "site", "target": "essonne"}), 201)
    for path in ("/switch", "/switch/receipts", f"/switch/receipts/{off['receipt']}"):
        _error(api.get(path, "member"), 403, "forbidden")


def test_records_and_their_exports(api: Api, tmp_path: Any) -> None:
    gateway = api.world.gateways["gw"]
    gateway.sync()
    gateway.use("acme/lab", 10, 5)
    gateway.sync()
    api.world.clock.advance(10)
    credit = {"project": "acme/lab", "amount_microeur": 3, "note": "an outage"}
    assert _ok(api.post("/ledger/credits", credit), 201)["amount_microeur"] == -3
    api.world.clock.advance(10)
    invoice = _ok(api.post("/invoices", {"tenant": "acme"}), 201)
    assert len(_ok(api.get("/ledger", "member"))["items"]) == 3
    assert api.get("/ledger?tenant=acme", "other").status_code == 404
    assert _ok(api.get("/invoices", "member"))["items"][0]["total_microeur"] == 12
    assert _ok(api.get("/invoices", "other"))["items"] == []
    number = invoice["number"]
    keys = Keyring.from_document(_ok(api.get("/keys/public", None)))
    sealed = SignedDocument.from_document(_ok(api.get(f"/invoices/{number}", "member")))
    assert verify_document(sealed, keys).ok
    for form, media in (("html", "text/html"), ("text", "text/plain"), ("csv", "text/csv")):
        assert api.get(f"/invoices/{number}?format={form}").headers["content-type"].startswith(media)
    _error(api.get(f"/invoices/{number}?format=pdf"), 422, "invalid_input")
    checkpoint = sealed.checkpoint
    assert isinstance(checkpoint, Checkpoint)
    for chain in ("ledger", "audit"):
        path = tmp_path / f"{chain}.jsonl"
        path.write_bytes(api.get(f"/{chain}/export", "auditor").content)
        known = [checkpoint] if chain == "ledger" else []
        assert verify_export(path, keys, known).ok
        _error(api.get(f"/{chain}/export", "member"), 403, "forbidden")
    _error(api.get("/audit", "member"), 403, "forbidden")
    assert list(api.world.control.home.glob("export*")) == [], "no export is left behind"


def test_lists_come_in_pages(api: Api) -> None:
    for number in range(5):
        _ok(api.post("/jobs", {**JOB, "name": f"job-{number}"}), 201)
    for path, key in (
        ("/workloads", lambda item: item["workload"]["id"]),
        ("/audit", lambda item: item["seq"]),
    ):
        found: list[Any] = []
        after = ""
        while True:
            page = _ok(api.get(f"{path}?limit=2&after={after}"))
            assert len(page["items"]) <= 2
            found += [key(item) for item in page["items"]]
            if page["next"] is None:
                break
            after = page["next"]
        whole = [key(item) for item in _ok(api.get(f"{path}?limit=1000"))["items"]]
        assert found == whole
        assert len(set(found)) == len(found) >= 5
    assert _ok(api.get("/sites?limit=1"))["next"] == "borlange"
    assert [item["name"] for item in _ok(api.get("/sites?limit=1&after=borlange"))["items"]] == ["essonne"]
    _error(api.get("/sites?after=nowhere"), 422, "invalid_input")
    _error(api.get("/audit?after=x"), 422, "invalid_input")
    assert len(_ok(api.get("/workloads?kind=job&open=true&project=acme/lab"))["items"]) == 5
    assert _ok(api.get("/workloads?open=false"))["items"] == []
    _error(api.get("/workloads?kind=cron"), 422, "invalid_input")


def test_agents_move_their_own_bytes_alone(api: Api) -> None:
    params = {"project": "acme/lab", "name": "corpus"}
    corpus = _ok(api.call("POST", "/artifacts", params=params, content=b"secret corpus"), 201)
    spec = {"command": ["true"], "inputs": {"corpus": corpus["id"]}, "sites": ["essonne"]}
    blob = f"/agent/blobs/{corpus['digest']}"
    _error(api.get(blob, "agent"), 404, "not_found")
    _ok(api.post("/jobs", {**JOB, "spec": spec}), 201)
    api.world.step()
    assert api.get(blob, "agent").content == b"secret corpus"
    _error(api.get(blob, "other_agent"), 404, "not_found")
    for who in ("operator", "key", "gateway"):
        _error(api.get(blob, who), 401, "unauthenticated")
    content = b"weights"
    digest = hashlib.sha256(content).hexdigest()
    assert api.call("PUT", f"/agent/blobs/{digest}", "agent", content=content).status_code == 201
    assert api.call("PUT", f"/agent/blobs/{digest}", "agent", content=content).status_code == 200
    _error(api.call("PUT", f"/agent/blobs/{'0' * 64}", "agent", content=content), 422, "invalid_input")
    for odd in ("..%2f..%2fetc%2fpasswd", "x", "A" * 64):
        assert api.call("PUT", f"/agent/blobs/{odd}", "agent", content=content).status_code in (404, 422)


@pytest.mark.parametrize("who", ["operator", "member", "key", "nobody", None])
def test_processes_doors_take_no_people(api: Api, who: str | None) -> None:
    site = api.world.sites["essonne"]
    gateway = api.world.gateways["gw"]
    before = api.world.dump()
    sent = site.request().model_dump(mode="json")
    _error(api.post("/agent/sync", sent, who), 401, "unauthenticated")
    _error(api.post("/agent/sync", sent, "other_agent"), 403, "forbidden")
    _error(api.post("/gateway/sync", gateway.request().model_dump(mode="json"), who), 401, "unauthenticated")
    assert api.world.changed(before) == set()


def test_the_exchanges_over_http(api: Api) -> None:
    site, gateway = api.world.sites["essonne"], api.world.gateways["gw"]
    heard = _ok(api.post("/agent/sync", site.request().model_dump(mode="json"), "agent"))
    assert (heard["runs"], heard["holds"]) == ([], [])
    lease = _ok(api.post("/gateway/sync", gateway.request().model_dump(mode="json"), "gateway"))["lease"]
    assert lease["body"]["gateway"] == "gw"
    wrong = {**site.request().model_dump(mode="json"), "nodes": [{"name": "x"}]}
    _error(api.post("/agent/sync", wrong, "agent"), 422, "invalid_input")


def test_asking_twice_with_a_key_does_it_once(api: Api) -> None:
    headers = {"Idempotency-Key": "once-1"}
    first = _ok(api.post("/jobs", JOB, "member", headers=headers), 201)
    before = api.world.dump()
    assert _ok(api.post("/jobs", JOB, "member", headers=headers), 201) == first
    assert api.world.changed(before) == set()
    _error(api.post("/jobs", {**JOB, "name": "other"}, "member", headers=headers), 409, "conflict")
    assert _ok(api.post("/jobs", JOB, "admin", headers=headers), 201)["id"] != first["id"]
    assert _ok(api.post("/jobs", JOB, "member"), 201)["id"] != first["id"]
    _error(api.post("/jobs", JOB, "member", headers={"Idempotency-Key": "x" * 201}), 422, "invalid_input")


def test_a_refusal_is_not_kept_under_a_key(api: Api) -> None:
    headers = {"Idempotency-Key": "try"}
    endpoint = {"project": "acme/lab", "name": "chat", "model": "m"}
    _error(api.post("/endpoints", endpoint, "member", headers=headers), 404, "not_found")
    api.world.passed("m")
    _ok(api.post("/endpoints", endpoint, "member", headers=headers), 201)


def test_a_secret_is_not_kept_for_a_repeat(api: Api) -> None:
    headers = {"Idempotency-Key": "key"}
    first = _ok(api.post("/projects/acme/lab/keys", {"name": "a"}, headers=headers), 201)
    again = _ok(api.post("/projects/acme/lab/keys", {"name": "a"}, headers=headers), 201)
    assert (again["key"], again["secret"]) == (first["key"], "")
    assert first["secret"] not in str(api.world.dump())


def test_a_crash_between_doing_and_answering_does_it_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from bruk.store import money

    def crash(*_arguments: object) -> None:
        raise RuntimeError("the machine went away")

    headers = {"Idempotency-Key": "crash"}
    with monkeypatch.context() as patch:
        patch.setattr(money, "complete_answer", crash)
        assert api.post("/jobs", JOB, headers=headers).status_code == 500
    _error(api.post("/jobs", JOB, headers=headers), 409, "answer_lost")
    assert len(_ok(api.get("/workloads"))["items"]) == 1


def test_a_defect_is_said_to_be_one_and_changes_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from bruk.control import jobs

    def broken(*_arguments: object, **_more: object) -> None:
        raise ZeroDivisionError

    before = api.world.dump()
    monkeypatch.setattr(jobs, "submit", broken)
    body = api.post("/jobs", JOB).json()
    assert (body["code"], body["status"]) == ("internal_error", 500)
    assert "ZeroDivision" not in json.dumps(body)
    assert api.world.changed(before) == set()


@pytest.mark.parametrize("path", ["/jobs", "/login", "/agent/sync", "/gateway/sync", "/sites"])
@pytest.mark.parametrize("who", [None, "operator", "agent"])
def test_a_body_of_100_mb_is_refused_before_it_is_read(still: Api, path: str, who: str | None) -> None:
    before = still.world.dump()
    headers = {"Content-Length": str(100 << 20), "Content-Type": "application/json"}
    body = _error_413(still.call("POST", path, who, content=b"{", headers=headers))
    assert "bytes" in body["detail"]
    assert still.world.changed(before) == set()


def _error_413(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 413, answer.text
    body = answer.json()
    assert body["code"] == "too_large"
    return dict(body)


class Body:
    """A body without a stated length, in pieces, as an ASGI server hands it over."""

    def __init__(self, pieces: int) -> None:
        self.pieces, self.read = pieces, 0

    async def receive(self) -> dict[str, Any]:
        self.read += 1
        return {"type": "http.request", "body": b" " * (1 << 20), "more_body": self.read < self.pieces}


@pytest.mark.parametrize(("path", "limit_mb"), [("/jobs", 2), ("/agent/sync", 16)])
def test_a_body_without_a_length_is_cut_at_the_limit(still: Api, path: str, limit_mb: int) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    body = Body(100)
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/api/v1{path}",
        "raw_path": f"/api/v1{path}".encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    asyncio.run(still.app(scope, body.receive, send))
    assert sent[0]["status"] == 413
    assert body.read <= limit_mb + 2
