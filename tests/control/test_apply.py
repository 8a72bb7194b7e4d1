"""Plan and apply: a plan counts only as far as it still holds."""

import pytest

from bruk.control import apply, jobs, snapshot, switch
from bruk.control.step import step
from bruk.model.plan import Plan
from bruk.model.snapshot import Snapshot
from bruk.model.switch import HoldScope
from bruk.scheduler import schedule

from .world import World


def test_a_plan_is_dropped_when_a_hold_came_in_between(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.submit()

    def late(seen: Snapshot) -> Plan:
        plan = schedule(seen)
        switch.off(world.control, world.operator, HoldScope.TENANT, "acme", "now")
        return plan

    with monkeypatch.context() as patch:
        patch.setattr(world.control.planner, "plan", late)
        assert apply.step_schedule(world.control)
    assert world.runs(job) == []
    world.step()
    assert world.runs(job) == []


def test_a_plan_is_dropped_when_its_job_was_cancelled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.submit()

    def late(seen: Snapshot) -> Plan:
        jobs.cancel(world.control, world.operator, job.id)
        return schedule(seen)

    with monkeypatch.context() as patch:
        patch.setattr(world.control.planner, "plan", late)
        apply.step_schedule(world.control)
    assert world.runs(job) == []


def test_a_plan_that_breaks_a_rule_is_refused_and_control_does_not_spin(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = world.submit()
    monkeypatch.setattr(world.control.planner, "plan", lambda seen: Plan(seen.now_ms))
    world.step()
    assert not step(world.control)
    assert world.runs(job) == []
    assert "plan refused" in caplog.text


def test_no_device_is_given_twice(world: World) -> None:
    for _ in range(12):
        world.submit(resources={"devices": 3})
        world.submit(resources={"devices": 1})
    world.step()
    with world.control.read() as connection:
        taken = snapshot.take(connection, world.clock.now_ms())
    held = [
        (run.site, part.node, device)
        for run in taken.runs
        for part in run.placement
        for device in part.devices
    ]
    assert len(held) == len(set(held)) == 16
    assert len(taken.pending) == 24 - len(taken.runs)


def test_a_gang_starts_whole_or_not_at_all(world: World) -> None:
    first = world.submit(resources={"nodes": 2, "devices": 4}, sites=["essonne"])
    second = world.submit(resources={"nodes": 2, "devices": 1}, sites=["essonne"])
    world.step()
    assert len(world.run_of(first).placement) == 2
    assert world.runs(second) == []


def test_a_run_that_ended_gives_its_devices_to_the_next(world: World) -> None:
    first, run, site = world.running(resources={"nodes": 2, "devices": 4}, sites=["essonne"])
    second = world.submit(resources={"nodes": 2, "devices": 4}, sites=["essonne"])
    world.step()
    assert world.runs(second) == []
    site.end(run.id, 0)
    world.step()
    assert world.workload(first).outcome == "succeeded"
    assert len(world.runs(second)) == 1


def test_work_of_higher_priority_takes_the_place_of_preemptible_work(world: World) -> None:
    from bruk.wire.requests import JobBody, JobSpecBody

    low, run, site = world.running(resources={"nodes": 2, "devices": 4}, sites=["essonne"])
    spec = JobSpecBody(command=["x"], resources={"nodes": 2, "devices": 4}, sites=["essonne"])
    body = JobBody(project="lumen/lab", name="urgent", priority=100, spec=spec)
    urgent = jobs.submit(world.control, world.operator, body)
    world.step()
    assert world.run_of(low).stop_reason == "preempted"
    assert world.runs(urgent) == []
    site.sync()
    site.end(run.id, 143)
    world.step()
    assert len(world.runs(urgent)) == 1
    assert (world.workload(low).outcome, world.workload(low).failures) == ("open", 0)
