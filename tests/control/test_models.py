"""Models and endpoints: what may be served, by whom, and what keeps it served."""

import pytest

from bruk.control import endpoints, models
from bruk.control.jobs import view
from bruk.model.artifact import Stage
from bruk.model.errors import Conflict, GateNotPassed, InvalidInput, NotFound, ResidencyViolation
from bruk.model.run import RunWanted, StopReason
from bruk.store import goods
from bruk.wire.requests import GateBody, ResidencyBody

from .world import World

GOOD = b'{"bits_per_byte": 1.5, "gzip_bits_per_byte": 2.0}'
POOR = b'{"bits_per_byte": 1.81, "gzip_bits_per_byte": 2.0}'


def _stage(world: World, model: str) -> Stage:
    with world.control.read() as connection:
        return goods.get_model(connection, model).stage


def test_a_job_makes_a_draft_with_its_lineage(world: World) -> None:
    world.train("m")
    model = models.get(world.control, world.operator, "m")
    assert (model.stage, model.project, model.evaluations) == (Stage.DRAFT, "acme/lab", ())


def test_two_jobs_of_one_model_id_do_not_stop_control(world: World) -> None:
    first, run, site = world.running(model="m")
    second, other_run, other_site = world.running(model="m")
    site.end(run.id, 0, [world.blob(b"one")])
    other_site.end(other_run.id, 0, [world.blob(b"two")])
    world.step()
    outcomes = {world.workload(first).outcome, world.workload(second).outcome}
    assert outcomes == {"succeeded", "failed"}
    with pytest.raises(InvalidInput, match="already"):
        world.submit(model="m")


def test_the_gate_decides(world: World) -> None:
    world.train("m")
    with pytest.raises(GateNotPassed, match="has not been evaluated"):
        world.serve("m")
    assert world.evaluate("m", POOR).outcome == "succeeded"
    assert _stage(world, "m") is Stage.DRAFT
    with pytest.raises(GateNotPassed, match="did not pass"):
        world.serve("m")
    world.evaluate("m", GOOD)
    assert _stage(world, "m") is Stage.VALIDATED
    world.serve("m")
    assert _stage(world, "m") is Stage.SERVED
    assert "gate_not_passed" in [row[6] for row in world.dump()["audit"]]


def test_the_limit_itself_passes_and_one_millionth_more_does_not(world: World) -> None:
    world.train("m")
    world.evaluate("m", b'{"bits_per_byte": 1.800001, "gzip_bits_per_byte": 2.0}')
    assert _stage(world, "m") is Stage.DRAFT
    world.evaluate("m", b'{"bits_per_byte": 1.8, "gzip_bits_per_byte": 2.0}')
    assert _stage(world, "m") is Stage.VALIDATED


def test_a_models_own_gate_goes_before_the_platforms(world: World) -> None:
    world.train("m")
    body = GateBody(metric="accuracy", baseline="majority", rule="at_least", limit_permille=1000)
    models.set_gate(world.control, world.operator, "m", body)
    assert world.evaluate("m", GOOD).outcome == "failed", "the figure is missing"
    world.evaluate("m", b'{"accuracy": 0.9, "majority": 0.5}')
    assert _stage(world, "m") is Stage.VALIDATED
    models.set_platform_gate(world.control, world.operator, body.model_copy(update={"baseline": "other"}))
    with world.control.read() as connection:
        assert models.platform_gate(connection).baseline == "other"


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"not JSON",
        b"[]",
        b"null",
        b'{"bits_per_byte": NaN, "gzip_bits_per_byte": 2.0}',
        b'{"bits_per_byte": -Infinity, "gzip_bits_per_byte": 2.0}',
        b'{"bits_per_byte": 1e308, "gzip_bits_per_byte": 2.0}',
        b'{"bits_per_byte": 1' + b"0" * 400 + b', "gzip_bits_per_byte": 2.0}',
        b'{"bits_per_byte": "1.0", "gzip_bits_per_byte": 2.0}',
        b'{"bits_per_byte": true, "gzip_bits_per_byte": 2.0}',
        b'{"bits_per_byte": 1.0, "gzip_bits_per_byte": 2.0, "note": "\\ud800"}',
        b'{"bits_per_byte": 1.0, "gzip_bits_per_byte": 2.0, "deep": ' + b"[" * 500 + b"]" * 500 + b"}",
        b"[" * 200_000,
        b"\xff\xfe",
        b'{"bits_per_byte": 1.0}',
    ],
)
def test_a_record_that_cannot_be_read_fails_its_job_alone(world: World, record: bytes) -> None:
    world.train("m")
    job = world.evaluate("m", record)
    assert job.outcome == "failed"
    assert job.outcome_detail
    assert _stage(world, "m") is Stage.DRAFT
    assert models.get(world.control, world.operator, "m").evaluations == ()


def test_only_the_evaluate_recipe_counts(world: World) -> None:
    world.train("m")
    job = world.evaluate("m", GOOD, recipe="", command=["cheat"], outputs=["evaluation.json"])
    assert job.outcome == "succeeded"
    assert _stage(world, "m") is Stage.DRAFT


def test_a_model_that_fails_later_is_not_served_anew(world: World) -> None:
    world.passed("m")
    endpoint = world.serve("m", "chat")
    world.evaluate("m", POOR)
    assert _stage(world, "m") is Stage.SERVED, "what is served goes on until its operator decides"
    with pytest.raises(GateNotPassed):
        world.serve("m", "again")
    endpoints.remove(world.control, world.operator, "chat")
    world.step()
    run = world.run_of(endpoint) if world.runs(endpoint) else None
    if run is not None:
        world.sites[run.site].sync()
        world.sites[run.site].end(run.id, 0)
        world.step()
    assert world.workload(endpoint).outcome == "cancelled"
    assert _stage(world, "m") is Stage.DRAFT


def test_a_served_model_is_not_retired_and_a_retired_one_not_served(world: World) -> None:
    world.passed("m")
    world.serve("m", "chat")
    with pytest.raises(Conflict, match="chat"):
        models.retire(world.control, world.operator, "m")
    endpoints.remove(world.control, world.operator, "chat")
    world.step()
    models.retire(world.control, world.operator, "m")
    with pytest.raises(GateNotPassed, match="retired"):
        world.serve("m")


def test_a_model_of_another_tenant_does_not_exist(world: World) -> None:
    world.passed("m")
    with pytest.raises(NotFound):
        world.serve("m", project="lumen/lab")
    with pytest.raises(NotFound):
        world.submit("lumen/lab", evaluates="m")


def test_a_model_is_not_carried_where_its_project_may_not_go(world: World) -> None:
    world.add_project("acme", "french", residency=ResidencyBody(countries=["FR"]))
    world.passed("m", "acme/french")
    with pytest.raises(ResidencyViolation):
        world.serve("m", project="acme/lab")
    assert world.serve("m", project="acme/french")


def test_replicas_follow_what_is_wanted(world: World) -> None:
    world.passed("m")
    endpoint = world.serve("m", replicas=3)
    world.step()
    assert len(world.runs(endpoint)) == 3
    for site in world.sites.values():
        site.sync()
    endpoints.scale(world.control, world.operator, "m", 1)
    world.step()
    stopping = [run for run in world.runs(endpoint) if run.wanted is RunWanted.STOP]
    assert [run.stop_reason for run in stopping] == [StopReason.SCALED] * 2
    assert world.runs(endpoint)[0].wanted is RunWanted.START, "the oldest stays"
    for run in stopping:
        world.sites[run.site].sync()
        world.sites[run.site].end(run.id, 143)
    endpoints.scale(world.control, world.operator, "m", 2)
    world.step()
    assert sum(run.wanted is RunWanted.START for run in world.runs(endpoint)) == 2
    endpoints.scale(world.control, world.operator, "m", 0)
    world.step()
    assert all(run.wanted is RunWanted.STOP for run in world.runs(endpoint))
    assert world.workload(endpoint).outcome == "open"


def test_a_replica_that_fails_comes_back_after_a_growing_wait(world: World) -> None:
    world.passed("m")
    endpoint = world.serve("m")
    waits = []
    for _ in range(3):
        world.step()
        run = world.run_of(endpoint)
        assert not run.ended
        site = world.sites[run.site]
        site.sync()
        site.start(run.id, ready=True, address="http://127.0.0.1:1")
        site.end(run.id, 1)
        world.step()
        waits.append(world.workload(endpoint).not_before_ms - world.clock.now_ms())
        world.clock.advance(waits[-1])
        for each in world.sites.values():
            each.sync()
    assert waits == [5_000, 10_000, 20_000]
    world.step()
    run = world.run_of(endpoint)
    site = world.sites[run.site]
    site.sync()
    site.start(run.id, ready=True, address="http://127.0.0.1:1")
    world.clock.advance(3_600_000)
    site.end(run.id, 1)
    world.step()
    assert world.workload(endpoint).not_before_ms - world.clock.now_ms() == 5_000, "it had run well"


def test_an_endpoint_ends_when_nothing_of_it_is_left(world: World) -> None:
    world.passed("m")
    endpoint = world.serve("m", "chat")
    world.step()
    run = world.run_of(endpoint)
    site = world.sites[run.site]
    site.sync()
    endpoints.remove(world.control, world.operator, "chat")
    with pytest.raises(Conflict, match="being removed"):
        endpoints.scale(world.control, world.operator, "chat", 4)
    world.step()
    assert world.workload(endpoint).outcome == "open"
    site.sync()
    site.end(run.id, 143)
    world.step()
    assert world.workload(endpoint).outcome == "cancelled"
    assert _stage(world, "m") is Stage.VALIDATED
    assert view(world.control, world.operator, endpoint.id).waiting_for is None
    with pytest.raises(NotFound):
        endpoints.get(world.control, world.operator, "chat")
    assert world.serve("m", "chat")


def test_a_name_is_one_open_endpoints(world: World) -> None:
    world.passed("m")
    world.serve("m", "chat")
    before = world.dump()
    with pytest.raises(Conflict, match="chat"):
        world.serve("m", "chat")
    assert world.changed(before) == set()
