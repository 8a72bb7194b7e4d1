"""What a tenant sees of a site's nodes at the command line: kinds, where nodes by name are not theirs."""

import json

import httpx
import pytest

FORBIDDEN = httpx.Response(
    403, json={"code": "forbidden", "title": "t", "status": 403, "detail": "Not for tenants."}
)
SITE = {"name": "essonne", "display_name": "", "country": "FR", "grid_zone": "FR", "operator": "x"}
KIND = {"accelerator": "h100-sxm", "nodes": 12, "devices": 8, "cpu_milli": 96_000, "memory_bytes": 2**40}


@pytest.fixture
def world(control):
    control.answers |= {
        "GET /sites": [SITE],
        "GET /sites/essonne": SITE,
        "GET /sites/essonne/nodes": FORBIDDEN,
        "GET /sites/essonne/kinds": [KIND],
    }
    return control


@pytest.mark.parametrize("command", [("node", "ls"), ("node", "ls", "essonne"), ("site", "show", "essonne")])
def test_a_tenant_sees_kinds_of_nodes(bruk, world, command):
    status, out, err = bruk(*command)
    assert (status, err) == (0, "")
    row = next(line for line in out.splitlines() if "h100-sxm" in line)
    assert [word for word in row.split() if word.isalnum()][:1] == ["essonne"]
    assert "12" in row
    status, out, _ = bruk(*command, "--json")
    said = json.loads(out)
    assert (said["kinds"] if command[0] == "site" else said) == [{"site": "essonne", **KIND}]


def test_another_error_is_no_reason_to_show_kinds(bruk, world):
    world.answers["GET /sites/essonne/nodes"] = httpx.Response(
        404, json={"code": "not_found", "title": "t", "status": 404, "detail": "There is no site."}
    )
    status, _, err = bruk("node", "ls", "essonne")
    assert status == 3
    assert "There is no site." in err
