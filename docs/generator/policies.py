"""The page of policies: every route, page and form with who may call it, from what each declares."""

from typing import cast

from fastapi.routing import APIRoute

from bruk.api import door as api_door
from bruk.api import inspection, people, processes, records, secrets, sites, work
from bruk.console import create_router
from bruk.console import door as console_door
from bruk.control.control import Control
from bruk.gateway.app import ROUTES
from bruk.model.clock import ManualClock
from bruk.model.policy import Policy, Reach, Who
from generator.source import first_sentence, member_comments, table

API = (sites, people, work, secrets, records, inspection, processes)


class _Clock:
    """What putting the console's routes together needs of control."""

    clock = ManualClock()


def _policy(route: APIRoute) -> Policy:
    guards = (api_door.Guard, console_door.Guard)
    found = [item.dependency for item in route.dependencies]
    return next(item.policy for item in found if isinstance(item, guards))


def _callers(policy: Policy) -> str:
    return "**anybody**" if policy.open else ", ".join(kind.value for kind in Who if kind in policy.who)


def _rows(routes: list[APIRoute]) -> list[list[str]]:
    rows = []
    for route in routes:
        policy = _policy(route)
        reach = "" if policy.open else policy.reach.value
        for method in sorted(route.methods):
            name = f"`{method} {route.path}`"
            rows.append([name, first_sentence(route.endpoint.__doc__), _callers(policy), reach])
    return rows


def page() -> str:
    """The whole page."""
    heads = ["Route", "Does", "For", "Reach"]
    api = [route for room in API for route in room.router.routes if isinstance(route, APIRoute)]
    router = create_router(cast(Control, _Clock()), gateway_url=lambda: "")
    console = [route for route in router.routes if isinstance(route, APIRoute)]
    gateway = [
        [f"`{method} {path}`", _callers(policy), "" if policy.open else policy.reach.value]
        for path, (method, policy) in ROUTES.items()
    ]
    return "\n".join(
        [
            "# Who may call what\n",
            "Every route, page and form declares its policy beside itself; the door refuses whoever is not"
            " named there, and control decides the rest with the ids at hand. A test calls every one of them"
            " as everybody, with ids of their own and of another tenant, and compares. What is open to"
            " anybody stands in a reviewed list.\n",
            "## Callers\n",
            table(["Caller", "Is"], [[kind.value, member_comments(Who)[kind.value]] for kind in Who]),
            "## Reach\n",
            table(["Reach", "Means"], [[kind.value, member_comments(Reach)[kind.value]] for kind in Reach]),
            "## REST API, under `/api/v1`\n",
            table(heads, _rows(api)),
            "## Console\n",
            table(heads, _rows(console)),
            "## Gateway\n",
            table(["Route", "For", "Reach"], gateway),
        ]
    )
