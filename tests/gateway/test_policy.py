"""Every route of the gateway does what it declares: open, or for a project's key and nobody else."""

from pathlib import Path

import pytest

from bruk.gateway.app import ROUTES
from bruk.model.policy import Who

from .conftest import HTTP, World
from .upstream import KEY, MODEL


def test_the_open_routes_are_those_that_were_reviewed() -> None:
    text = (Path(__file__).parent.parent / "architecture" / "open_routes.txt").read_text()
    reviewed = {line.split("#")[0].strip() for line in text.splitlines()} - {""}
    opened = {f"gateway {method} {path}" for path, (method, policy) in ROUTES.items() if policy.open}
    assert opened == {line for line in reviewed if line.startswith("gateway ")}


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_a_route_lets_in_whom_it_declares(world: World, path: str) -> None:
    method, policy = ROUTES[path]
    served = world.client().models.list().data[0].id
    url = f"{world.url}{path.replace('{model}', served)}"
    for bearer in (None, "bk_forged", KEY, "a-persons-token-that-is-no-key-of-a-project"):
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        answer = HTTP.request(method, url, headers=headers, json={} if method == "POST" else None)
        if policy.open:
            assert answer.status_code == 200, (bearer, answer.text)
            for name in ("acme", "poor", served, MODEL):
                assert name not in answer.text, "what is open names nobody"
        else:
            assert policy.who == {Who.KEY}
            assert answer.status_code == 401, (bearer, answer.text)
    if not policy.open:
        headers = {"Authorization": "Bearer acme"}
        answer = HTTP.request(method, url, headers=headers, json={} if method == "POST" else None)
        assert answer.status_code not in (401, 403, 404), answer.text


def test_what_is_not_declared_is_not_there(world: World) -> None:
    assert HTTP.get(f"{world.url}/v1/secrets").status_code == 404
