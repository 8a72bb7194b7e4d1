"""Every form of the console given what no form expects: a refusal in words, never a defect; and what tenants
and runs may write is text on every page."""

import re

import pytest

from .test_forms import _posts, _routes, _token

JUNK = [
    *("", "x" * 5000, "a\0b", "a\tb", "\u202e\u2028", "A B", "../../etc"),
    *("nan", "-1", "9" * 30, "1.5", "2026-13-45", "<script>window.__hit=1</script>", "acme/lab"),
]


def _fields(cloud):
    """The names of a form's fields, by the route's path as it is written."""
    return {
        route.path: [param.name for param in route.dependant.body_params]
        + [param.name for inner in route.dependant.dependencies for param in inner.body_params]
        for route in _routes(cloud.app().routes)
        if "POST" in route.methods
    }


def _templates(cloud):
    return [
        route.path
        for route in _routes(cloud.app().routes)
        if "POST" in route.methods and route.path != "/login"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("who", ["operator", "acme"])
def test_no_form_answers_with_a_defect(cloud, who):
    fields = _fields(cloud)
    browser = cloud.client(who)
    token = _token(browser)
    broken = []
    for template, path in zip(_templates(cloud), _posts(cloud), strict=True):
        if template == "/logout":
            continue
        for junk in JUNK:
            data = {name: junk for name in fields[template] if name != "form_token"}
            for given in (data, {next(iter(data), "x"): junk}):
                answer = browser.post(path, data={**given, "form_token": token}, headers={"bruk-form": token})
                if answer.status_code >= 500:
                    broken.append((path, given and junk[:20], answer.status_code))
        if "{" in path:
            continue
        twice = browser.post(path, content=f"form_token={token}&form_token=x&a=1&a=2".encode())
        if twice.status_code >= 500:
            broken.append((path, "twice", twice.status_code))
    assert broken == []


@pytest.mark.slow
@pytest.mark.parametrize("who", ["operator"])
def test_no_page_answers_a_strange_address_with_a_defect(cloud, who):
    browser = cloud.client(who)
    broken = []
    for route in _routes(cloud.app().routes):
        if "GET" not in route.methods or route.path.startswith(("/live", "/events")):
            continue
        for junk in ("%00", "..%2f..", "%F0%9F%92%A9", "9" * 40, "%ff"):
            path = re.sub(r"\{[^}]*\}", junk, route.path)
            for query in (
                "",
                f"?before={junk}&after={junk}&run={junk}&tenant={junk}",
            ):
                answer = browser.get(path + query, follow_redirects=False)
                if answer.status_code >= 500:
                    broken.append((path[:80], query[:30], answer.status_code))
    assert broken == []
