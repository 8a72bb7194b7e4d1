"""What a role is for succeeds, from the first call to what is seen afterwards."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from bruk.console.door import SESSION_COOKIE

from .conftest import House

# Each operator of one site, their site and the other's.
SITES = (("site operator", "essonne", "borlange"), ("other site operator", "borlange", "essonne"))


@pytest.fixture
def fresh(house: House) -> Iterator[House]:
    """The house with every site on; put back as it was afterwards."""
    call(house, "operator", "POST", "/switch/on", scope="site", target="essonne")
    yield house
    house.restore()


def call(house: House, who: str, method: str, path: str, **body: Any) -> Any:
    headers = {"Authorization": f"Bearer {house.callers[who].secret}"}
    return house.client.request(method, f"/api/v1{path}", headers=headers, json=body or None)


def held(house: House) -> set[str]:
    holds = call(house, "operator", "GET", "/switch").json()["holds"]
    return {hold["target"] for hold in holds if hold["scope"] == "site"}


@pytest.mark.parametrize(("who", "own", "other"), SITES)
def test_an_operator_of_one_site_turns_it_off_and_on_and_no_other(
    fresh: House, who: str, own: str, other: str
) -> None:
    assert held(fresh) == set()
    off = call(fresh, who, "POST", "/switch/off", scope="site", target=own, reason="maintenance")
    assert off.status_code < 300, off.text
    assert held(fresh) == {own}
    seen = call(fresh, who, "GET", "/switch").json()["holds"]
    assert [(hold["target"], hold["raised_by"]) for hold in seen] == [(own, fresh.callers[who].person)]
    on = call(fresh, who, "POST", "/switch/on", scope="site", target=own)
    assert on.status_code < 300, on.text
    assert held(fresh) == set()
    refused = call(fresh, who, "POST", "/switch/off", scope="site", target=other, reason="spite")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert held(fresh) == set()
    call(fresh, "operator", "POST", "/switch/off", scope="site", target=other, reason="a fire")
    refused = call(fresh, who, "POST", "/switch/on", scope="site", target=other)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert held(fresh) == {other}
    for scope, target in (("platform", "*"), ("tenant", "acme"), ("model", "acme-model")):
        refused = call(fresh, who, "POST", "/switch/off", scope=scope, target=target, reason="spite")
        assert refused.status_code == 403, (scope, refused.text)


@pytest.mark.parametrize(("who", "own", "other"), SITES)
def test_the_same_by_the_consoles_forms(fresh: House, who: str, own: str, other: str) -> None:
    fresh.client.cookies.clear()
    fresh.client.cookies.set(SESSION_COOKIE, fresh.callers[who].secret)
    page = fresh.client.get("/switch/turn", params={"scope": "site", "target": own})
    token = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert page.status_code == 200
    assert token

    def turn(action: str, site: str) -> int:
        form = {"scope": "site", "target": site, "reason": "maintenance", "form_token": token[1]}
        return int(fresh.client.post(f"/switch/{action}", data=form).status_code)

    assert turn("off", own) == 303
    assert held(fresh) == {own}
    assert turn("on", own) == 303
    assert held(fresh) == set()
    assert turn("off", other) == 403
    assert held(fresh) == set()


@pytest.mark.parametrize("who", ["operator", "site operator"])
def test_whoever_operates_a_site_drains_its_nodes(fresh: House, who: str) -> None:
    drained = call(fresh, who, "POST", "/sites/essonne/nodes/essonne-1/drain")
    assert (drained.status_code, drained.json()["drained"]) == (200, True)
    nodes = call(fresh, who, "GET", "/sites/essonne/nodes").json()["items"]
    assert {node["name"]: node["drained"] for node in nodes} == {"essonne-0": False, "essonne-1": True}


@pytest.mark.parametrize("who", ["acme admin", "acme member", "acme key"])
def test_tenants_see_what_kinds_of_nodes_there_are_and_no_node(fresh: House, who: str) -> None:
    call(fresh, "operator", "POST", "/sites/essonne/nodes/essonne-1/drain")
    kinds = call(fresh, who, "GET", "/sites/essonne/kinds")
    assert kinds.json()["items"] == [
        {
            "accelerator": "h100-sxm",
            "nodes": 2,
            "devices": 4,
            "cpu_milli": 64_000,
            "memory_bytes": 2**40,
        }
    ]
    assert call(fresh, who, "GET", "/sites/essonne/nodes").status_code == 403
    # Where their own run is they see; of the places that would have done as well, the site alone.
    workload = fresh.ids["acme"].values["workload"]
    why = call(fresh, who, "GET", f"/workloads/{workload}/why")
    assert why.status_code == 200
    placement = why.json()["placements"][0]
    own = [part["node"] for part in placement["devices"]]
    assert placement["leading"][0]["nodes"] == own
    assert [place["nodes"] for place in placement["leading"][1:]] == [[]]
    whole = call(fresh, "operator", "GET", f"/workloads/{workload}/why").json()["placements"][0]
    assert len(whole["leading"][1]["nodes"]) == 1


@pytest.mark.parametrize("who", ["acme member", "lumen member", "auditor", "site operator"])
def test_a_sites_load_is_that_of_the_runs_one_may_see(fresh: House, who: str) -> None:
    sites = {item["site"]["name"]: item for item in call(fresh, who, "GET", "/status").json()["sites"]}
    runs = call(fresh, who, "GET", "/runs").json()["items"]
    live = [run for run in runs if run["site"] == "essonne" and run["ended_at_ms"] is None]
    assert len(live) == sites["essonne"]["runs"] == (2 if "member" in who else 4)


@pytest.mark.parametrize("who", ["operator", "auditor", "acme admin", "acme key"])
def test_keys_are_listed_made_changed_and_rotated_without_their_hashes(fresh: House, who: str) -> None:
    shown = {"id", "project", "name", "prefix", "created_at_ms", "expires_at_ms", "disabled"}
    shown |= {"old_until_ms", "last_used_at_ms", "limits"}
    keys = call(fresh, who, "GET", "/projects/acme/lab/keys").json()["items"]
    assert keys
    assert all(set(key) == shown for key in keys)
    if who in ("auditor", "acme key"):
        return
    made = call(fresh, who, "POST", "/projects/acme/lab/keys", name="one")
    assert set(made.json()["key"]) == shown
    path = f"/keys/{made.json()['key']['id']}"
    assert set(call(fresh, who, "POST", f"{path}/rotate", overlap_ms=1000).json()["key"]) == shown
    assert set(call(fresh, who, "PATCH", path, disabled=True).json()) == shown
