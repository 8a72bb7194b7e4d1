"""Every route of the API does what it declares, whoever calls it, with their own and another's ids."""

from pathlib import Path

import pytest

from .api_walk import NEEDS, STREAMS, faults, policy_of, routes
from .conftest import House


def test_every_route_declares_its_policy() -> None:
    assert len([policy_of(route) for route in routes().values()]) > 70


def test_the_open_routes_are_those_that_were_reviewed() -> None:
    text = (Path(__file__).parent.parent / "architecture" / "open_routes.txt").read_text()
    reviewed = {line.split("#")[0].strip() for line in text.splitlines()} - {""}
    opened = {f"api {name}" for name, route in routes().items() if policy_of(route).open}
    assert opened == {line for line in reviewed if line.startswith("api ")}


@pytest.mark.parametrize("name", sorted(set(routes()) - STREAMS))
def test_a_route_does_what_it_declares(house: House, name: str) -> None:
    method, path = name.split(" ", 1)
    if method in ("POST", "PUT", "PATCH") and name not in NEEDS:
        assert "{" in path or name in ("POST /logout",), f"say in NEEDS what {name} is called with"
    wrong = faults(house, name)
    assert not wrong, "\n".join(wrong)
