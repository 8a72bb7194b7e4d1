"""Whatever is sent, the answer is a clear 4xx and everything stays as it was."""

import json
from typing import Any

import pytest

from .conftest import Api

JOB = {"project": "acme/lab", "name": "train", "spec": {"command": ["true"], "time_limit_s": 60}}
SITE = {"name": "lund", "country": "SE", "grid_zone": "SE-SE3"}
MODEL_GATE = {"metric": "bits_per_byte", "baseline": "gzip_bits_per_byte"}

# Paths that take JSON, with a body that each would accept.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/sites"): SITE,
    ("PATCH", "/sites/essonne"): {"pue_milli": 1200},
    ("POST", "/tenants"): {"name": "newcomer"},
    ("PATCH", "/tenants/acme"): {"weight": 2},
    ("POST", "/tenants/acme/users"): {"name": "Ann", "role": "member"},
    ("POST", "/users"): {"name": "Ann", "role": "auditor"},
    ("POST", "/projects"): {"tenant": "acme", "name": "second"},
    ("PATCH", "/projects/acme/lab"): {"quota_devices": 4},
    ("POST", "/projects/acme/lab/keys"): {"name": "app"},
    ("PUT", "/projects/acme/lab/budget"): {"budget_microeur": 5},
    ("PUT", "/tenants/acme/budget"): {"budget_microeur": 5},
    ("POST", "/prices"): {"resource": "device_time", "price_microeur": 5},
    ("POST", "/jobs"): JOB,
    ("POST", "/jobs/estimate"): JOB,
    ("POST", "/endpoints"): {"project": "acme/lab", "name": "chat", "model": "m"},
    ("PUT", "/gate"): MODEL_GATE,
    ("POST", "/switch/off"): {"scope": "site", "target": "essonne"},
    ("POST", "/switch/on"): {"scope": "site", "target": "essonne"},
    ("POST", "/invoices"): {"tenant": "acme"},
    ("POST", "/ledger/credits"): {"project": "acme/lab", "amount_microeur": 5, "note": "sorry"},
    ("POST", "/login"): {"token": "x" * 30},
}
RAW = {
    "nothing": b"",
    "half": b'{"name": ',
    "not JSON": b"name=lund",
    "null": b"null",
    "a list": b"[]",
    "a number": b"17",
    "a text": b'"lund"',
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "Latin-1": '{"name": "Börje"}'.encode("latin-1"),
    "NaN": b"NaN",
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"name":' * 5_000 + b"1" + b"}" * 5_000,
    "NUL bytes": b"\0" * 100,
    "unknown field": b'{"unheard_of": 1}',
    "proto": b'{"__class__": "x", "__proto__": {}}',
}
VALUES: dict[str, str] = {
    "null": "null",
    "true": "true",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "negative": "-1",
    "fraction": "0.5",
    "beyond 64 bits": "1" + "0" * 30,
    "thousands of digits": "9" * 5000,
    "exponent": "1e400",
    "text of a number": '"12"',
    "empty text": '""',
    "NUL": '"a\\u0000b"',
    "lone surrogate": '"\\ud800"',
    "path escape": '"../../etc/passwd"',
    "absolute path": '"/etc/passwd"',
    "trailing newline": '"name\\n"',
    "right to left": '"\\u05e0\\u05d5\\u05e8"',
    "override": '"\\u202egpj"',
    "long": '"' + "x" * 5000 + '"',
    "list": "[1]",
    "object": '{"a": {"b": 1}}',
    "markup": '"<script>alert(1)</script>"',
    "SQL": '"x\'; DROP TABLE ledger; --"',
}
HEADERS = {"Content-Type": "application/json"}


def refused(answer: Any) -> None:
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["code"]
    assert body["detail"]


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
def test_a_malformed_body_changes_nothing(still: Api, raw: bytes) -> None:
    before = still.world.dump()
    for method, path in BODIES:
        answer = still.call(method, path, content=raw, headers=HEADERS)
        refused(answer)
    assert still.world.changed(before) == set()


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_no_value_of_any_field_is_an_internal_error(still: Api, value: str) -> None:
    """Field by field: accepted or refused in words, never a defect; refused means unchanged."""
    for (method, path), good in BODIES.items():
        if path.startswith("/switch"):
            continue  # These change the world for the others; see below.
        for field in good:
            parts = [f'"{name}": {value if name == field else _json(item)}' for name, item in good.items()]
            before = still.world.dump()
            answer = still.call(method, path, content="{" + ", ".join(parts) + "}", headers=HEADERS)
            assert answer.status_code < 500, (method, path, field, value[:40], answer.text[:300])
            if answer.status_code >= 400:
                refused(answer)
                assert still.world.changed(before) <= {"audit"}, (path, field)


def _json(value: Any) -> str:
    return json.dumps(value)


SPEC_FIELDS = {
    "command": ['["a\\u0000b"]', '["\\ud800"]', "[1]", '"true"', "[]", '[""]'],
    "env": ['{"A": "a\\u0000b"}', '{"a b": "c"}', '{"A": 1}', '{"A": "\\udfff"}', '{"": ""}', '{"A\\n": ""}'],
    "config": [
        '{"rate": NaN}',
        '{"rate": -Infinity}',
        '{"rate": 1e999}',
        '{"steps": 1' + "0" * 40 + "}",
        '{"text": "\\ud800"}',
        '{"text": "a\\u0000"}',
        '{"\\udc00": 1}',
        '{"a":' * 60 + "1" + "}" * 60,
        '{"a":' * 900 + "1" + "}" * 900,
    ],
    "inputs": ['{"../x": "art_1"}', '{"a": "../x"}', '{"a": 1}', '{"a": "art_none"}', '{"..": "art_1"}'],
    "outputs": ['["../x"]', '["/x"]', '["a/b"]', '[".."]', '["a\\u0000"]', '[""]', '["model\\n"]'],
    "network": ['["https://pypi.org"]', '["pypi.org"]', '["127.1:80"]', '["*:443"]', '["a\\u0000:1"]', "[1]"],
    "model": ['"../m"', '"M"', "1", '"a\\n"'],
    "evaluates": ['"none"', '"../m"'],
    "sites": ['["../x"]', "[1]", '"essonne"'],
    "resources": ['{"nodes": 0}', '{"devices": -1}', '{"devices": 1.5}', '{"memory_bytes": "1"}', "[]"],
    "time_limit_s": ["0", "-1", "1e9", "true", '"60"', "NaN"],
    "retry_limit": ["-1", "101"],
    "grace_s": ["-1", "1e5"],
    "disk_bytes": ["-1", "1" + "0" * 25],
    "software": ['{"kind": "docker"}', '{"kind": "venv", "reference": "a\\u0000"}', '{"kind": "container"}'],
    "recipe": ['"../x"', '"serve"', '"pretrain"'],
    "priority": ["-1"],
    "deadline_at_ms": ["-1", "1e20"],
}


@pytest.mark.parametrize("field", SPEC_FIELDS)
@pytest.mark.parametrize("path", ["/jobs", "/jobs/estimate"])
def test_a_job_that_cannot_be_is_refused(still: Api, field: str, path: str) -> None:
    before = still.world.dump()
    for value in SPEC_FIELDS[field]:
        command = "" if field == "command" else '"command": ["true"], '
        content = f'{{"project": "acme/lab", "name": "job", "spec": {{{command}"{field}": {value}}}}}'
        answer = still.call("POST", path, content=content, headers=HEADERS)
        assert 400 <= answer.status_code < 500, (value[:60], answer.status_code, answer.text[:300])
        refused(answer)
    assert still.world.changed(before) == set()


IDS = [
    "none",
    "%2e%2e%2f%2e%2e",
    "a%00b",
    "%ff%fe",
    "a" * 3000,
    "%F0%9F%92%A9",
    "'; DROP TABLE run; --",
]


@pytest.mark.parametrize("odd", IDS)
def test_an_unknown_id_is_not_found(still: Api, odd: str) -> None:
    before = still.world.dump()
    for method, path, body in [
        ("GET", "/sites/{}", None),
        ("PATCH", "/sites/{}", {"pue_milli": 1100}),
        ("POST", "/sites/{}/token", None),
        ("GET", "/sites/{}/nodes", None),
        ("POST", "/sites/essonne/nodes/{}/drain", None),
        ("POST", "/sites/essonne/nodes/essonne-0/{}", None),
        ("GET", "/tenants/{}", None),
        ("PATCH", "/tenants/{}", {"weight": 2}),
        ("GET", "/tenants/{}/budget", None),
        ("PUT", "/tenants/{}/budget", {"budget_microeur": 1}),
        ("GET", "/projects/acme/{}", None),
        ("PATCH", "/projects/acme/{}", {"quota_devices": 1}),
        ("GET", "/projects/acme/{}/keys", None),
        ("POST", "/projects/acme/{}/keys", {}),
        ("GET", "/projects/acme/{}/budget", None),
        ("PUT", "/projects/acme/{}/budget", {"budget_microeur": 1}),
        ("PATCH", "/keys/{}", {"disabled": True}),
        ("GET", "/artifacts/{}", None),
        ("GET", "/artifacts/{}/content", None),
        ("DELETE", "/artifacts/{}", None),
        ("GET", "/workloads/{}", None),
        ("POST", "/workloads/{}/cancel", None),
        ("GET", "/workloads/{}/why", None),
        ("GET", "/workloads/{}/logs", None),
        ("GET", "/workloads/{}/progress", None),
        ("GET", "/runs/{}", None),
        ("GET", "/models/{}", None),
        ("PUT", "/models/{}/gate", MODEL_GATE),
        ("POST", "/models/{}/retire", None),
        ("GET", "/endpoints/{}", None),
        ("PATCH", "/endpoints/{}", {"replicas": 2}),
        ("DELETE", "/endpoints/{}", None),
        ("GET", "/switch/receipts/{}", None),
        ("GET", "/invoices/{}", None),
    ]:
        answer = still.call(method, path.format(odd), json=body)
        assert answer.status_code in (404, 405), (path, answer)
        refused(answer)
    assert still.world.changed(before) == set()


def test_wrong_methods_and_addresses_are_refused(still: Api) -> None:
    assert still.call("DELETE", "/sites").status_code == 405
    assert "GET" in still.call("PUT", "/sites").headers["allow"]
    for method, path in [
        ("PUT", "/jobs"),
        ("GET", "/login"),
        ("POST", "/nothing"),
        ("GET", "/sites/essonne/x"),
    ]:
        answer = still.call(method, path)
        assert answer.status_code in (404, 405), (path, answer.status_code)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=x", "limit=99999999999999999999", "limit=NaN", "after=" + "x" * 400],
)
def test_a_wrong_window_is_refused(still: Api, query: str) -> None:
    for path in ("/sites", "/tenants", "/projects", "/workloads", "/ledger", "/audit", "/runs", "/prices"):
        refused(still.get(f"{path}?{query}"))


@pytest.mark.parametrize("query", ["offset=-1", "offset=x", "limit=0", "limit=-1", "offset=1" + "0" * 30])
def test_a_wrong_offset_is_refused(api: Api, query: str) -> None:
    job = api.post("/jobs", JOB).json()["id"]
    refused(api.get(f"/workloads/{job}/logs?{query}"))
    refused(api.get(f"/workloads/{job}/progress?{query}"))


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/b", "", "a\n", "a\0b", "Å", ".", "..", "a" * 64])
def test_an_artifact_needs_a_plain_name(still: Api, name: str) -> None:
    before = still.world.dump()
    refused(still.call("POST", "/artifacts", content=b"x", params={"name": name, "project": "acme/lab"}))
    assert still.world.changed(before) == set()
    assert not list((still.world.control.blobs.folder / "incoming").iterdir())
