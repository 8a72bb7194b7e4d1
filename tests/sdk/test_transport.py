"""What happens on the line: pages, problems, silence, strangers."""

import socket

import httpx
import pytest

from bruk.model.errors import ErrorKind, InvalidInput
from bruk.sdk import Client, SdkError
from bruk.sdk.errors import kind_of_status
from bruk.wire.problem import HTTP_STATUS, problem_of

URL = "http://127.0.0.1:8610"


def client(handler, token: str = "token") -> Client:
    return Client(URL, token, line=httpx.MockTransport(handler))


def site(name: str) -> dict[str, object]:
    return {"name": name, "display_name": "", "country": "FR", "grid_zone": "FR", "operator": ""}


def test_pages_are_walked_to_the_end():
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("after")
        asked.append(after)
        page = {None: (["a", "b"], "b"), "b": (["c"], "c"), "c": ([], None)}[after]
        return httpx.Response(200, json={"items": [site(name) for name in page[0]], "next": page[1]})

    with client(handler) as control:
        assert [item.name for item in control.sites.list()] == ["a", "b", "c"]
    assert asked == [None, "b", "c"]


def test_a_server_that_repeats_its_cursor_does_not_hold_the_caller_forever():
    with client(lambda request: httpx.Response(200, json={"items": [], "next": "x"})) as control:
        assert list(control.sites.list()) == []


def test_the_token_stands_in_the_header_and_the_key_too():
    seen = {}

    def handler(request: httpx.Request) -> httpx.Response:
        seen.update(request.headers)
        return httpx.Response(201, json={"session": "s"})

    with client(handler, "bk_secret") as control:
        control.transport.send("POST", "/sites", {"name": "a"}, idempotency_key="once")
    assert seen["authorization"] == "Bearer bk_secret"
    assert seen["idempotency-key"] == "once"


@pytest.mark.parametrize("status", sorted(set(HTTP_STATUS.values())))
def test_a_problem_becomes_an_error_with_the_servers_code_and_words(status):
    problem = {
        "title": "t",
        "status": status,
        "code": "some_code",
        "detail": "Say so.",
        "about": {"job": "j"},
    }
    answer = httpx.Response(status, json=problem, headers={"Content-Type": "application/problem+json"})
    with client(lambda request: answer) as control, pytest.raises(SdkError) as caught:
        control.me()
    error = caught.value
    assert (error.code, error.message, error.status) == ("some_code", "Say so.", status)
    assert HTTP_STATUS[error.kind] == status
    # What was an error at control is the same error at the client.
    assert problem_of(error).status == status


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ErrorKind.INVALID),
        (413, ErrorKind.INVALID),
        (429, ErrorKind.EXHAUSTED),
        (502, ErrorKind.UNAVAILABLE),
        (599, ErrorKind.INTERNAL),
    ],
)
def test_statuses_without_a_kind_of_their_own(status, kind):
    assert kind_of_status(status) is kind


def test_nobody_listening_says_what_to_do():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Client(url) as control, pytest.raises(SdkError) as caught:
            control.me()
    assert caught.value.code == "control_unreachable"
    assert "bruk up" in caught.value.message
    assert url in caught.value.message


@pytest.mark.parametrize(
    "failure", [httpx.ReadTimeout, httpx.ConnectTimeout, httpx.RemoteProtocolError, httpx.ReadError]
)
def test_a_line_that_breaks_is_control_unreachable(failure):
    def handler(request: httpx.Request) -> httpx.Response:
        raise failure("broken", request=request)

    with client(handler) as control, pytest.raises(SdkError) as caught:
        control.me()
    assert caught.value.code == "control_unreachable"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(404, text="<html>"),
        httpx.Response(500, json=["no problem"]),
        httpx.Response(302, headers={"Location": "http://elsewhere.example/"}),
    ],
)
def test_a_stranger_at_the_address_is_named_as_one(answer):
    with client(lambda request: answer) as control, pytest.raises(SdkError) as caught:
        control.me()
    assert caught.value.code == "not_bruk"


def test_a_list_of_another_form_is_not_taken_for_an_empty_one():
    with client(lambda request: httpx.Response(200, json=[])) as control, pytest.raises(SdkError) as caught:
        list(control.sites.list())
    assert caught.value.code == "not_bruk"


def test_an_item_of_another_form_names_the_field():
    bad = {**site("a"), "country": 7}
    answer = httpx.Response(200, json={"items": [bad], "next": None})
    with client(lambda request: answer) as control, pytest.raises(SdkError, match="country"):
        list(control.sites.list())


@pytest.mark.parametrize("url", ["", "127.0.0.1:8610", "ftp://a", "http://", "http://a:b", "http://a/?x=1"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(InvalidInput, match="address"):
        Client(url)


@pytest.mark.parametrize("token", ["a b", "a\nb", "é", "a\r\nX: y"])
def test_a_token_that_could_not_stand_in_a_header_is_refused(token):
    with pytest.raises(InvalidInput, match="token"):
        Client(URL, token)


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_change_the_path_is_refused(name):
    with client(lambda request: httpx.Response(500)) as control, pytest.raises(InvalidInput):
        control.sites.get(name)


def test_names_are_escaped_in_paths():
    seen = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.decode())
        return httpx.Response(200, json=site("a"))

    with client(handler) as control:
        control.sites.get("a/../b?c=d#é")
    assert seen == ["/api/v1/sites/a%2F..%2Fb%3Fc%3Dd%23%C3%A9"]


def test_no_proxy_of_the_environment_sees_a_request_to_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with Client(URL) as control:
        assert control.transport._http._mounts == {}


def test_controls_time_is_that_of_its_answer():
    headers = {"Date": "Sun, 22 Nov 2026 18:00:00 GMT"}
    with client(lambda request: httpx.Response(200, json={}, headers=headers)) as control:
        assert control.now_ms() == 1_795_370_400_000
    with client(lambda request: httpx.Response(200, json={})) as control, pytest.raises(SdkError):
        control.now_ms()


@pytest.mark.parametrize("answer", [{}, [], None, {"user": {}}])
def test_an_answer_that_lacks_a_part_is_not_bruk(answer):
    with (
        client(lambda request: httpx.Response(200, json=answer)) as control,
        pytest.raises(SdkError) as caught,
    ):
        control.login("x" * 20)
    assert caught.value.code == "not_bruk"
