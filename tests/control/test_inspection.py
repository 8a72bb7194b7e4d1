"""Operators look at tenants' content only by a request; what they look at is written down."""

import pytest

from bruk.control import access, data, inspection, jobs
from bruk.control.logs import Stream
from bruk.model.artifact import ArtifactKind
from bruk.model.errors import Conflict, Forbidden, InvalidInput, NotFound
from bruk.model.inspection import AccessNeeded, InspectionState, OperatorAccess
from bruk.model.run import Run
from bruk.model.tenant import Actor, Role
from bruk.store import records
from bruk.wire.access import InspectionBody
from bruk.wire.requests import UserBody

from .world import World

HOUR_MS = 3_600_000


def _ask(project: str = "acme/lab", **more: object) -> InspectionBody:
    return InspectionBody(project=project, reason="ticket 42", **{"life_ms": HOUR_MS, **more})  # type: ignore[arg-type]


def _of_site(world: World, site: str) -> Actor:
    body = UserBody(name=f"operator of {site}", role="operator", site=site)
    user, _ = access.add_user(world.control, world.operator, body)
    return Actor("user", user.id, Role.OPERATOR, site=site)


def _run(world: World, job: str) -> Run:
    return jobs.view(world.control, world.operator, job).runs[-1]


def _log(world: World, actor: Actor, job: str) -> bytes:
    return jobs.output_of(world.control, actor, job, None, Stream.LOG, 0, 100)[0]


@pytest.fixture
def job(world: World) -> str:
    found, run, _ = world.running()
    for stream in Stream:
        world.control.logs.append(run.id, stream, 0, b"loss 3.1\n")
    return found.id


def test_an_operator_sees_no_log_before_asking_and_hears_how(world: World, job: str) -> None:
    with pytest.raises(AccessNeeded, match="bruk access request --project acme/lab"):
        _log(world, world.operator, job)
    with pytest.raises(AccessNeeded):
        jobs.output_of(world.control, world.operator, job, None, Stream.PROGRESS, 0, 100)
    assert _log(world, world.person("acme", "member"), job) == b"loss 3.1\n"


def test_a_request_opens_one_project_for_its_time_and_every_use_is_written_down(
    world: World, job: str
) -> None:
    asked = inspection.ask(world.control, world.operator, _ask())
    assert asked.state is InspectionState.GRANTED
    assert _log(world, world.operator, job) == b"loss 3.1\n"
    assert _log(world, world.operator, job) == b"loss 3.1\n"
    admin = world.person("acme", "tenant_admin")
    (shown,) = inspection.listing(world.control, admin)
    assert [use.what for use in shown.inspection.uses] == [f"{_run(world, job).id}/log"]
    with world.control.read() as connection:
        last = records.audit_entries(connection, after=0, limit=1000)
    reads = [entry for entry in last if entry.action == "content.read" and entry.outcome == "done"]
    assert [(entry.actor_id, entry.detail["access"]) for entry in reads] == [
        (world.operator.id, asked.inspection.id)
    ]
    world.clock.advance(HOUR_MS)
    with pytest.raises(AccessNeeded):
        _log(world, world.operator, job)


def test_a_request_opens_nothing_of_another_project_or_for_another_operator(world: World, job: str) -> None:
    inspection.ask(world.control, world.operator, _ask("lumen/lab"))
    with pytest.raises(AccessNeeded):
        _log(world, world.operator, job)
    inspection.ask(world.control, world.operator, _ask())
    second, _ = access.add_user(world.control, world.operator, UserBody(name="second", role="operator"))
    with pytest.raises(AccessNeeded):
        _log(world, Actor("user", second.id, Role.OPERATOR), job)


def test_an_auditor_sees_requests_and_never_content(world: World, job: str) -> None:
    auditor = world.person(None, "auditor")
    inspection.ask(world.control, world.operator, _ask())
    assert len(inspection.listing(world.control, auditor)) == 1
    with pytest.raises(Forbidden, match="auditor"):
        _log(world, auditor, job)
    with pytest.raises(Forbidden):
        inspection.ask(world.control, auditor, _ask())
    with pytest.raises(Forbidden):
        inspection.end(world.control, auditor, inspection.listing(world.control, auditor)[0].inspection.id)


def test_an_artifacts_bytes_are_content_and_its_row_is_not(world: World) -> None:
    member = world.person("acme", "member")
    kept = data.put(world.control, member, "acme/lab", "corpus", ArtifactKind.FILE, [b"private"])
    assert data.get(world.control, world.operator, kept.id).size_bytes == 7
    with pytest.raises(AccessNeeded):
        data.content(world.control, world.operator, kept.id)
    asked = inspection.ask(world.control, world.operator, _ask())
    with data.content(world.control, world.operator, kept.id)[1] as file:
        assert file.read() == b"private"
    inspection.end(world.control, member_admin := world.person("acme", "tenant_admin"), asked.inspection.id)
    with pytest.raises(AccessNeeded):
        data.content(world.control, world.operator, kept.id)
    with pytest.raises(Conflict):
        inspection.end(world.control, member_admin, asked.inspection.id)


def test_a_tenant_that_demands_it_is_asked_first_and_only_its_admin_says_yes(world: World, job: str) -> None:
    admin, member = world.person("acme", "tenant_admin"), world.person("acme", "member")
    for other in (world.operator, member):
        with pytest.raises(Forbidden):
            inspection.demand(world.control, other, "acme", OperatorAccess.AUDITED)
    with pytest.raises(NotFound):
        inspection.demand(
            world.control, world.person("lumen", "tenant_admin"), "acme", OperatorAccess.AUDITED
        )
    inspection.demand(world.control, admin, "acme", OperatorAccess.APPROVED)
    asked = inspection.ask(world.control, world.operator, _ask())
    assert asked.state is InspectionState.ASKED
    with pytest.raises(AccessNeeded):
        _log(world, world.operator, job)
    with pytest.raises(Forbidden):
        inspection.approve(world.control, world.operator, asked.inspection.id)
    for stranger in (member, world.person("lumen", "tenant_admin")):
        with pytest.raises(NotFound):
            inspection.approve(world.control, stranger, asked.inspection.id)
    world.clock.advance(HOUR_MS * 5)
    assert inspection.approve(world.control, admin, asked.inspection.id).state is InspectionState.GRANTED
    assert _log(world, world.operator, job)


def test_an_operator_of_one_site_asks_for_what_runs_there_alone(world: World, job: str) -> None:
    site = _run(world, job).site
    here, there = _of_site(world, site), _of_site(world, "essonne" if site == "borlange" else "borlange")
    assert jobs.get(world.control, here, job).id == job
    with pytest.raises(NotFound):
        jobs.get(world.control, there, job)
    with pytest.raises(NotFound):
        inspection.ask(world.control, there, _ask())
    with pytest.raises(AccessNeeded):
        _log(world, here, job)
    inspection.ask(world.control, here, _ask())
    assert _log(world, here, job)


@pytest.mark.parametrize("wrong", [{"life_ms": 0}, {"life_ms": 25 * HOUR_MS}, {"reason": "  "}])
def test_a_request_has_a_reason_and_an_end(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"life_ms|reason"):
        InspectionBody(**{"project": "acme/lab", "reason": "x", **wrong})  # type: ignore[arg-type]


def test_only_an_operator_belongs_to_one_site(world: World) -> None:
    with pytest.raises(InvalidInput):
        access.add_user(world.control, world.operator, UserBody(name="x", role="auditor", site="essonne"))
    with pytest.raises(NotFound):
        access.add_user(world.control, world.operator, UserBody(name="x", role="operator", site="nowhere"))
