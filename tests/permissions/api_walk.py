"""The walk over the routes of the API: everybody calls one, with their own and another's ids."""

import json
from typing import Any

from fastapi.routing import APIRoute

from bruk.api import door, inspection, people, processes, records, secrets, sites, work
from bruk.model.policy import Policy, Who

from .conftest import Caller, House, Ids, fill, hidden, reached

ROOMS = (sites, people, work, secrets, records, inspection, processes)
REFUSED = (401, 403, 404)

# What a call needs beside its path: query and body, with ids filled in like the path's.
JOB = {"project": "{tenant}/lab", "name": "j", "spec": {"command": ["true"], "time_limit_s": 60}}
SWITCH = {"scope": "site", "target": "{site}", "reason": "walk"}
ACKNOWLEDGED = {"enforcer": "agent", "id": "x", "generation": 0, "at_ms": 0}
SYNC = {
    "agent_version": "0.1",
    "boot_id": "b",
    "journal": "walk",
    "now_ms": 1,
    "wait_ms": 0,
    "acknowledgement": ACKNOWLEDGED,
}
GATEWAY = {"gateway": "gw", "journal": "walk", "now_ms": 1, "wait_ms": 0, "acknowledgement": ACKNOWLEDGED}
NEEDS: dict[str, dict[str, Any]] = {
    "POST /login": {"json": {"token": "no-such-login-token-was-given"}},
    "POST /tenants": {"json": {"name": "fresh"}},
    "PATCH /tenants/{tenant}": {"json": {"weight": 3}},
    "POST /tenants/{tenant}/users": {"json": {"name": "New", "role": "member"}},
    "POST /users": {"json": {"name": "New", "role": "member", "tenant": "{tenant}"}},
    "PATCH /users/{user}": {"json": {"disabled": True}},
    "POST /users/{user}/credentials/end": {"json": {}},
    "POST /token/rotate": {"json": {}},
    "POST /projects": {"json": {"tenant": "{tenant}", "name": "fresh"}},
    "PATCH /projects/{tenant}/{project}": {"json": {"display_name": "Walked"}},
    "POST /projects/{tenant}/{project}/keys": {"json": {}},
    "PATCH /keys/{key}": {"json": {"disabled": True}},
    "POST /keys/{key}/rotate": {"json": {}},
    "PUT /projects/{tenant}/{project}/budget": {"json": {"budget_microeur": 7}},
    "PUT /projects/{tenant}/{project}/secrets/{secret}": {"json": {"value": "walked"}},
    "PUT /tenants/{tenant}/budget": {"json": {"budget_microeur": 7}},
    "POST /prices": {"json": {"resource": "tokens_in", "item": "fresh", "price_microeur": 1}},
    "POST /sites": {"json": {"name": "fresh", "country": "FR", "grid_zone": "FR", "operator": "x"}},
    "PATCH /sites/{site}": {"json": {"display_name": "Walked"}},
    "PUT /sites/{site}/power": {"json": {"limits": [{"watts": 1000000000}]}},
    "POST /gateways": {"json": {"name": "fresh", "site": "{site}"}},
    "POST /artifacts": {"params": {"name": "walk", "project": "{tenant}/lab"}, "content": b"bytes"},
    "POST /jobs/estimate": {"json": JOB},
    "POST /jobs": {"json": JOB},
    "GET /workloads": {"params": {"project": "{tenant}/lab"}},
    "GET /artifacts": {"params": {"project": "{tenant}/lab"}},
    "GET /projects": {"params": {"tenant": "{tenant}"}},
    "GET /runs": {"params": {"workload": "{workload}"}},
    "GET /ledger": {"params": {"tenant": "{tenant}"}},
    "PUT /models/{model}/gate": {"json": {"limit_permille": 900}},
    "PUT /gate": {"json": {"limit_permille": 900}},
    "POST /endpoints": {"json": {"project": "{tenant}/lab", "name": "fresh", "model": "{model}"}},
    "POST /endpoints/attached": {
        "json": {
            "project": "{tenant}/lab",
            "name": "beside",
            "model": "theirs",
            "url": "http://127.0.0.1:9",
            "site": "{site}",
        }
    },
    "PATCH /endpoints/{name}": {"json": {"replicas": 2}},
    "POST /switch/off": {"json": SWITCH},
    "POST /switch/on": {"json": SWITCH},
    "POST /ledger/credits": {"json": {"project": "{tenant}/lab", "amount_microeur": 1, "note": "walk"}},
    "POST /invoices": {"json": {"tenant": "{tenant}"}},
    "POST /signing-keys/rotate": {"json": {}},
    "POST /access-requests": {"json": {"project": "{tenant}/lab", "reason": "walk"}},
    "PUT /tenants/{tenant}/operator-access": {"json": {"operator_access": "audited"}},
    "POST /agent/sync": {"json": {**SYNC, "site": "{site}", "nodes": [], "isolation": "sandbox"}},
    "PUT /agent/blobs/{digest}": {"content": b"bytes"},
    "POST /agent/runs/{run}/logs": {"params": {"offset": 0}, "content": b""},
    "POST /agent/runs/{run}/progress": {"params": {"offset": 0}, "content": b""},
    "POST /gateway/sync": {"json": GATEWAY},
}
# Streams never end by themselves; see ``test_streams``.
STREAMS = {"GET /events"}
# What a caller who is let in hears without having been refused: nothing there is theirs to do now.
STATES = {409, 422}
# Kinds of callers for whom there is nothing to do there in this world; their success is shown elsewhere.
UNDONE: dict[str, frozenset[Who]] = {
    "POST /switch/off": frozenset(Who),  # The site is off already; see ``test_success``.
}
# Where a path names something else than its parameter's usual thing.
PATHS = {
    "DELETE /artifacts/{artifact}": "/artifacts/{spare}",
    "POST /models/{model}/retire": "/models/{spare_model}/retire",
}


def path_of(name: str, ids: Ids) -> str:
    """The path of a route or page with this tenant's ids in it."""
    path = PATHS.get(name, name.split(" ", 1)[1])
    for room, whose in (("endpoints", "endpoint"), ("sites", "site")):
        path = path.replace(f"/{room}/{{name}}", f"/{room}/{{{whose}}}")
    return fill(path, ids)


def routes() -> dict[str, APIRoute]:
    found = {}
    for room in ROOMS:
        for route in room.router.routes:
            assert isinstance(route, APIRoute)
            for method in route.methods:
                found[f"{method} {route.path}"] = route
    return found


def policy_of(route: APIRoute) -> Policy:
    found = [item.dependency.policy for item in route.dependencies if isinstance(item.dependency, door.Guard)]
    assert len(found) == 1, f"{route.path} declares {len(found)} policies, not one with guard(...)"
    policy: Policy = found[0]
    return policy


def _filled(item: Any, ids: Any) -> Any:
    if isinstance(item, str):
        return fill(item, ids)
    if isinstance(item, dict):
        return {name: _filled(value, ids) for name, value in item.items()}
    return [_filled(value, ids) for value in item] if isinstance(item, list) else item


def faults(house: House, name: str) -> list[str]:
    """What is wrong with one route: whom it lets in, what a refusal changes, what an answer shows.

    Args:
        name: method and path, as in :func:`routes`.
    """
    policy = policy_of(routes()[name])
    found: list[str] = []
    statuses: dict[str, set[int]] = {}
    for caller in house.callers.values():
        for ids in house.ids.values():
            wrong, status = _faults_of_call(house, name, policy, caller, ids)
            found += wrong
            if caller.who in policy.who and reached(policy, caller, ids, name.startswith("GET")):
                statuses.setdefault(caller.who.value, set()).add(status)
    return found + nobody_succeeds(statuses, UNDONE.get(name, frozenset()))


def nobody_succeeds(statuses: dict[str, set[int]], undone: frozenset[Who]) -> list[str]:
    """The kinds of callers that are let in and never get what they came for.

    Args:
        statuses: kind of caller to the answers they got where they are allowed.
        undone: kinds for which there is nothing to do in this world, with a reason beside.
    """
    return [
        f"no {who} got it: {sorted(seen)}"
        for who, seen in statuses.items()
        if min(seen) >= 400 and Who(who) not in undone
    ]


def _faults_of_call(
    house: House, name: str, policy: Policy, caller: Caller, ids: Ids
) -> tuple[list[str], int]:
    method, path = name.split(" ", 1)[0], f"/api/v1{path_of(name, ids)}"
    headers = {"Authorization": f"Bearer {caller.secret}"} if caller.secret else {}
    needs = _filled(NEEDS.get(name, {}), ids)
    answer = house.client.request(method, path, headers=headers, **needs)
    case = f"{caller.name} with {ids.tenant}'s ids: {answer.status_code} {answer.text[:150]}"
    if name == "POST /login":
        return [] if answer.status_code == 401 else [case], answer.status_code
    wrong = []
    allowed = reached(policy, caller, ids, method == "GET")
    if allowed and answer.status_code >= 400 and answer.status_code not in STATES:
        wrong.append(f"should be let in: {case}")
    if not allowed:
        if answer.status_code not in REFUSED:
            wrong.append(f"should be refused: {case}")
        if changed := house.changed():
            wrong.append(f"was refused and changed {changed}: {case}")
        if caller.who is None and answer.status_code != 401:
            wrong.append(f"nobody knows who this is: {case}")
    said = [answer]
    if method == "GET" and needs:
        # What the same list shows to whoever names nothing.
        said.append(house.client.request(method, path, headers=headers))
    for one, given in zip(said, (path + json.dumps(needs, default=str), path), strict=False):
        text = one.text + json.dumps(dict(one.headers))
        leaked = [word for word in hidden(caller, ids) if word in text and word.strip('"') not in given]
        if leaked:
            wrong.append(f"leaks {leaked}: {case}")
    if method != "GET" or house.changed():
        house.restore()
    return wrong, answer.status_code
