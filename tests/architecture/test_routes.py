"""Every route is for one kind of caller and is described; ``tests/permissions`` walks them all."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from bruk.api import create_api, door, inspection, people, processes, records, secrets, sites, work

from ..control.world import World, migrated  # noqa: TID252 (tests are no installed package)

OPEN = Path(__file__).parent / "open_routes.txt"
CALLERS = {door._caller: "people", door._agent: "agents", door._gateway: "gateways"}
ROOMS = {
    "sites": sites,
    "people": people,
    "work": work,
    "records": records,
    "inspection": inspection,
    "processes": processes,
    "secrets": secrets,
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("template"))


def _all(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _all(inner)


def _routes() -> Iterator[tuple[str, set[str]]]:
    for room in ROOMS.values():
        router: APIRouter = room.router
        for route in router.routes:
            assert isinstance(route, APIRoute), f"{route} is no plain route"
            callers = {CALLERS[call] for call in _all(route.dependant) if call in CALLERS}  # type: ignore[index]
            for method in sorted(route.methods):
                yield f"{method} {route.path}", callers


def test_the_open_routes_are_those_that_were_reviewed() -> None:
    """Those that ask nobody who they are; ``tests/permissions`` compares what they declare."""
    lines = [line.split("#")[0].strip() for line in OPEN.read_text().splitlines()]
    reviewed = [line.removeprefix("api ") for line in lines if line.startswith("api ")]
    assert sorted(name for name, callers in _routes() if not callers) == sorted(reviewed)


@pytest.mark.parametrize(("name", "callers"), list(_routes()))
def test_a_route_is_for_one_kind_of_caller(name: str, callers: set[str]) -> None:
    assert len(callers) <= 1
    path = name.split()[1]
    if path.startswith("/agent/"):
        assert callers == {"agents"}
    elif path.startswith("/gateway/"):
        assert callers == {"gateways"}
    else:
        assert callers <= {"people"}


def test_the_application_has_these_routes_and_no_others(template: Path, tmp_path: Path) -> None:
    """Beside them stands the description of the API, which says what is public anyway."""
    world = World(tmp_path / "home", template, populate=False)
    try:
        paths = create_api(world.control).openapi()["paths"]
        described = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    finally:
        world.close()
    assert described == {name for name, _ in _routes()}


def test_every_route_is_documented() -> None:
    for room in ROOMS.values():
        for route in room.router.routes:
            assert isinstance(route, APIRoute)
            assert route.endpoint.__doc__, f"{route.path} has no description"
