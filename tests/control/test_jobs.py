"""The life of a job: placed, run, ended, tried again, stopped."""

import pytest

from bruk.control import data, jobs, models, tenancy
from bruk.control.jobs import view
from bruk.model.artifact import ArtifactKind
from bruk.model.errors import (
    BudgetExhausted,
    Conflict,
    InvalidInput,
    NotFound,
    PriceMissing,
    ResidencyViolation,
)
from bruk.model.run import Observed, RunWanted, StopReason
from bruk.model.tenant import Actor, Role
from bruk.store import goods
from bruk.wire.agent import OutputReport
from bruk.wire.requests import BudgetBody, ResidencyBody, TenantChange

from .world import World


def test_a_job_that_ends_with_its_outputs_succeeds(world: World) -> None:
    job, run, site = world.running(outputs=["model", "log"])
    site.end(run.id, 0, [world.blob(b"weights"), world.blob(b"text", "log")])
    world.step()
    closed = world.workload(job)
    assert (closed.outcome, closed.ended_at_ms) == ("succeeded", world.clock.now_ms())
    with world.control.read() as connection:
        kept = goods.artifacts(connection, run=run.id)
    assert {item.name: item.size_bytes for item in kept} == {"model": 7, "log": 4}
    assert site.sync() == {}
    assert world.step() == 0


def test_an_output_that_is_missing_fails_the_job_by_name(world: World) -> None:
    job, run, site = world.running(outputs=["model", "log"])
    site.end(run.id, 0, [world.blob(b"weights")])
    world.step()
    closed = world.workload(job)
    assert closed.outcome == "failed"
    assert "log" in closed.outcome_detail
    assert "model" not in closed.outcome_detail


@pytest.mark.parametrize("digest", ["0" * 64, "no digest", "../../etc/passwd", ""])
def test_an_output_that_never_arrived_fails_the_job(world: World, digest: str) -> None:
    """Whatever a site says of its outputs, control's loop goes on."""
    job, run, site = world.running(outputs=["model"])
    site.end(run.id, 0, [OutputReport(name="model", kind=ArtifactKind.FILE, digest=digest, size_bytes=5)])
    other = world.submit()
    world.step()
    assert world.workload(job).outcome == "failed"
    assert "never reached control" in world.workload(job).outcome_detail
    assert world.run_of(other).observed == "assigned"


def test_a_size_that_a_site_states_is_not_believed(world: World) -> None:
    _, run, site = world.running(outputs=["model"])
    site.end(run.id, 0, [world.blob(b"weights").model_copy(update={"size_bytes": 10**12})])
    world.step()
    with world.control.read() as connection:
        assert [item.size_bytes for item in goods.artifacts(connection, run=run.id)] == [7]


def test_a_failure_is_tried_again_after_growing_waits(world: World) -> None:
    job = world.submit(retry_limit=2, sites=["essonne"])
    site = world.sites["essonne"]
    waits = []
    for attempt in (1, 2, 3):
        world.step()
        run = world.run_of(job)
        assert run.attempt == attempt
        site.sync()
        site.start(run.id)
        site.end(run.id, 1, detail="out of memory")
        world.step()
        current = world.workload(job)
        if attempt < 3:
            assert current.outcome == "open"
            waits.append(current.not_before_ms - world.clock.now_ms())
            assert len(world.runs(job)) == attempt, "it waits for its back-off"
            reason = view(world.control, world.operator, job.id).waiting_for
            assert reason is not None
            assert reason.code == "backoff"
            world.clock.advance(waits[-1])
            site.sync()
    assert waits[1] == 2 * waits[0] > 0
    closed = world.workload(job)
    assert closed.outcome == "failed"
    assert "out of memory" in closed.outcome_detail
    assert "exit status 1" in closed.outcome_detail


def test_a_lost_run_is_tried_again(world: World) -> None:
    job, run, site = world.running(retry_limit=1)
    site.observe(run.id, Observed.LOST, ended_at_ms=world.clock.now_ms())
    world.step()
    assert world.workload(job).outcome == "open"
    world.clock.advance(10_000)
    for each in world.sites.values():
        each.sync()
    world.step()
    assert world.run_of(job).attempt == 2


def test_the_time_limit_ends_a_job_that_its_site_did_not_end(world: World) -> None:
    job, run, site = world.running(time_limit_s=60, retry_limit=5)
    world.clock.advance(80_000)
    site.sync()
    world.step()
    assert world.run_of(job).wanted is RunWanted.START, "the site has a moment to do it itself"
    world.clock.advance(20_000)
    site.sync()
    world.step()
    assert world.run_of(job).stop_reason is StopReason.TIME_LIMIT
    site.sync()
    site.end(run.id, 143)
    world.step()
    assert world.workload(job).outcome == "failed"
    assert "time limit of 60 s" in world.workload(job).outcome_detail


def test_a_run_that_its_site_ended_at_the_limit_is_not_tried_again(world: World) -> None:
    job, run, site = world.running(time_limit_s=60, retry_limit=5)
    world.clock.advance(60_000)
    site.end(run.id, 143)
    world.step()
    assert world.workload(job).outcome == "failed"
    assert "time limit" in world.workload(job).outcome_detail


def test_a_run_that_its_site_interrupted_goes_on_without_a_failure(world: World) -> None:
    job, run, site = world.running(retry_limit=0)
    site.end(run.id, 143, interrupted=True)
    world.step()
    current = world.workload(job)
    assert (current.outcome, current.failures) == ("open", 0)
    again = world.run_of(job)
    assert (again.attempt, again.site) == (2, run.site), "it goes back to where its checkpoints are"


def test_cancel_while_it_waits(world: World) -> None:
    job = world.submit(sites=["nowhere"])
    world.step()
    jobs.cancel(world.control, world.operator, job.id)
    world.step()
    assert world.workload(job).outcome == "cancelled"
    assert world.runs(job) == []


@pytest.mark.parametrize("observed", ["assigned", "starting", "running", "stopping"])
def test_cancel_in_each_state_of_its_run(world: World, observed: str) -> None:
    job = world.submit()
    world.step()
    run = world.run_of(job)
    site = world.sites[run.site]
    site.sync()
    if observed != "assigned":
        site.observe(run.id, Observed(observed))
    jobs.cancel(world.control, world.operator, job.id)
    jobs.cancel(world.control, world.operator, job.id)
    world.step()
    stopped = world.run_of(job)
    assert (stopped.wanted, stopped.stop_reason) == (RunWanted.STOP, StopReason.CANCELLED)
    assert stopped.generation == 2
    assert world.workload(job).outcome == "open", "nothing is over while something of it is left"
    site.sync()
    site.end(run.id, 143)
    world.step()
    assert world.workload(job).outcome == "cancelled"
    assert len(world.runs(job)) == 1
    jobs.cancel(world.control, world.operator, job.id)


def test_what_has_ended_cannot_be_cancelled(world: World) -> None:
    job, run, site = world.running()
    site.end(run.id, 0)
    world.step()
    with pytest.raises(Conflict, match="succeeded already"):
        jobs.cancel(world.control, world.operator, job.id)
    assert world.workload(job).wanted == "run"


def test_a_job_waits_with_a_reason_that_names_the_rule(world: World) -> None:
    world.add_tenant("german", countries=["DE"])
    job = world.submit("german/lab")
    world.step()
    reason = view(world.control, world.operator, job.id).waiting_for
    assert reason is not None
    assert reason.code == "residency"
    assert any("country SE is not among DE" in site.detail for site in reason.sites)
    assert world.step() == 0


def test_waiting_for_whatever_reason_control_comes_to_rest(world: World) -> None:
    """A reason that reads differently each time would keep control busy for ever."""
    for name, spec in {
        "residency": {"project": "nordic/lab", "sites": ["essonne"]},
        "capacity": {"resources": {"devices": 4, "nodes": 2}},
        "too_large": {"resources": {"devices": 1000}},
        "accelerator": {"resources": {"accelerators": ["gb300"]}},
        "site_choice": {"sites": ["nowhere"]},
    }.items():
        assert world.submit(**spec), name  # type: ignore[arg-type]
    for _ in range(6):
        world.submit(resources={"devices": 4, "nodes": 2})
    world.step()
    world.clock.advance(1000)
    world.step()
    assert world.step() == 0


def test_a_job_over_budget_is_refused_and_leaves_only_the_refusal(world: World) -> None:
    tenancy.set_tenant_budget(world.control, world.operator, "acme", BudgetBody(budget_microeur=1_000))
    before = world.dump()
    with pytest.raises(BudgetExhausted, match="lower its time limit") as caught:
        world.submit(time_limit_s=2)
    assert caught.value.detail["needed_microeur"] == 2_000
    assert world.changed(before) == {"audit"}
    assert "budget_exhausted" in [row[6] for row in world.dump()["audit"]]
    assert world.submit(time_limit_s=1)


def test_work_stops_when_its_budget_is_spent_and_goes_on_when_it_is_raised(world: World) -> None:
    job, run, site = world.running(time_limit_s=100)
    set_budget = tenancy.set_tenant_budget
    world.clock.advance(50_000)
    site.meter(run.id, world.clock.now_ms() - 50_000, world.clock.now_ms())
    site.sync()
    set_budget(world.control, world.operator, "acme", BudgetBody(budget_microeur=50_000))
    world.step()
    assert world.run_of(job).stop_reason is StopReason.BUDGET
    site.sync()
    site.end(run.id, 143)
    world.step()
    assert len(world.runs(job)) == 1
    reason = view(world.control, world.operator, job.id).waiting_for
    assert reason is not None
    assert reason.code == "budget"
    set_budget(world.control, world.operator, "acme", BudgetBody(budget_microeur=500_000))
    world.step()
    assert world.run_of(job).attempt == 2


def test_work_stops_when_its_grant_is_used_up(world: World) -> None:
    tenancy.change_tenant(world.control, world.operator, "acme", TenantChange(grant_device_ms=10_000_000))
    job, run, site = world.running(time_limit_s=100)
    tenancy.change_tenant(world.control, world.operator, "acme", TenantChange(grant_device_ms=50_000))
    world.clock.advance(50_000)
    site.meter(run.id, run.created_at_ms, world.clock.now_ms())
    site.sync()
    world.step()
    assert world.run_of(job).stop_reason is StopReason.BUDGET


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"command": [], "recipe": ""}, "a command or a recipe"),
        ({"recipe": "pretrain"}, "a command or a recipe"),
        ({"command": [], "recipe": "finetune"}, "a command of your own"),
        ({"software": {"kind": "container", "reference": "x"}}, "containers"),
    ],
)
def test_a_job_that_contradicts_itself_is_refused(world: World, spec: dict[str, object], words: str) -> None:
    before = world.dump()
    with pytest.raises(InvalidInput, match=words):
        world.submit(**spec)
    assert world.changed(before) == set()


def test_a_site_without_a_price_does_not_keep_a_job_from_one_that_has(world: World) -> None:
    world.add_tenant("rich")
    lone = world.add_site("lund", "SE", "SE-SE3")
    lone.accelerator = "gb300"
    lone.sync()
    assert world.submit("rich/lab")


def test_without_any_price_a_job_is_refused(template, tmp_path) -> None:  # type: ignore[no-untyped-def]
    world = World(tmp_path / "other", template, populate=False)
    world.add_site("essonne", "FR", "FR").sync()
    world.add_tenant("acme")
    with pytest.raises(PriceMissing):
        world.submit()
    world.close()


def _put(world: World, project: str, content: bytes = b"corpus") -> str:
    actor = world.operator
    return data.put(world.control, actor, project, "corpus", ArtifactKind.FILE, [content]).id


def test_inputs_are_of_the_own_tenant(world: World) -> None:
    corpus = _put(world, "lumen/lab")
    with pytest.raises(NotFound, match="no artifact"):
        world.submit(inputs={"corpus": corpus})


def test_a_key_of_one_project_reads_nothing_of_another(world: World) -> None:
    world.add_project("acme", "secret")
    corpus = _put(world, "acme/secret")
    key = Actor("key", "key_1", Role.MEMBER, "acme", "acme/lab")
    with pytest.raises(NotFound, match="no artifact"):
        world.submit(actor=key, inputs={"corpus": corpus})
    assert world.submit(inputs={"corpus": corpus})


def test_data_is_not_carried_where_its_project_may_not_go(world: World) -> None:
    world.add_project("acme", "french", residency=ResidencyBody(countries=["FR"]))
    corpus = _put(world, "acme/french")
    with pytest.raises(ResidencyViolation, match="fewer countries"):
        world.submit("acme/lab", inputs={"corpus": corpus})
    job = world.submit("acme/french", inputs={"corpus": corpus})
    world.step()
    assert world.run_of(job).site == "essonne"


def test_an_input_of_an_open_job_stays(world: World) -> None:
    corpus = _put(world, "acme/lab")
    job, run, site = world.running(inputs={"corpus": corpus})
    with pytest.raises(Conflict, match=job.id):
        data.remove(world.control, world.operator, corpus)
    site.end(run.id, 0)
    world.step()
    data.remove(world.control, world.operator, corpus)
    with pytest.raises(NotFound):
        data.get(world.control, world.operator, corpus)


def test_bytes_go_with_their_last_artifact(world: World) -> None:
    first, second = _put(world, "acme/lab"), _put(world, "lumen/lab")
    digest = data.get(world.control, world.operator, first).digest
    data.remove(world.control, world.operator, first)
    assert world.control.blobs.has(digest)
    data.remove(world.control, world.operator, second)
    assert not world.control.blobs.has(digest)


def test_a_defect_about_one_run_holds_nothing_else_up(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError

    first, run, site = world.running(model="m")
    second, other_run, other_site = world.running()
    site.end(run.id, 0, [world.blob(b"weights")])
    other_site.end(other_run.id, 0)
    with monkeypatch.context() as patch:
        patch.setattr(models, "register", broken)
        world.step()
    assert world.workload(second).outcome == "succeeded"
    assert world.workload(first).outcome == "open"
    assert run.id in caplog.text
    world.step()
    assert world.workload(first).outcome == "succeeded"
