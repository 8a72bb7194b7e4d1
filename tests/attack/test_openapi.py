"""A short attack on the whole API as every kind of caller; ``make attack`` is the long one.

Its draws are the same in every run, so what it finds once it finds again.
"""

import itertools
from pathlib import Path

import pytest

from bruk.api import create_api

from .openapi import Attack
from .people import MARK, ROLES, Cloud, cloud

SEED = 20261127


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES, ids=str)
def test_no_caller_finds_anything(role: str | None, template: Path, tmp_path: Path) -> None:
    counter = itertools.count()
    attack = Attack(lambda: cloud(tmp_path / f"{next(counter)}", template), role)
    try:
        # Every other operation, and a process' own; who comes next in the list attacks the others.
        everything = attack.operations()
        own = [each for each in everything if each.path.startswith(f"/{role}/")]
        for operation in {
            id(each): each for each in (*everything[ROLES.index(role) % 2 :: 2], *own)
        }.values():
            attack.run(operation, 1, SEED)
        answered = attack.tally.statuses
        assert [str(finding) for finding in attack.tally.findings.values()] == []
        assert attack.tally.requests > 50
        if role in (None, "nobody"):
            assert set(answered) <= {200, 400, 401, 404, 405, 422}
        elif role not in ("agent", "gateway"):
            # What a process says must be true to be taken, and what is drawn seldom is.
            assert sum(count for status, count in answered.items() if status < 300) > 0
    finally:
        attack.close()


def test_the_attack_would_find_what_it_looks_for(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With borders taken away it complains of each: a stranger's thing, a defect, a change by a refusal."""
    from bruk.control import authorise, jobs

    attack = Attack(lambda: cloud(tmp_path / "home", template), "member")
    operations = {f"{each.method} {each.path}": each for each in attack.operations()}
    with monkeypatch.context() as patch:
        patch.setattr(authorise, "read", lambda *_arguments: None)
        attack.run(operations["get /tenants/{tenant}"], 10, SEED)
        patch.setattr(jobs, "view", _broken)
        attack.run(operations["get /workloads/{workload}"], 4, SEED)
    attack.close()
    found = " ".join(str(finding) for finding in attack.tally.findings.values())
    assert "somebody else's thing was served" in found
    assert "status 500" in found


def _broken(*_arguments: object, **_more: object) -> None:
    raise ZeroDivisionError


@pytest.fixture(scope="module")
def standing(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    return cloud(tmp_path_factory.mktemp("cloud") / "home", template)


def test_every_refusal_is_described(standing: Cloud) -> None:
    """The description says in which shape a request is refused, and promises no other."""
    described = create_api(standing.api.world.control).openapi()
    for path, item in described["paths"].items():
        for method, operation in item.items():
            refusal = operation["responses"]["4XX"]["content"]
            assert set(refusal) == {"application/problem+json"}, f"{method} {path}"
            assert "422" not in operation["responses"], f"{method} {path}"
    assert set(described["components"]["schemas"]["Problem"]["required"]) >= {"code", "detail", "status"}


@pytest.mark.parametrize(
    "path", ["/api/v1/nowhere", "/api/v1/tenants/a%0Ab/budget", "/api/v1//", "/api/v1/%0A"]
)
def test_what_lies_on_no_route_is_refused_in_the_same_shape(standing: Cloud, path: str) -> None:
    answer = standing.api.client.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"


def test_the_stranger_is_there_to_be_found(standing: Cloud) -> None:
    """The search for somebody else's name means something: the operator does see it."""
    token = {"Authorization": f"Bearer {standing.token('operator')}"}
    for path in ("/tenants", "/projects", "/models", "/workloads", "/artifacts", "/endpoints"):
        assert MARK in standing.api.client.get(f"/api/v1{path}", headers=token).text, path
