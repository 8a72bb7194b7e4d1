"""An estimate without a site never shows 0.00: it says that the cost is not known, and why."""

import json

import httpx
import pytest

NOTHING = {"amount_microeur_max": 0, "device_ms_max": 600_000, "sites": [], "attempts_max": 1}
FORBIDDEN = httpx.Response(
    403, json={"code": "forbidden", "title": "t", "status": 403, "detail": "You may not."}
)


def site(name: str, country: str) -> dict:
    return {"name": name, "display_name": "", "country": country, "grid_zone": country, "operator": "x"}


def kind(accelerator: str) -> dict:
    return {
        "accelerator": accelerator,
        "nodes": 1,
        "devices": 2,
        "cpu_milli": 2000,
        "memory_bytes": 1,
    }


@pytest.fixture
def world(control):
    """A tenant whose work may be in France; sites in France and Sweden, and none with devices."""
    control.answers |= {
        "POST /jobs/estimate": NOTHING,
        "GET /me": {"kind": "key", "id": "key_1", "role": "member", "project": "acme/models"},
        "GET /tenants/acme": {"name": "acme", "display_name": "", "residency": {"countries": ["FR"]}},
        "GET /projects/acme/models": {"tenant": "acme", "name": "models", "display_name": ""},
        "GET /sites": [site("essonne", "FR"), site("borlange", "SE")],
        "GET /sites/essonne/kinds": [],
        "GET /sites/borlange/kinds": [],
    }
    return control


def estimated(bruk, *options: str) -> str:
    status, out, err = bruk("submit", "--estimate", *options, "--", "true")
    assert (status, err) == (0, "")
    assert "Costs at most        not known yet" in out
    assert "10 m 00 s" in out
    assert "0.00" not in out
    assert "the job would wait" in out
    return out


def test_no_site_yet(bruk, world):
    world.answers["GET /sites"] = []
    assert "'bruk site add' adds one" in estimated(bruk)


@pytest.mark.parametrize("options", [[], ["-p", "acme/models"], ["--site", "essonne"]])
def test_no_site_that_is_allowed_has_devices(bruk, world, options):
    assert "has reported devices yet" in estimated(bruk, *options)


def test_the_law_allows_none(bruk, world):
    assert "borlange: country SE is not among FR" in estimated(bruk, "--site", "borlange")
    world.answers["GET /projects/acme/models"] |= {"residency": {"countries": ["DE"]}}
    assert "essonne: country FR is not among -" in estimated(bruk)


def test_none_has_the_accelerator(bruk, world):
    world.answers["GET /sites/essonne/kinds"] = [kind("l40s")]
    assert "has h100-sxm, there is l40s" in estimated(bruk, "--accelerator", "h100-sxm")


@pytest.mark.parametrize("away", ["GET /sites", "GET /projects/acme/models", "GET /sites/essonne/kinds"])
def test_a_reason_that_cannot_be_read_takes_nothing_away(bruk, world, away):
    world.answers[away] = FORBIDDEN
    assert "none that its law allows has devices that would do" in estimated(bruk)


def test_a_tenants_law_that_cannot_be_read_is_not_made_up(bruk, world):
    world.answers |= {"GET /tenants/acme": FORBIDDEN, "GET /sites/borlange/kinds": [kind("l40s")]}
    assert "none that its law allows has devices that would do" in estimated(bruk)


def test_json_is_as_control_said_it_and_asks_nothing_more(bruk, world):
    status, out, _ = bruk("submit", "--estimate", "--json", "--", "true")
    assert (status, json.loads(out)) == (0, NOTHING)
    assert len(world.requests) == 1


def test_what_another_attempt_costs_is_said_too(bruk, world):
    found = {"site": "essonne", "accelerator": "h100-sxm", "device_ms": 1, "amount_microeur": 60_000}
    sites = [{**found, "energy_j": 1, "carbon_mg": 1}]
    known = {**NOTHING, "amount_microeur_max": 60_000, "sites": sites}
    for attempts, said in [(1, "0.06 EUR\n"), (2, "0.06 EUR, 0.12 if it fails and is tried again\n")]:
        world.answers["POST /jobs/estimate"] = {**known, "attempts_max": attempts}
        assert said in bruk("submit", "--estimate", "--", "true")[1]
