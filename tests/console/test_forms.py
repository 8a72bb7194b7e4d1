"""Every form: refused without its token, for whoever may not, and when it says nothing sound."""

import re

import pytest
from fastapi.routing import APIRoute

from bruk.control import access, jobs, persons, switch, tenancy
from bruk.model.workload import Wanted
from bruk.store import records
from bruk.wire.requests import ProjectChange, RateLimitsBody


def _token(browser, path="/people"):
    return re.search(r'name="form_token" value="([0-9a-f]+)"', browser.get(path).text)[1]


def _audit(cloud):
    with cloud.control.read() as connection:
        return records.head(connection, records.AUDIT).seq


def _posts(cloud):
    """Every route of the console that takes a form, with something in its blanks."""
    blanks = {
        "{name}": "essonne",
        "{node}": "ess-01",
        "{workload}": cloud.jobs["finetune-support"].id,
        "{key}": "key_1",
        "{user}": cloud.actors["member"].id,
        "{credential}": "cred_1",
        "{model}": "code-small",
    }
    found = []
    for route in _routes(cloud.app().routes):
        if "POST" in route.methods and route.path != "/login":
            path = route.path
            for blank, value in blanks.items():
                path = path.replace(blank, value)
            found.append(path)
    return found


def _routes(routes):
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from _routes(route.original_router.routes)


def test_no_form_is_taken_without_its_token(cloud):
    paths = _posts(cloud)
    assert len(paths) >= 12, paths
    browsers = {who: cloud.client(who) for who in ("acme", "operator")}
    before = _audit(cloud)
    for path in paths:
        # What a tenant alone decides is refused to an operator before the form is looked at.
        browser = browsers["acme" if path.startswith("/access/") else "operator"]
        for given in [{}, {"form_token": "wrong"}, {"form_token": "0" * 64}]:
            answer = browser.post(path, data={"scope": "platform", "reason": "x", **given})
            assert answer.status_code == 403, path
            assert "form_stale" in answer.text, path
        assert cloud.client().post(path).status_code == 401, path
    assert _audit(cloud) == before


def test_a_token_of_another_session_does_not_do(cloud):
    other = _token(cloud.client("acme"))
    browser = cloud.client("operator")
    answer = browser.post("/switch/off", data={"form_token": other, "scope": "platform", "reason": "x"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "told",
    [
        {"Origin": "http://elsewhere.example"},
        {"Origin": "http://testserver.elsewhere.example"},
        {"Origin": "http://testserver:8080"},
        {"Origin": "http://testserver@elsewhere.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_what_a_browser_says_another_site_sent_changes_nothing_even_with_the_token(cloud, told):
    browser = cloud.client("operator")
    form = {"form_token": _token(browser), "scope": "platform", "reason": "x"}
    before = _audit(cloud)
    # What a tenant alone decides is refused to an operator before the form is looked at.
    for path in [path for path in _posts(cloud) if not path.startswith("/access/")]:
        answer = browser.post(path, data=form, headers={"Bruk-Form": form["form_token"], **told})
        assert answer.status_code == 403, path
        assert "another site" in answer.text, path
    assert _audit(cloud) == before


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"Origin": "http://testserver"},
        {"Origin": "https://TESTSERVER"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://bruk.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_a_form_of_the_consoles_own_is_taken_however_the_browser_says_so(cloud, told):
    browser = cloud.client("operator")
    form = {"form_token": _token(browser), "name": "New", "role": "auditor"}
    assert browser.post("/people", data=form, headers=told).status_code < 400


def test_a_site_is_turned_off_with_a_reason_and_on_again_with_a_receipt(cloud):
    browser = cloud.client("operator")
    token = _token(browser)
    site = {"form_token": token, "scope": "site", "target": "borlange"}
    shown = browser.get("/switch/turn?scope=site&target=borlange").text
    assert "finetune-support" in shown
    assert browser.post("/switch/off", data={**site, "reason": "  "}).status_code == 422
    off = browser.post("/switch/off", data={**site, "reason": "<b>pump</b>"})
    assert off.status_code == 303
    receipt = browser.get(off.headers["location"]).text
    assert "no word yet from agent borlange" in receipt
    assert "&lt;b&gt;pump&lt;/b&gt;" in receipt
    assert browser.post("/switch/off", data={**site, "reason": "again"}).status_code == 409
    assert "pump" in browser.get("/").text
    assert "pump" not in cloud.client("acme").get("/").text
    on = browser.post("/switch/on", data=site)
    assert on.status_code == 303
    assert browser.post("/switch/on", data=site).status_code == 404
    sealed = browser.get(on.headers["location"] + "/sealed")
    assert sealed.headers["content-disposition"].startswith("attachment")
    document = browser.get(on.headers["location"] + "/document")
    assert "sandbox" in document.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"scope": "site", "target": "nowhere"}, 404),
        ({"scope": "local", "target": "essonne"}, 422),
        ({"scope": "moon"}, 422),
        ({"scope": "platform", "target": "essonne"}, 422),
        ({"scope": "site", "target": "x" * 300}, 422),
    ],
)
def test_what_cannot_be_turned_off_is_said(cloud, form, status):
    browser = cloud.client("operator")
    answer = browser.post("/switch/off", data={"form_token": _token(browser), "reason": "why", **form})
    assert answer.status_code == status
    with cloud.control.read() as connection:
        assert switch.state(connection).holds == ()


@pytest.mark.parametrize("who", ["auditor", "member", "acme"])
def test_only_operators_turn_the_switch(cloud, who):
    browser = cloud.client(who)
    form = {"form_token": _token(browser), "scope": "platform", "reason": "mine"}
    answer = browser.post("/switch/off", data=form)
    assert answer.status_code == 403
    assert "This is for platform operators, site operators only" in answer.text


def test_auditors_change_nothing_even_with_a_good_token(cloud):
    browser = cloud.client("auditor")
    token = _token(browser)
    job = cloud.jobs["finetune-support"].id
    for path, form in [
        (f"/workloads/{job}/cancel", {}),
        ("/endpoints/code/scale", {"replicas": 0}),
        ("/people/keys", {"project": "acme/lab"}),
        ("/people", {"name": "x", "role": "operator"}),
        ("/invoices", {"tenant": "acme"}),
        ("/sites/essonne/nodes/ess-01", {"drained": "true"}),
    ]:
        assert browser.post(path, data={"form_token": token, **form}).status_code == 403, path
    assert jobs.get(cloud.control, cloud.operator, job).wanted is Wanted.RUN


def test_a_job_is_cancelled(cloud):
    browser = cloud.client("acme")
    job = cloud.jobs["finetune-support"].id
    assert browser.post(f"/workloads/{job}/cancel", data={"form_token": _token(browser)}).status_code == 303
    assert jobs.get(cloud.control, cloud.operator, job).wanted is Wanted.STOP


def test_an_endpoint_is_scaled_and_removed_only_when_meant(cloud):
    browser = cloud.client("acme")
    token = _token(browser)
    assert (
        browser.post("/endpoints/code/scale", data={"form_token": token, "replicas": "-1"}).status_code == 422
    )
    assert (
        browser.post("/endpoints/code/scale", data={"form_token": token, "replicas": "2"}).status_code == 303
    )
    assert "of 2 wanted" in browser.get("/endpoints").text
    assert browser.post("/endpoints/code/remove", data={"form_token": token}).status_code == 422
    answer = browser.post("/endpoints/code/remove", data={"form_token": token, "confirmed": "code"})
    assert answer.status_code == 303
    assert "stopping" in browser.get("/endpoints").text


def test_a_model_is_served_under_a_sound_name(cloud):
    browser = cloud.client("acme")
    form = {"form_token": _token(browser), "model": "code-small", "replicas": 1}
    assert browser.post("/endpoints", data={**form, "name": "../up"}).status_code == 422
    assert browser.post("/endpoints", data={**form, "name": "code"}).status_code == 409
    assert browser.post("/endpoints", data={**form, "name": "second"}).status_code == 303
    assert "second" in browser.get("/endpoints").text


def test_a_key_is_shown_once_works_and_stops_working(cloud):
    browser = cloud.client("acme")
    token = _token(browser)
    made = browser.post(
        "/people/keys", data={"form_token": token, "project": "acme/lab", "name": "<i>app</i>", "days": 30}
    )
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    assert "&lt;i&gt;app&lt;/i&gt;" in made.text
    secret = re.search(r'value="(bk_[^"]+)"', made.text)[1]
    actor = access.actor_of(cloud.control, secret)
    assert actor.project == "acme/lab"
    assert secret not in browser.get("/people").text
    assert (
        browser.post(f"/people/keys/{actor.id}", data={"form_token": token, "disabled": "true"}).status_code
        == 303
    )
    with pytest.raises(access.Unauthenticated):
        access.actor_of(cloud.control, secret)


def test_a_new_person_gets_a_link_that_works_once(cloud):
    browser = cloud.client("acme")
    form = {"form_token": _token(browser), "name": "Zoë", "role": "member"}
    made = browser.post("/people", data=form)
    secret = re.search(r"login\?token=([^\"&]+)", made.text)[1]
    cloud.logins["zoe"] = secret
    assert "Zoë" in cloud.client("zoe").get("/").text
    assert browser.post("/people", data={**form, "role": "operator"}).status_code in (403, 422)
    assert browser.post("/people", data={**form, "tenant": "lumen"}).status_code == 404


def test_a_node_is_drained(cloud):
    browser = cloud.client("operator")
    form = {"form_token": _token(browser), "drained": "true"}
    assert browser.post("/sites/essonne/nodes/ess-01", data=form).status_code == 303
    assert "drained" in browser.get("/sites/essonne").text
    assert browser.post("/sites/essonne/nodes/none", data=form).status_code == 404


def test_a_form_that_is_too_large_is_refused_unread(cloud):
    browser = cloud.client("operator")
    answer = browser.post("/switch/off", data={"reason": "x" * 300_000})
    assert answer.status_code == 413
    assert "body_too_large" in answer.text

    def chunks():
        for _ in range(400):
            yield b"x" * 1024

    streamed = browser.post("/login", content=chunks())
    assert streamed.status_code == 413


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"--x", "multipart/form-data"),
        (b"{", "application/json"),
    ],
)
def test_a_broken_body_is_refused_and_changes_nothing(cloud, content, kind):
    browser = cloud.client("operator")
    before = _audit(cloud)
    answer = browser.post("/switch/off", content=content, headers={"Content-Type": kind})
    assert answer.status_code in (403, 422)
    assert _audit(cloud) == before


def test_a_gate_is_set_by_operators_and_a_model_retired_only_when_meant(cloud):
    operator, tenant = cloud.client("operator"), cloud.client("acme")
    gate = {"form_token": _token(tenant), "percent": "80"}
    assert tenant.post("/models/code-small/gate", data=gate).status_code == 403
    for wrong in ["-1", "x", "nan", "inf", "1e9"]:
        form = {"form_token": _token(operator), "percent": wrong}
        assert operator.post("/models/code-small/gate", data=form).status_code == 422, wrong
    assert operator.post("/models/code-small/gate", data={**form, "percent": "80"}).status_code == 303
    assert "This model has a gate of its own" in operator.get("/models/code-small").text
    mine = {"form_token": _token(tenant)}
    assert tenant.post("/models/code-small/retire", data=mine).status_code == 422
    served = tenant.post("/models/code-small/retire", data={**mine, "confirmed": "code-small"})
    assert served.status_code == 409
    assert "remove it first" in served.text


def test_a_rotated_key_shows_its_new_secret_once_and_the_old_one_works_on_for_an_hour(cloud):
    browser = cloud.client("acme")
    token = _token(browser)
    made = browser.post("/people/keys", data={"form_token": token, "project": "acme/lab", "name": "app"})
    old = re.search(r'value="(bk_[^"]+)"', made.text)[1]
    key = access.actor_of(cloud.control, old).id
    rotated = browser.post(f"/people/keys/{key}/rotate", data={"form_token": token})
    assert rotated.headers["cache-control"] == "no-store"
    new = re.search(r'value="(bk_[^"]+)"', rotated.text)[1]
    assert access.actor_of(cloud.control, new) == access.actor_of(cloud.control, old)
    assert "the secret before works until" in browser.get("/people").text
    assert new not in browser.get("/people").text
    cloud.clock.advance(3_600_000)
    with pytest.raises(access.Unauthenticated):
        access.actor_of(cloud.control, old)
    assert access.actor_of(cloud.control, new).id == key


def test_a_person_logs_out_everywhere_else_and_ends_one_by_one(cloud):
    me = cloud.actors["member"].id
    here = cloud.client("member")
    _, link = persons.new_link(cloud.control, cloud.operator, me)
    _, elsewhere = access.log_in(cloud.control, link, "token")
    page = here.get(f"/people/{me}").text
    assert page.count(">End</button>") == 2
    assert "this one" in page
    assert elsewhere not in page
    answer = here.post(f"/people/{me}/end", data={"form_token": _token(here)})
    assert answer.status_code == 303
    with pytest.raises(access.Unauthenticated):
        access.actor_of(cloud.control, elsewhere)
    page = here.get(f"/people/{me}").text
    (mine,) = re.findall(rf"/people/{me}/credentials/(cred_\w+)", page)
    here.post(f"/people/{me}/credentials/{mine}", data={"form_token": _token(here)})
    assert here.get("/").headers["location"] == "/login"


def test_an_administrator_disables_enables_and_makes_a_link(cloud):
    person = cloud.actors["member"].id
    member, browser = cloud.client("member"), cloud.client("acme")
    token = _token(browser)
    assert (
        browser.post(f"/people/{person}", data={"form_token": token, "disabled": "true"}).status_code == 303
    )
    assert member.get("/").headers["location"] == "/login"
    page = browser.get(f"/people/{person}").text
    assert "Nothing lets this person in" in page
    assert browser.post(f"/people/{person}/login-link", data={"form_token": token}).status_code == 409
    browser.post(f"/people/{person}", data={"form_token": token, "disabled": "false"})
    made = browser.post(f"/people/{person}/login-link", data={"form_token": token})
    assert made.headers["cache-control"] == "no-store"
    secret = re.search(r"login\?token=([^\"&]+)", made.text)[1]
    assert access.log_in(cloud.control, secret)[0].id == person
    assert secret not in browser.get(f"/people/{person}").text


@pytest.mark.parametrize(
    ("who", "whom", "status"),
    [
        ("member", "acme", 403),
        ("lumen", "member", 404),
        ("acme", "operator", 404),
        ("auditor", "member", 403),
        ("acme", "nobody", 404),
    ],
)
def test_a_persons_page_is_theirs_and_their_administrators(cloud, who, whom, status):
    browser = cloud.client(who)
    person = cloud.operator.id if whom == "operator" else "user_none"
    person = cloud.actors[whom].id if whom in cloud.actors and whom != "operator" else person
    assert browser.get(f"/people/{person}").status_code == (200 if who == "auditor" else status)
    before = _audit(cloud)
    data = {"form_token": _token(browser, "/people"), "disabled": "true"}
    for path in ("", "/login-link", "/end"):
        assert browser.post(f"/people/{person}{path}", data=data).status_code == status
    assert _audit(cloud) - before == (3 if status == 403 else 0), "refusals are audited"


def test_a_session_that_only_refreshes_its_pages_ends_after_half_an_hour(cloud):
    browser = cloud.client("member")
    assert browser.get("/").status_code == 200
    part = {"Bruk-Fragment": "overview", "HX-Request": "true"}
    for _ in range(6):
        cloud.clock.advance(4 * 60_000)
        assert browser.get("/", headers=part).status_code in (200, 204)
    cloud.clock.advance(6 * 60_000)
    assert browser.get("/", headers=part).status_code == 401
    assert browser.get("/").headers["location"] == "/login"


def test_a_new_login_ends_the_session_that_the_browser_had(cloud):
    browser = cloud.client("member")
    before = browser.cookies["bruk_session"]
    _, link = persons.new_link(cloud.control, cloud.operator, cloud.actors["member"].id)
    form = re.search(r'name="form_token" value="([0-9a-f]+)"', browser.get(f"/login?token={link}").text)[1]
    assert browser.post("/login", data={"token": link, "form_token": form}).status_code == 303
    assert browser.cookies["bruk_session"] != before
    with pytest.raises(access.Unauthenticated):
        access.actor_of(cloud.control, before)


def test_limits_stand_beside_what_they_limit(cloud):
    browser = cloud.client("acme")
    limits = RateLimitsBody(tokens_per_minute=12_345)
    tenancy.change_project(cloud.control, cloud.operator, "acme/lab", ProjectChange(limits=limits))
    assert "at most 12,345 tokens a minute" in browser.get("/people").text
