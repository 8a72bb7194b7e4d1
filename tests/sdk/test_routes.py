"""Every method asks the route that it should, with a body that the server's own shapes accept."""

import json
from collections.abc import Callable

import httpx
import pytest
from pydantic import BaseModel

from bruk.model.artifact import Gate, GateRule
from bruk.model.errors import InvalidInput
from bruk.model.tenant import ApiKey, Tenant
from bruk.model.workload import EndpointSpec
from bruk.sdk import Client
from bruk.wire import access, codec, requests

TENANT = codec.dump(Tenant("acme", "Acme"))
PROJECT = {"tenant": "acme", "name": "models", "display_name": ""}
KEY = codec.dump(ApiKey("key_1", "acme/models", "", "bk_x", "0" * 64, 1))
SITE = {"name": "essonne", "display_name": "", "country": "FR", "grid_zone": "FR", "operator": ""}
USER = {"id": "user_1", "name": "Ada", "role": "member", "tenant": "acme"}
GATEWAY = {"name": "gw", "site": "essonne", "created_at_ms": 1}
SIGNING_KEY = {"number": 1, "key_id": "0" * 16, "public_key": "ed25519:a", "from_ms": 1}
NODE = {
    "site": "essonne",
    "name": "n-1",
    "pool": "cpu",
    "accelerator": "cpu-slot",
    "devices": 2,
    "cpu_milli": 2000,
    "memory_bytes": 1,
}
MODEL = {"id": "m", "project": "acme/models", "artifact": "art_1", "stage": "draft", "created_at_ms": 1}
HOLD = {
    "id": "hold_1",
    "scope": "site",
    "target": "essonne",
    "generation": 1,
    "raised_by": "u",
    "raised_at_ms": 1,
}
PRICE = {
    "resource": "device_time",
    "item": "*",
    "version": 1,
    "price_microeur": 1,
    "effective_from_ms": 1,
}
GATE = codec.dump(Gate("a", "b", GateRule.AT_MOST, 900))
WORKLOAD = {
    "id": "job_1",
    "name": "x",
    "project": "acme/models",
    "kind": "job",
    "spec": {"command": ["true"]},
    "created_at_ms": 1,
    "created_by": "u",
}
ENDPOINT = {**WORKLOAD, "kind": "endpoint", "spec": codec.dump(EndpointSpec("m"))}
SWITCH = {"generation": 1, "holds": [HOLD], "local_holds": [], "acknowledgements": []}
SPENT = {"budget_microeur": None, "spent_microeur": 1, "committed_microeur": 2}
BOUNDS = {"amount_microeur_max": 1, "device_ms_max": 2, "sites": []}
WHY = {"workload": WORKLOAD, "waiting_for": None, "placements": []}
INVOICE = {"number": "1", "tenant": "acme", "from_ms": 0, "to_ms": 1, "issued_at_ms": 1, "document": {}}
JOB = requests.JobBody(name="x", spec=requests.JobSpecBody(command=["true"]))
BUDGET = requests.BudgetBody

# What is called, the request that must follow, the shape its body must fit, and an answer.
CALLS: list[tuple[Callable[[Client], object], str, str, type[BaseModel] | None, object]] = [
    (lambda c: c.status(), "GET", "/status", None, {"version": "1", "sites": [], "switch": SWITCH}),
    (lambda c: c.me(), "GET", "/me", None, {"kind": "user", "id": "user_1", "role": "operator"}),
    (lambda c: c.login("x" * 20), "POST", "/login", requests.LoginBody, {"user": USER, "token": "t"}),
    (lambda c: c.logout(), "POST", "/logout", None, None),
    (lambda c: c.public_keys(), "GET", "/keys/public", None, {}),
    (lambda c: c.sites.get("essonne"), "GET", "/sites/essonne", None, SITE),
    (
        lambda c: c.sites.add(requests.SiteBody(name="essonne", country="FR", grid_zone="FR")),
        "POST",
        "/sites",
        requests.SiteBody,
        {"site": SITE, "token": "t"},
    ),
    (
        lambda c: c.sites.change("essonne", requests.SiteChange(operator="x")),
        "PATCH",
        "/sites/essonne",
        requests.SiteChange,
        SITE,
    ),
    (lambda c: c.sites.drain("essonne", "n-1"), "POST", "/sites/essonne/nodes/n-1/drain", None, NODE),
    (lambda c: c.sites.undrain("essonne", "n-1"), "POST", "/sites/essonne/nodes/n-1/undrain", None, NODE),
    (lambda c: c.tenants.get("acme"), "GET", "/tenants/acme", None, TENANT),
    (
        lambda c: c.tenants.add(requests.TenantBody(name="acme")),
        "POST",
        "/tenants",
        requests.TenantBody,
        TENANT,
    ),
    (
        lambda c: c.tenants.change("acme", requests.TenantChange(weight=2)),
        "PATCH",
        "/tenants/acme",
        requests.TenantChange,
        TENANT,
    ),
    (
        lambda c: c.users.add(requests.UserBody(name="Ada", role="member", tenant="acme")),
        "POST",
        "/tenants/acme/users",
        requests.UserBody,
        {"user": USER, "login_token": "t"},
    ),
    (lambda c: list(c.users.list()), "GET", "/users", None, {"items": [USER], "next": None}),
    (
        lambda c: list(c.users.list("acme")),
        "GET",
        "/tenants/acme/users",
        None,
        {"items": [USER], "next": None},
    ),
    (
        lambda c: c.users.change("user_1", access.UserChange(disabled=True)),
        "PATCH",
        "/users/user_1",
        access.UserChange,
        USER,
    ),
    (
        lambda c: c.users.new_link("user_1"),
        "POST",
        "/users/user_1/login-link",
        None,
        {"user": USER, "login_token": "t"},
    ),
    (
        lambda c: c.users.credentials("user_1"),
        "GET",
        "/users/user_1/credentials",
        None,
        {"user": USER, "held": []},
    ),
    (lambda c: c.users.end("cred_1"), "DELETE", "/credentials/cred_1", None, None),
    (
        lambda c: c.users.end_all("user_1", keep_this=True),
        "POST",
        "/users/user_1/credentials/end",
        access.EndBody,
        {"ended": 1},
    ),
    (
        lambda c: c.users.rotate_token(1_000),
        "POST",
        "/token/rotate",
        access.RotateBody,
        {"id": "cred_1", "token": "t", "expires_at_ms": 1},
    ),
    (
        lambda c: c.projects.rotate_key("key_1", 1_000),
        "POST",
        "/keys/key_1/rotate",
        access.RotateBody,
        {"key": KEY, "secret": "s"},
    ),
    (
        lambda c: c.gateways.add(requests.GatewayBody(name="gw", site="essonne")),
        "POST",
        "/gateways",
        requests.GatewayBody,
        {"gateway": GATEWAY, "token": "t"},
    ),
    (lambda c: list(c.gateways.list()), "GET", "/gateways", None, {"items": [GATEWAY], "next": None}),
    (lambda c: c.gateways.renew_token("gw"), "POST", "/gateways/gw/token", None, {"token": "t"}),
    (lambda c: c.signing_keys.list(), "GET", "/signing-keys", None, [SIGNING_KEY]),
    (
        lambda c: c.signing_keys.rotate(5),
        "POST",
        "/signing-keys/rotate",
        access.SigningKeyBody,
        SIGNING_KEY,
    ),
    (lambda c: c.tenants.budget("acme"), "GET", "/tenants/acme/budget", None, SPENT),
    (lambda c: c.tenants.set_budget("acme", None), "PUT", "/tenants/acme/budget", BUDGET, TENANT),
    (lambda c: c.projects.get("acme/models"), "GET", "/projects/acme/models", None, PROJECT),
    (
        lambda c: c.projects.add(requests.ProjectBody(tenant="acme", name="models")),
        "POST",
        "/projects",
        requests.ProjectBody,
        PROJECT,
    ),
    (
        lambda c: c.projects.change("acme/models", requests.ProjectChange(quota_devices=2)),
        "PATCH",
        "/projects/acme/models",
        requests.ProjectChange,
        PROJECT,
    ),
    (
        lambda c: c.projects.add_key("acme/models", requests.KeyBody()),
        "POST",
        "/projects/acme/models/keys",
        requests.KeyBody,
        {"key": KEY, "secret": "bk_x"},
    ),
    (
        lambda c: c.projects.change_key("key_1", requests.KeyChange(disabled=True)),
        "PATCH",
        "/keys/key_1",
        requests.KeyChange,
        KEY,
    ),
    (lambda c: c.projects.budget("acme/models"), "GET", "/projects/acme/models/budget", None, SPENT),
    (
        lambda c: c.projects.set_budget("acme/models", 5),
        "PUT",
        "/projects/acme/models/budget",
        BUDGET,
        PROJECT,
    ),
    (
        lambda c: c.prices.set(requests.PriceBody(resource="device_time", price_microeur=1)),
        "POST",
        "/prices",
        requests.PriceBody,
        PRICE,
    ),
    (lambda c: c.workloads.submit(JOB), "POST", "/jobs", requests.JobBody, WORKLOAD),
    (lambda c: c.workloads.estimate(JOB), "POST", "/jobs/estimate", requests.JobBody, BOUNDS),
    (lambda c: c.workloads.get("job_1"), "GET", "/workloads/job_1", None, {"workload": WORKLOAD}),
    (lambda c: c.workloads.cancel("job_1"), "POST", "/workloads/job_1/cancel", None, WORKLOAD),
    (lambda c: c.workloads.why("job_1"), "GET", "/workloads/job_1/why", None, WHY),
    (lambda c: c.artifacts.remove("art_1"), "DELETE", "/artifacts/art_1", None, None),
    (
        lambda c: c.users.add(requests.UserBody(name="Ada", role="auditor")),
        "POST",
        "/users",
        requests.UserBody,
        {"user": {**USER, "role": "auditor", "tenant": None}, "login_token": "t"},
    ),
    (lambda c: c.sites.renew_token("essonne"), "POST", "/sites/essonne/token", None, {"token": "t"}),
    (lambda c: c.endpoints.get("m"), "GET", "/endpoints/m", None, {"workload": ENDPOINT}),
    (
        lambda c: c.endpoints.add(requests.EndpointBody(name="m", model="m")),
        "POST",
        "/endpoints",
        requests.EndpointBody,
        ENDPOINT,
    ),
    (
        lambda c: c.models.set_gate("m", requests.GateBody()),
        "PUT",
        "/models/m/gate",
        requests.GateBody,
        GATE,
    ),
    (lambda c: c.models.gate(), "GET", "/gate", None, GATE),
    (
        lambda c: c.models.set_default_gate(requests.GateBody(limit_permille=800)),
        "PUT",
        "/gate",
        requests.GateBody,
        GATE,
    ),
    (lambda c: c.models.retire("m"), "POST", "/models/m/retire", None, MODEL),
    (lambda c: c.endpoints.scale("m", 2), "PATCH", "/endpoints/m", requests.EndpointChange, ENDPOINT),
    (lambda c: c.endpoints.remove("m"), "DELETE", "/endpoints/m", None, ENDPOINT),
    (lambda c: c.switch.state(), "GET", "/switch", None, SWITCH),
    (
        lambda c: c.switch.off(requests.SwitchBody(scope="site", target="essonne")),
        "POST",
        "/switch/off",
        requests.SwitchBody,
        {"hold": HOLD, "receipt": "rcpt_1"},
    ),
    (
        lambda c: c.switch.on(requests.SwitchBody(scope="site", target="essonne")),
        "POST",
        "/switch/on",
        requests.SwitchBody,
        {"hold": HOLD, "receipt": "rcpt_2"},
    ),
    (lambda c: c.switch.receipt("rcpt_1"), "GET", "/switch/receipts/rcpt_1", None, {}),
    (
        lambda c: c.invoices.issue(requests.InvoiceBody(tenant="acme")),
        "POST",
        "/invoices",
        requests.InvoiceBody,
        INVOICE,
    ),
    (lambda c: c.invoices.get("BRUK-000001"), "GET", "/invoices/BRUK-000001", None, {}),
]


@pytest.mark.parametrize(
    ("call", "method", "path", "shape", "answer"), CALLS, ids=[f"{c[1]} {c[2]}" for c in CALLS]
)
def test_a_method_asks_its_route(call, method, path, shape, answer):
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204) if answer is None else httpx.Response(200, json=answer)

    with Client("http://127.0.0.1:1", "token", line=httpx.MockTransport(handler)) as control:
        call(control)
    assert [(request.method, request.url.path) for request in seen] == [(method, f"/api/v1{path}")]
    if shape is None:
        assert seen[0].content == b""
    else:
        shape.model_validate_json(seen[0].content)


def test_an_endpoint_is_read_as_one():
    line = httpx.MockTransport(lambda request: httpx.Response(200, json={"workload": ENDPOINT}))
    with Client("http://127.0.0.1:1", line=line) as control:
        assert control.endpoints.get("m").workload.endpoint.model == "m"


def test_what_a_change_leaves_out_is_left_out_on_the_line():
    bodies = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json=KEY)

    with Client("http://127.0.0.1:1", line=httpx.MockTransport(handler)) as control:
        control.projects.change_key("key_1", requests.KeyChange(expires_at_ms=None))
        control.projects.change_key("key_1", requests.KeyChange(disabled=True))
    assert bodies == [{"expires_at_ms": None}, {"disabled": True}]


@pytest.mark.parametrize("project", ["acme", "", "a/b/c", "/b", "a/"])
def test_a_project_that_is_none_is_refused(project):
    line = httpx.MockTransport(lambda request: httpx.Response(500))
    with Client("http://127.0.0.1:1", line=line) as control, pytest.raises(InvalidInput, match="tenant/name"):
        control.projects.get(project)
