"""Coming in and going out."""

import re

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from bruk.console import create_router
from bruk.control import access
from bruk.wire.requests import KeyBody


def _token(html):
    return html.split('name="form_token" value="')[1].split('"')[0]


def _enter(browser, secret, **more):
    shown = browser.get("/login", params={"token": secret})
    return browser.post("/login", data={"token": secret, "form_token": _token(shown.text), **more})


def test_opening_a_link_does_not_use_it_and_its_button_does_once(cloud):
    secret = cloud.logins["operator"]
    browser = cloud.client()
    for _ in range(3):
        assert browser.get("/login", params={"token": secret}).status_code == 200
    answer = _enter(browser, secret)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert browser.get("/").status_code == 200
    again = _enter(cloud.client(), secret)
    assert again.status_code == 401
    assert "used already" in again.text


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_the_cookie_is_kept_from_scripts_and_other_sites(cloud, scheme, secure):
    browser = TestClient(cloud.app(), base_url=f"{scheme}://bruk.test", follow_redirects=False)
    answer = _enter(browser, cloud.logins["operator"])
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith("bruk_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert ("Secure" in cookie) is secure


def test_a_login_form_without_its_token_or_from_another_browser_is_refused(cloud):
    secret = cloud.logins["operator"]
    other = _token(cloud.client().get("/login").text)
    browser = cloud.client()
    browser.get("/login")
    for given in ["", other, "wrong", "naïve ✓"]:
        answer = browser.post("/login", data={"token": secret, "form_token": given})
        assert answer.status_code == 403
        assert "bruk_session" not in answer.cookies
    assert _enter(browser, secret).status_code == 303


def test_a_form_sent_by_another_site_is_refused(cloud):
    browser = cloud.client()
    secret = cloud.logins["operator"]
    form = {"token": secret, "form_token": _token(browser.get("/login").text)}
    assert browser.post("/login", data=form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


@pytest.mark.parametrize("secret", ["x" * 30, "", " ", "<script>", "%00", "é" * 20])
def test_what_is_no_link_is_refused_in_plain_words(cloud, secret):
    browser = cloud.client()
    form = {"token": secret, "form_token": _token(browser.get("/login").text)}
    answer = browser.post("/login", data=form)
    assert answer.status_code in (401, 422)
    assert "<script>" not in answer.text


def test_an_expired_link_is_refused_and_a_whole_link_may_be_pasted(cloud):
    browser = cloud.client()
    pasted = f"http://127.0.0.1:8610/login?token={cloud.logins['acme']}"
    shown = browser.get("/login")
    answer = browser.post("/login", data={"token": pasted, "form_token": _token(shown.text)})
    assert answer.status_code == 303
    cloud.clock.advance(access.LOGIN_LINK_MS)
    assert _enter(cloud.client(), cloud.logins["operator"]).status_code == 401


def test_logging_out_ends_the_session_for_good(cloud):
    browser = cloud.client("operator")
    session = browser.cookies["bruk_session"]
    token = _token(browser.get("/").text)
    assert browser.post("/logout", data={"form_token": token}).headers["location"] == "/login"
    browser.cookies.set("bruk_session", session)
    assert browser.get("/").headers["location"] == "/login"


def test_a_session_ends_by_itself(cloud):
    browser = cloud.client("operator")
    cloud.clock.advance(access.SESSION_MS)
    assert browser.get("/").status_code == 303


def test_strangers_are_sent_to_the_login_and_scripts_are_told(cloud):
    stranger = cloud.client()
    for path in ["/", "/workloads", "/people", "/audit", "/ledger.csv", "/export/audit", "/events"]:
        answer = stranger.get(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"] == "/login"
    part = stranger.get("/workloads", headers={"HX-Request": "true"})
    assert part.status_code == 401
    assert part.headers["hx-redirect"] == "/login"
    assert (
        stranger.get("/", headers={"Accept": "application/json"}).json()["error"]["code"] == "unauthenticated"
    )


def test_every_page_asks_who_is_there(cloud):
    open_to_all = {"/login", "/static/{name}", "/{path:path}"}
    stranger = cloud.client()
    paths = [
        route.path
        for route in create_router(cloud.control, gateway_url=lambda: "").routes
        if isinstance(route, APIRoute) and "GET" in route.methods and route.path not in open_to_all
    ]
    assert len(paths) > 20
    for path in paths:
        answer = stranger.get(re.sub(r"{\w+}", "x", path) + "?scope=platform")
        assert answer.status_code in (303, 422), path
        assert answer.status_code == 422 or answer.headers["location"] == "/login", path


def test_a_key_of_a_program_opens_no_page(cloud):
    _, secret = access.create_key(cloud.control, cloud.operator, "acme/lab", KeyBody())
    browser = cloud.client()
    browser.cookies.set("bruk_session", secret)
    assert browser.get("/").status_code == 303
