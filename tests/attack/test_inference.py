"""A short attack on a gateway's routes as every kind of caller; ``make attack`` is the long one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bruk.gateway.app import ROUTES as DECLARED
from bruk.gateway.relay import Relay

from ..gateway.conftest import World  # noqa: TID252 (tests are no installed package)
from .inference import CALLERS, ROUTES, Siege

SEED = 20261127


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "gw")
    try:
        yield made.start()
    finally:
        made.close()


@pytest.mark.slow
def test_no_caller_finds_anything_at_a_gateway(world: World) -> None:
    siege = Siege(world)
    for caller in CALLERS:
        siege.run(caller, 40 if caller in ("acme", "poor", "swede") else 8, SEED)
    siege.settle()
    assert [str(finding) for finding in siege.tally.findings.values()] == []
    assert siege.tally.statuses[200] > 40, siege.tally.statuses
    assert {400, 401, 402, 403, 404, 405} <= set(siege.tally.statuses)


def test_the_attack_knows_every_route_that_is_relayed() -> None:
    assert set(ROUTES) == {path for path, (method, _) in DECLARED.items() if method == "POST"}


def test_the_attack_would_find_what_it_looks_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    siege = Siege(world)
    monkeypatch.setattr(Relay, "run", _broken)
    siege.run("acme", 12, SEED)
    assert "status 500" in " ".join(str(finding) for finding in siege.tally.findings.values())


async def _broken(*_arguments: object) -> None:
    raise ZeroDivisionError
