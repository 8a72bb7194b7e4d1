"""Tenants share a site without isolation only where the operator accepted that in writing."""

from typing import Any

import pytest
from pydantic import ValidationError

from bruk.control import sites
from bruk.model.errors import Forbidden
from bruk.model.reason import ReasonCode
from bruk.model.run import Run
from bruk.model.site import Isolation
from bruk.model.workload import Workload
from bruk.store import records, work
from bruk.wire.requests import SiteBody, SiteChange

from .world import World

SENTENCE = "Both tenants work for the same hospital and have signed for it."


@pytest.fixture
def bare(world: World) -> World:
    """A world whose one site in Sweden keeps nobody apart."""
    world.sites["borlange"].sync(isolation=Isolation.NONE)
    return world


def _keep(world: World) -> None:
    world.step()
    for name in ("borlange", "essonne"):
        more: dict[str, Any] = {"isolation": Isolation.NONE} if name == "borlange" else {}
        world.sites[name].sync(**more)


def _submit(world: World, tenant: str) -> Workload:
    job = world.submit(f"{tenant}/lab", sites=["borlange"])
    world.step()
    return job


def _reason(world: World, job: Workload) -> ReasonCode | None:
    with world.control.read() as connection:
        found = work.waiting_for(connection).get(job.id)
    return found.code if found else None


def _runs(world: World, job: Workload) -> list[Run]:
    return world.runs(job)


def _audit(world: World, action: str) -> list[tuple[str, str, dict[str, Any]]]:
    with world.control.read() as connection:
        return [
            (entry.actor_id, entry.target, entry.detail)
            for entry in records.audit_entries(connection)
            if entry.action == action
        ]


def test_a_second_tenant_waits_until_it_is_accepted_in_writing_and_again_when_that_is_taken_back(
    bare: World,
) -> None:
    first = _submit(bare, "acme")
    assert len(_runs(bare, first)) == 1
    second = _submit(bare, "nordic")
    assert _runs(bare, second) == []
    assert _reason(bare, second) is ReasonCode.ISOLATION

    change = SiteChange(isolation_acceptance=SENTENCE)
    assert sites.change_site(bare.control, bare.operator, "borlange", change).isolation_accepted
    _keep(bare)
    bare.step()
    assert len(_runs(bare, second)) == 1
    who, what, detail = _audit(bare, "site.change")[-1]
    assert (who, what) == (bare.operator.id, "borlange")
    assert detail["isolation_acceptance"] == SENTENCE

    sites.change_site(bare.control, bare.operator, "borlange", SiteChange(isolation_acceptance=""))
    third = _submit(bare, "acme")
    assert _runs(bare, third) == []
    assert _reason(bare, third) is ReasonCode.ISOLATION
    assert not any(run.wanted == "stop" for run in (*_runs(bare, first), *_runs(bare, second)))


def test_only_an_operator_accepts(bare: World) -> None:
    admin = bare.person("acme", "tenant_admin")
    with pytest.raises(Forbidden):
        sites.change_site(bare.control, admin, "borlange", SiteChange(isolation_acceptance=SENTENCE))
    second = _submit(bare, "acme")
    third = _submit(bare, "nordic")
    assert (len(_runs(bare, second)), len(_runs(bare, third))) == (1, 0)


@pytest.mark.parametrize("words", ["yes", "I accept", "x" * 3000, "  .  ", "one\x00two three four"])
def test_accepting_takes_a_sentence(words: str) -> None:
    with pytest.raises(ValidationError):
        SiteChange(isolation_acceptance=words)
    with pytest.raises(ValidationError):
        SiteBody(name="x", country="FR", grid_zone="FR", isolation_acceptance=words)


def test_a_site_that_loses_its_isolation_keeps_what_runs_and_lets_no_second_tenant_in(world: World) -> None:
    first, second = _submit(world, "acme"), _submit(world, "nordic")
    assert len(_runs(world, first)) == len(_runs(world, second)) == 1
    world.sites["borlange"].sync(isolation=Isolation.NONE)
    assert _audit(world, "site.isolation")[-1] == (
        "borlange",
        "borlange",
        {"before": "sandbox", "after": "none"},
    )
    third = _submit(world, "acme")
    assert _runs(world, third) == []
    assert _reason(world, third) is ReasonCode.ISOLATION
    assert [run.wanted for run in (*_runs(world, first), *_runs(world, second))] == ["start", "start"]
    world.sites["borlange"].sync(isolation=Isolation.SANDBOX)
    world.step()
    assert len(_runs(world, third)) == 1


def test_an_agent_cannot_accept_for_the_operator(bare: World) -> None:
    _submit(bare, "acme")
    before = bare.dump()["site"]
    bare.sites["borlange"].sync(isolation=Isolation.NONE)
    assert bare.dump()["site"] == before
    assert "isolation_acceptance" not in type(bare.sites["borlange"].request()).model_fields
