"""Puts the console together: every page, the events, the files."""

from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute

from bruk.console import (
    inspection,
    live,
    login,
    models,
    people,
    persons,
    playground,
    records,
    sites,
    switch,
    workloads,
)
from bruk.console.assets import assets
from bruk.console.door import Console, PageRoute, guard
from bruk.control.control import Control
from bruk.model.errors import NotFound
from bruk.model.policy import OPEN

_ROOMS = (live, login, sites, workloads, models, playground, switch, records, inspection, people, persons)


def create_router(control: Control, *, gateway_url: Callable[[], str], cloud_name: str = "Bruk") -> APIRouter:
    """The console's routes. Include it after everything else: its last route answers for every
    path that nobody else knows.

    Args:
        gateway_url: where the playground finds the gateway now; empty while there is none.
        cloud_name: what stands at the head of every page.
    """
    console = Console(control, gateway_url, control.clock.secret().encode(), cloud_name)

    class Beside(PageRoute):
        """A route with this console at its side."""

    Beside.console = console
    router = APIRouter(route_class=Beside, include_in_schema=False)
    for room in _ROOMS:
        for route in room.router.routes:
            assert isinstance(route, APIRoute), "pages declare plain routes"
            router.add_api_route(
                route.path,
                route.endpoint,
                methods=list(route.methods or ()),
                dependencies=route.dependencies,
                response_model=None,
            )
    router.add_api_route("/static/{name}", file, dependencies=[guard(OPEN)])

    @router.get("/{path:path}", dependencies=[guard(OPEN)])
    def nothing_here(path: str) -> None:
        """What nobody else knows."""
        raise NotFound(f"there is no page /{path}", what="page", id=path)

    return router


def file(name: str) -> Response:
    """A file of the console's own; browsers may keep it, since its address changes with its content."""
    found = assets().get(name)
    if found is None:
        raise NotFound(f"there is no file {name!r}", what="file", id=name)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(found.content, media_type=found.media_type, headers=headers)
