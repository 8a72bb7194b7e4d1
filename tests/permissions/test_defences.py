"""Each defence is needed: without it the walk finds what it held back.

What only the door refuses, and what only control does, is shown apart: a route that both hold fails the walk
only once both are gone.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bruk.control import access, authorise, inspection, switch
from bruk.model.inspection import Inspection, InspectionState
from bruk.model.policy import Policy
from bruk.store import people, work

from . import api_walk, console_walk
from .conftest import House

pytestmark = pytest.mark.slow

Gone = list[tuple[object, str, Callable[..., Any]]]


def nothing(*_: object, **__: object) -> None:
    """In the place of what refuses."""


def yes(*_: object, **__: object) -> bool:
    return True


def no(*_: object, **__: object) -> bool:
    return False


def not_disabled(find: Callable[..., Any]) -> Callable[..., Any]:
    def found(*words: Any) -> Any:
        value = find(*words)
        return value and replace(value, disabled=False)

    return found


def every_tenants(find: Callable[..., Any]) -> Callable[..., Any]:
    def found(connection: Any, **asked: Any) -> Any:
        return find(connection, **{**asked, "tenant": None, "project": None})

    return found


DOOR = (Policy, "admit", nothing)
BUDGET = "api PUT /projects/{tenant}/{project}/budget"
DEFENCES: dict[str, tuple[Gone, tuple[str, ...]]] = {
    "content only by a request": (
        [(inspection, "look", nothing)],
        ("api GET /artifacts/{artifact}/content", "api GET /workloads/{workload}/logs"),
    ),
    "content belongs to its project": (
        [(inspection, "belongs", yes)],
        ("api GET /artifacts/{artifact}/content", "console GET /workloads/{workload}"),
    ),
    "a request is granted first": (
        [(Inspection, "state", lambda *_: InspectionState.GRANTED)],
        ("api GET /artifacts/{artifact}/content",),
    ),
    "requests are seen by whom they concern": (
        [(inspection, "_may_see", yes)],
        ("api GET /access-requests",),
    ),
    "who runs the platform": ([(authorise, "runs_platform", yes)], (BUDGET, "api POST /switch/on")),
    "who reads the platform": (
        [(authorise, "reads_platform", yes)],
        ("api GET /tenants/{tenant}", "api GET /projects", "console GET /people"),
    ),
    "the tenant of a thing": (
        [(authorise, "may_read", yes)],
        ("api GET /models", "api GET /invoices", "api GET /artifacts", "console GET /models"),
    ),
    "the tenant filter of a list": (
        [(work, "workloads", every_tenants(work.workloads))],
        ("api GET /workloads",),
    ),
    "the tenant of a named thing": (
        [(authorise, "read", nothing)],
        ("api GET /workloads/{workload}",),
    ),
    "whose runs": ([(authorise, "may_see_run", yes)], ("api GET /runs", "api GET /runs/{run}")),
    "an operator's one site, in lists": (
        [(authorise, "may_see_site", yes)],
        ("api GET /sites", "api GET /status"),
    ),
    "an operator's one site, by name": ([(authorise, "see_site", nothing)], ("api GET /sites/{site}/kinds",)),
    "an operator's one site, to turn": (
        [(authorise, "operate", nothing)],
        (
            "api POST /switch/on",
            "api POST /sites/{site}/nodes/{node}/{action}",
            "console POST /switch/off",
            "console POST /sites/{name}/nodes/{node}",
        ),
    ),
    "the holds of other sites": (
        [(switch, "state_for", lambda held, _: switch.state(held))],
        ("api GET /switch",),
    ),
    "who administers a tenant": ([(authorise, "administer", nothing)], (BUDGET, "api POST /projects")),
    "whose projects take work": (
        [(authorise, "work", nothing)],
        ("api POST /jobs",),
    ),
    "what ends has ended": ([(access, "_ended", no)], ("api GET /me", "console GET /")),
    "a disabled key is out": ([(people, "find_key", not_disabled(people.find_key))], ("api GET /me",)),
    "people are for auditors to list: the door and control": (
        [DOOR, (authorise, "audit", nothing)],
        ("api GET /users",),
    ),
    "nodes by name are for overseers: the door and control": (
        [DOOR, (authorise, "oversee", nothing)],
        ("api GET /sites/{site}/nodes",),
    ),
}
WALKS = {"api": api_walk, "console": console_walk}


def found_without(house: House, monkeypatch: pytest.MonkeyPatch, gone: Gone, named: str) -> list[str]:
    """What the walk finds at one route or page while some defences are gone."""
    kind, name = named.split(" ", 1)
    try:
        with monkeypatch.context() as patch:
            for where, what, instead in gone:
                patch.setattr(where, what, instead)
            return WALKS[kind].faults(house, name)
    finally:
        house.restore()


@pytest.mark.parametrize(
    ("defence", "named"), [(defence, named) for defence, (_, routes) in DEFENCES.items() for named in routes]
)
def test_without_a_defence_the_walk_fails(
    house: House, monkeypatch: pytest.MonkeyPatch, defence: str, named: str
) -> None:
    assert found_without(house, monkeypatch, DEFENCES[defence][0], named)


def _alone() -> list[str]:
    """Routes and pages that nothing but the door holds back from some kind of caller."""
    lines = (Path(__file__).parent / "door_alone.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("named", _alone())
def test_without_its_guard_a_route_that_only_the_door_holds_fails_the_walk(
    house: House, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    kind, name = named.split(" ", 1)
    removed, admit = WALKS[kind].policy_of(WALKS[kind].routes()[name]), Policy.admit

    def all_but_one(policy: Policy, actor: Any, what: str) -> None:
        if policy is not removed:
            admit(policy, actor, what)

    assert found_without(house, monkeypatch, [(Policy, "admit", all_but_one)], named)


def test_door_alone_lists_every_route_that_only_the_door_holds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new route that control itself does not refuse comes to the list only by review."""
    from .test_console import NOBODYS

    skipped = {"api": api_walk.STREAMS, "console": NOBODYS}
    found = [
        f"{kind} {name}"
        for kind, walk in WALKS.items()
        for name in sorted(set(walk.routes()) - skipped[kind])
        if not walk.policy_of(walk.routes()[name]).open
        if found_without(house, monkeypatch, [DOOR], f"{kind} {name}")
    ]
    assert found == _alone()
