"""The walk over the pages and forms of the console: everybody asks, with their own and another's ids."""

import re
from typing import Any

from fastapi.routing import APIRoute

from bruk.console import create_router, door
from bruk.model.clock import ManualClock
from bruk.model.policy import PEOPLE, Policy, Who

from .api_walk import REFUSED, STATES, nobody_succeeds, path_of
from .conftest import Caller, House, fill, hidden, reached

SWITCH = {"scope": "site", "target": "{site}", "reason": "walk"}
# What a form sends, or a page's query, with ids filled in like the path's.
NEEDS: dict[str, dict[str, str]] = {
    "GET /events": {"workload": "{workload}"},
    "GET /switch/turn": {"scope": "site", "target": "{site}"},
    "POST /login": {"token": "no-such-token"},
    "POST /models/{model}/gate": {"percent": "90"},
    "POST /models/{model}/retire": {"confirmed": "{spare_model}"},
    "POST /endpoints": {"name": "fresh", "model": "{model}"},
    "POST /endpoints/{name}/scale": {"replicas": "2"},
    "POST /endpoints/{name}/remove": {"confirmed": "{endpoint}"},
    "POST /people/keys": {"project": "{tenant}/lab"},
    "POST /people/keys/{key}": {"disabled": "true"},
    "POST /people": {"name": "New", "role": "member", "tenant": "{tenant}"},
    "POST /people/{user}": {"disabled": "true"},
    "POST /invoices": {"tenant": "{tenant}"},
    "POST /sites/{name}/nodes/{node}": {"drained": "true"},
    "POST /switch/off": SWITCH,
    "POST /switch/on": SWITCH,
    "POST /access": {"project": "{tenant}/lab", "reason": "walk"},
    "POST /access/demand": {"operator_access": "audited"},
}
# Streams (see ``test_streams``), and what waits for the gateway (see ``console.test_playground``).
UNENDING = {"GET /events", "POST /playground/ask"}

# As in ``api_walk``.
UNDONE: dict[str, frozenset[Who]] = {"POST /switch/off": frozenset(Who)}


def routes() -> dict[str, APIRoute]:
    router = create_router(_Nothing(), gateway_url=lambda: "")  # type: ignore[arg-type]
    found = {}
    for route in router.routes:
        assert isinstance(route, APIRoute)
        for method in route.methods:
            found[f"{method} {route.path}"] = route
    return found


class _Nothing:
    """As much of control as putting routes together needs."""

    clock = ManualClock()


def policy_of(route: APIRoute) -> Policy:
    found = [item.dependency.policy for item in route.dependencies if isinstance(item.dependency, door.Guard)]
    assert len(found) == 1, f"{route.path} declares {len(found)} policies, not one with guard(...)"
    policy: Policy = found[0]
    return policy


def _form_token(house: House, caller: Caller) -> str:
    if caller.who not in PEOPLE:
        return "none"
    html = house.client.get("/", cookies={door.SESSION_COOKIE: caller.secret}).text
    found = re.search(r'name="form_token" value="([^"]+)"', html)
    assert found, f"{caller.name} sees no page"
    return found[1]


def _ask(house: House, caller: Caller, name: str, ids: Any) -> Any:
    method, path = name.split(" ", 1)[0], path_of(name, ids)
    needs = {key: fill(value, ids) for key, value in NEEDS.get(name, {}).items()}
    house.client.cookies.clear()
    if caller.secret:
        house.client.cookies.set(door.SESSION_COOKIE, caller.secret)
    if method == "GET":
        return house.client.get(path, params=needs)
    if name == "POST /playground/ask":
        return house.client.post(path, json={"model": "m"}, headers={"bruk-form": "none"})
    needs["form_token"] = _form_token(house, caller)
    return house.client.post(path, data=needs)


def _was_refused(answer: Any) -> bool:
    to_login = answer.status_code == 303 and answer.headers["location"] == "/login"
    return to_login or answer.status_code in REFUSED


def _faults(house: House, caller: Caller, tenant: str, name: str, policy: Policy) -> tuple[list[str], int]:
    ids = house.ids[tenant]
    allowed = reached(policy, caller, ids, name.startswith("GET"))
    if allowed and name in UNENDING:
        return [], 200
    answer = _ask(house, caller, name, ids)
    title = re.search(r"<h1[^>]*>.*?</h1>.*?</p>", answer.text, re.S)
    case = f"{caller.name} with {tenant}'s ids: {answer.status_code} {title[0][:200] if title else ''}"
    wrong = []
    let_in = name == "POST /logout" or not _was_refused(answer)
    if allowed and not (let_in and (answer.status_code < 400 or answer.status_code in STATES)):
        wrong.append(f"should be let in: {case}")
    if not allowed:
        if not _was_refused(answer):
            wrong.append(f"should be refused: {case}")
        if changed := house.changed():
            wrong.append(f"was refused and changed {changed}: {case}")
    given = path_of(name, ids) + fill(str(NEEDS.get(name, {})), ids)
    leaked = [word for word in hidden(caller, ids) if word in answer.text and word not in given]
    if leaked:
        wrong.append(f"leaks {leaked}: {case}")
    if not name.startswith("GET") or house.changed():
        house.restore()
    return wrong, answer.status_code


def faults(house: House, name: str) -> list[str]:
    """What is wrong with one page or form: whom it lets in, what a refusal changes, what it shows."""
    policy = policy_of(routes()[name])
    found: list[str] = []
    statuses: dict[str, set[int]] = {}
    for caller in house.callers.values():
        for tenant, ids in house.ids.items():
            wrong, status = _faults(house, caller, tenant, name, policy)
            found += wrong
            if caller.who in policy.who and reached(policy, caller, ids, name.startswith("GET")):
                statuses.setdefault(caller.who.value, set()).add(status)
    return found + nobody_succeeds(statuses, UNDONE.get(name, frozenset()))
