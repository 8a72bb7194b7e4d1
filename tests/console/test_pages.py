"""Every page for every role: it comes, it is escaped, it shows what is the visitor's and nothing else."""

import re

import pytest

from bruk.control.logs import Stream

PAGES = [
    "/",
    "/sites/essonne",
    "/workloads",
    "/workloads?kind=job&state=waiting",
    "/workloads?state=ended",
    "/workloads?kind=endpoint",
    "/models",
    "/models/code-small",
    "/endpoints",
    "/playground",
    "/ledger",
    "/ledger?resource=tokens_in",
    "/invoices",
    "/people",
]
RECORDS = ["/switch", "/audit"]
TURNS = ["/switch/turn?scope=platform", "/switch/turn?scope=site&target=essonne"]


def _workloads(cloud):
    return [f"/workloads/{item.id}" for item in cloud.jobs.values()]


def test_operators_see_everything_and_nothing_in_it_runs(cloud):
    browser = cloud.client("operator")
    for path in PAGES + RECORDS + TURNS + _workloads(cloud):
        answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert answer.text.count("<h1") == 1, path
        assert "<script>" not in answer.text, path
        assert "<b onclick" not in answer.text, path
        assert "\u202e" not in answer.text, path
        assert not re.search(r"<[^>]*\s(style|on[a-z]+)=", answer.text), path


def test_auditors_see_everything_and_change_nothing(cloud):
    browser = cloud.client("auditor")
    for path in PAGES + RECORDS + _workloads(cloud):
        answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.text)
        actions = set(re.findall(r'method="post" action="([^"]+)"', answer.text))
        assert actions <= {"/logout", "/audit/verify"}, path
    for path in TURNS:
        assert browser.get(path).status_code == 403, path


def test_people_of_a_tenant_see_their_own(cloud):
    browser = cloud.client("acme")
    for path in PAGES:
        answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert "only-in-france" not in answer.text, path
        assert "lumen" not in answer.text, path
    for path in [*RECORDS, *TURNS, "/export/ledger", "/export/audit"]:
        assert browser.get(path).status_code == 403, path
    assert browser.get(f"/workloads/{cloud.jobs['pretrain-code'].id}").status_code == 200


@pytest.mark.parametrize("who", ["lumen", "nordic"])
def test_what_is_another_tenants_is_not_there(cloud, who):
    browser = cloud.client(who)
    other = cloud.jobs["pretrain-code"].id
    paths = [
        f"/workloads/{other}",
        f"/workloads/{other}/log",
        "/models/code-small",
        f"/events?workload={other}",
    ]
    for path in paths:
        answer = browser.get(path)
        assert answer.status_code == 404, path
        assert "not_found" in answer.text, path
    token = browser.get("/people").text.split('name="form_token" value="')[1].split('"')[0]
    for path, more in [
        (f"/workloads/{other}/cancel", {}),
        ("/endpoints/code/scale", {"replicas": 3}),
        ("/endpoints/code/remove", {"confirmed": "code"}),
        ("/people/keys", {"project": "acme/lab"}),
    ]:
        assert browser.post(path, data={"form_token": token, **more}).status_code == 404, path


def test_residency_hides_a_site_that_is_closed_to_a_tenant(cloud):
    browser = cloud.client("lumen")
    assert "Essonne" in browser.get("/").text
    assert "Borlänge" not in browser.get("/").text
    assert browser.get("/sites/borlange").status_code == 404


def test_a_members_name_with_html_and_one_with_direction_marks(cloud):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in cloud.client("member").get("/").text
    shown = cloud.client("nordic").get("/").text
    assert "נורדיק" in shown
    assert "\u202e" not in shown


def test_a_waiting_job_says_why_site_by_site_and_what_helps(cloud):
    shown = cloud.client("lumen").get(f"/workloads/{cloud.jobs['only-in-france'].id}").text
    assert "Why it waits" in shown
    assert "What helps" in shown
    assert "country SE is not among FR" in shown


def test_a_trained_job_shows_its_curve_its_cost_and_where_it_resumed(cloud):
    shown = cloud.client("acme").get(f"/workloads/{cloud.jobs['pretrain-code'].id}").text
    assert shown.count("<polyline") == 2
    assert "resumed from step 160" in shown
    assert "33.60" in shown
    assert "&lt;b&gt;bold&lt;/b&gt; æøå" in shown
    assert "\x1b" not in shown


def test_a_model_shows_its_bits_beside_its_baselines(cloud):
    shown = cloud.client("acme").get("/models/code-small").text
    assert "1.731" in shown
    assert "gzip -9, file by file" in shown
    assert "may be served" in shown


def test_an_empty_cloud_says_what_to_do_next(bare):
    browser = bare.client("operator")
    assert "bruk site add" in browser.get("/").text
    assert "bruk submit" in browser.get("/workloads").text
    for path in [
        "/models",
        "/endpoints",
        "/playground",
        "/ledger",
        "/invoices",
        "/people",
        "/switch",
        "/audit",
    ]:
        assert browser.get(path).status_code == 200, path


@pytest.mark.parametrize(
    "path", ["/nothing", "/workloads/job_none", "/sites/none", "/static/none.css", "/static/..%2frouter.py"]
)
def test_what_is_not_there_is_a_page_in_plain_words(cloud, path):
    answer = cloud.client("operator").get(path)
    assert answer.status_code == 404
    assert "not_found" in answer.text
    assert "<h1>Not found</h1>" in answer.text


@pytest.mark.parametrize(
    "path", ["/workloads?kind=spaceship", "/ledger?before=-1", "/ledger?before=x", "/switch/turn?scope=moon"]
)
def test_what_cannot_be_used_is_a_page_too(cloud, path):
    answer = cloud.client("operator").get(path)
    assert answer.status_code == 422
    assert "invalid_input" in answer.text


def test_a_defect_is_a_page_that_tells_nothing_of_the_inside(cloud, monkeypatch):
    def broken(*_):
        raise RuntimeError("the secret path")

    monkeypatch.setattr("bruk.control.models.listing", broken)
    answer = cloud.client("operator").get("/models")
    assert answer.status_code == 500
    assert "secret path" not in answer.text
    assert "internal_error" in answer.text


def test_every_answer_carries_the_headers_that_protect_it(cloud):
    browser = cloud.client("operator")
    for path in ["/", "/people", "/nothing", "/workloads?kind=x", "/login"]:
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy, path
        assert "unsafe" not in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["cache-control"] == "no-store", path
        assert headers["referrer-policy"] == "same-origin", path
        assert headers["x-content-type-options"] == "nosniff", path


def test_pages_name_no_other_origin_and_files_come_with_their_licences(cloud):
    browser = cloud.client("operator")
    shown = browser.get("/").text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', shown)
    assert addresses
    assert all(address.startswith(("/", "#")) and not address.startswith("//") for address in addresses)
    for address in addresses:
        if address.startswith("/static/"):
            answer = browser.get(address)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
    for name in ["htmx-2.0.11", "htmx-ext-sse-2.2.4"]:
        assert "BSD" in browser.get(f"/static/{name}.LICENSE.txt").text


def test_a_fragment_is_sent_again_only_when_it_changed(cloud):
    browser = cloud.client("operator")
    shown = browser.get("/workloads").text
    have = re.search(r'"Bruk-Fragment": "list", "Bruk-Have": "([0-9a-f]+)"', shown)
    assert have is not None
    headers = {"HX-Request": "true", "Bruk-Fragment": "list", "Bruk-Have": have[1]}
    assert browser.get("/workloads", headers=headers).status_code == 204
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', shown)
    assert token is not None
    browser.post(f"/workloads/{cloud.jobs['only-in-france'].id}/cancel", data={"form_token": token[1]})
    fresh = browser.get("/workloads", headers=headers)
    assert fresh.status_code == 200
    assert fresh.text.startswith('<div id="live-list"')
    assert "<html" not in fresh.text


def test_a_log_goes_on_where_it_was_left_and_never_inside_a_character(cloud):
    browser = cloud.client("acme")
    workload = cloud.jobs["finetune-support"]
    run = cloud.newest_run(workload).id
    size = cloud.control.logs.size(run, Stream.LOG)
    cloud.control.logs.append(run, Stream.LOG, size, "half: æ".encode()[:-1])
    first = browser.get(f"/workloads/{workload.id}/log?run={run}&offset={size}").text
    assert first.startswith("half: <span")
    offset = int(re.search(r"offset=(\d+)", first)[1])
    assert offset == size + 6
    cloud.control.logs.append(run, Stream.LOG, size + 7, "æ".encode()[1:])
    assert browser.get(f"/workloads/{workload.id}/log?run={run}&offset={offset}").text.startswith("æ<span")
    assert browser.get(f"/workloads/{workload.id}/log?run=run_other&offset=0").status_code == 404


def test_a_fragment_that_is_no_longer_part_of_its_page_asks_for_the_page(cloud):
    answer = cloud.client("operator").get("/models", headers={"HX-Request": "true", "Bruk-Fragment": "gone"})
    assert answer.status_code == 204
    assert answer.headers["hx-refresh"] == "true"
