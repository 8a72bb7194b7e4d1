"""Every page and form of the console does what it declares, whoever asks, with own and another's ids."""

from pathlib import Path

import pytest

from .conftest import House
from .console_walk import faults, policy_of, routes


def test_every_page_declares_its_policy() -> None:
    assert len([policy_of(route) for route in routes().values()]) > 45


def test_the_open_pages_are_those_that_were_reviewed() -> None:
    text = (Path(__file__).parent.parent / "architecture" / "open_routes.txt").read_text()
    reviewed = {line.split("#")[0].strip() for line in text.splitlines()} - {""}
    opened = {f"console {name}" for name, route in routes().items() if policy_of(route).open}
    assert opened == {line for line in reviewed if line.startswith("console ")}


# Nothing there is anybody's; what the login does with a wrong token, its own tests show.
NOBODYS = {"GET /static/{name}", "GET /{path:path}", "POST /login"}


@pytest.mark.parametrize("name", sorted(set(routes()) - NOBODYS))
def test_a_page_does_what_it_declares(house: House, name: str) -> None:
    wrong = faults(house, name)
    assert not wrong, "\n".join(wrong)
