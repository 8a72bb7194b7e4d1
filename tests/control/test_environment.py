"""The values of a job's environment are its tenant's: who operates or audits sees the names."""

from typing import Any

import pytest

from bruk.control import jobs
from bruk.model.tenant import Actor
from bruk.model.workload import Workload

from .world import World

ENV = {"HF_TOKEN": "hf_secret", "EPOCHS": "3"}
HIDDEN = {"HF_TOKEN": "(not shown)", "EPOCHS": "(not shown)"}


def shown(world: World, actor: Actor, job: Workload) -> list[Any]:
    """The environment in every answer that has the job."""
    listed = [item for item in jobs.listing(world.control, actor) if item.id == job.id]
    found = [jobs.get(world.control, actor, job.id), jobs.view(world.control, actor, job.id).workload]
    return [item.job.env for item in [*listed, *found]]


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_who_operates_or_audits_sees_the_names(world: World, role: str) -> None:
    job = world.submit(env=ENV)
    assert shown(world, world.person(None, role), job) == [HIDDEN] * 3
    assert jobs.cancel(world.control, world.operator, job.id).job.env == HIDDEN


def test_a_request_to_look_shows_no_value_either(world: World) -> None:
    from bruk.control import inspection
    from bruk.wire.access import InspectionBody

    job = world.submit(env=ENV)
    body = InspectionBody(project="acme/lab", reason="a look at the log", life_ms=3_600_000)
    inspection.ask(world.control, world.operator, body)
    assert shown(world, world.operator, job) == [HIDDEN] * 3


def test_its_own_tenant_sees_it_all_and_so_does_the_run(world: World) -> None:
    job, run, site = world.running(env=ENV)
    assert shown(world, world.person("acme", "member"), job) == [ENV] * 3
    assert site.orders[run.id].env == ENV
