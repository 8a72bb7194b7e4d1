"""Puts the console together: every page, the events, the files."""

from collections.abc import Callable

from fastapi import APIRouter, Depends, Request, Response

from bruk.console import live, login, models, people, playground, records, sites, switch, workloads
from bruk.console.assets import assets
from bruk.console.door import Console, PageRoute
from bruk.control.control import Control
from bruk.model.errors import NotFound

_ROOMS = (live, login, sites, workloads, models, playground, switch, records, people)


def create_router(control: Control, *, gateway_url: Callable[[], str], cloud_name: str = "Bruk") -> APIRouter:
    """The console's routes. Include it after everything else: its last route answers for every
    path that nobody else knows.

    Args:
        gateway_url: where the playground finds the gateway now; empty while there is none.
        cloud_name: what stands at the head of every page.
    """
    console = Console(control, gateway_url, control.clock.secret().encode(), cloud_name)

    async def beside(request: Request) -> None:
        request.state.console = console

    router = APIRouter(dependencies=[Depends(beside)], route_class=PageRoute, include_in_schema=False)
    for room in _ROOMS:
        router.include_router(room.router)

    router.add_api_route("/static/{name}", file)

    @router.get("/{path:path}")
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
