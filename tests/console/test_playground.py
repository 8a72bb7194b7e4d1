"""The playground's way to the gateway: nothing is kept, everything is handed on as it comes."""

import json
import logging
import re

import pytest


def _headers(browser, key="bk_good"):
    token = re.search(r'data-form-token="([0-9a-f]+)"', browser.get("/playground").text)[1]
    return {"Bruk-Form": token, "Bruk-Key": key, "Accept": "application/json, text/event-stream"}


def _ask(browser, headers, **more):
    body = {"model": "code", "messages": [{"role": "user", "content": "hej"}], **more}
    return browser.post("/playground/ask", json=body, headers=headers)


def test_a_conversation_goes_through_with_its_key_and_asks_for_usage(cloud, stand_in, caplog):
    caplog.set_level(logging.DEBUG)
    browser = cloud.client("acme")
    answer = _ask(browser, _headers(browser))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    pieces = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: {")]
    assert pieces[-1]["usage"] == {"prompt_tokens": 1200, "completion_tokens": 3}
    asked = stand_in.asked[0]
    assert asked["path"] == "/v1/chat/completions"
    assert asked["key"] == "bk_good"
    assert asked["stream_options"] == {"include_usage": True}
    assert "bk_good" not in caplog.text


def test_a_text_is_completed(cloud, stand_in):
    browser = cloud.client("acme")
    _ask(browser, _headers(browser), messages=[], prompt="def main")
    assert stand_in.asked[0]["path"] == "/v1/completions"
    assert stand_in.asked[0]["prompt"] == "def main"


def test_a_refusal_of_the_gateway_is_handed_on(cloud, stand_in):
    browser = cloud.client("acme")
    answer = _ask(browser, _headers(browser, key="bk_bad"))
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "The key is not valid."


@pytest.mark.parametrize("gateway", ["", "http://127.0.0.1:1"])
def test_a_gateway_that_is_away_is_said_in_plain_words(cloud, gateway):
    cloud.gateway = gateway
    browser = cloud.client("acme")
    answer = _ask(browser, _headers(browser))
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "gateway_away"


def test_without_the_pages_token_nothing_is_asked(cloud, stand_in):
    browser = cloud.client("acme")
    headers = _headers(browser)
    for given in ["", "wrong"]:
        assert _ask(browser, {**headers, "Bruk-Form": given}).status_code == 403
    assert _ask(browser, {**headers, "Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert stand_in.asked == []


@pytest.mark.parametrize(
    "more",
    [
        {"model": ""},
        {"max_tokens": 0},
        {"max_tokens": -5},
        {"temperature": 9},
        {"messages": [{"role": "root", "content": "x"}]},
        {"messages": "x"},
        {"url": "http://elsewhere"},
    ],
)
def test_what_is_no_question_is_refused(cloud, stand_in, more):
    browser = cloud.client("acme")
    assert _ask(browser, _headers(browser), **more).status_code == 422
    assert stand_in.asked == []


def test_what_is_no_key_is_refused_before_anything_is_asked(cloud, stand_in):
    browser = cloud.client("acme")
    for key in ["", "bk_é".encode("latin-1")]:
        assert _ask(browser, _headers(browser, key=key)).status_code == 422
    assert stand_in.asked == []


def test_only_endpoints_that_the_tenant_may_call_are_offered(cloud):
    assert 'value="code"' in cloud.client("nordic").get("/playground").text
    assert 'value="code"' not in cloud.client("lumen").get("/playground").text
