"""What a job may cost at most holds, also where the operator's side interrupts it; and nobody gains by it."""

import pytest

from bruk.control import jobs
from bruk.model.ledger import LedgerEntry, Resource
from bruk.model.run import Run, StopReason
from bruk.model.workload import Outcome, Workload
from bruk.store import records
from bruk.wire.requests import JobBody, JobSpecBody

from .world import World

LIMIT_S = 100
# Two devices at a micro-euro for each of their milliseconds.
AT_MOST_MICROEUR = 2 * LIMIT_S * 1000


def ledger(world: World, job: Workload) -> list[LedgerEntry]:
    with world.control.read() as connection:
        return records.ledger_entries(connection, workload=job.id, limit=10_000)


def used(world: World, run: Run, seconds: int, end: int | None) -> None:
    """A run's seconds go by and are metered; it ends with this status."""
    site = world.sites[run.site]
    from_ms = run.created_at_ms
    world.clock.advance(seconds * 1000)
    site.meter(run.id, from_ms, from_ms + seconds * 1000, 2 * seconds * 1000)
    if end is None:
        site.sync()
    else:
        site.end(run.id, end)
    world.step()


def low(world: World, **more: object) -> tuple[Workload, Run]:
    """A job of two devices at a site that has no more, under way."""
    job = world.submit(resources={"devices": 2}, time_limit_s=LIMIT_S, sites=["small"], **more)
    world.step()
    return job, began(world, job)


def began(world: World, job: Workload) -> Run:
    run = world.run_of(job)
    site = world.sites[run.site]
    site.sync()
    site.start(run.id)
    return world.run_of(job)


@pytest.fixture
def small(world: World) -> World:
    site = world.add_site("small", "FR", "FR")
    site.devices, site.nodes = 2, 1
    site.sync()
    return world


def ahead_of(world: World, project: str) -> Workload:
    """Work of higher priority where there is no room beside what runs."""
    spec = {"command": ["x"], "time_limit_s": LIMIT_S, "sites": ["small"], "resources": {"devices": 2}}
    body = JobBody(project=project, name="first", priority=100, spec=JobSpecBody(**spec))
    job = jobs.submit(world.control, world.operator, body)
    world.step()
    return job


def interrupted_by(world: World, project: str) -> Workload:
    """A job that made room after 60 s, began anew, and needed 90 s more; all of it is metered."""
    job, run = low(world)
    first = ahead_of(world, project)
    world.sites["small"].sync()
    used(world, run, 60, 143)
    assert world.runs(job)[0].stop_reason is StopReason.PREEMPTED
    used(world, began(world, first), 1, 0)
    used(world, began(world, job), 90, 0)
    assert world.workload(job).outcome is Outcome.SUCCEEDED
    return job


def test_what_the_operators_side_interrupted_costs_no_more_than_was_said(small: World) -> None:
    job = interrupted_by(small, "lumen/lab")
    entries = ledger(small, job)
    assert sum(entry.quantity for entry in entries if entry.resource is Resource.DEVICE_TIME) == 300_000
    (credit,) = [entry for entry in entries if entry.resource is Resource.CREDIT]
    assert credit.amount_microeur == -(300_000 - AT_MOST_MICROEUR)
    assert (credit.project, credit.workload) == ("acme/lab", job.id)
    assert "interrupted" in credit.note
    assert sum(entry.amount_microeur for entry in entries) == AT_MOST_MICROEUR


def test_who_interrupts_himself_pays_for_it(small: World) -> None:
    """Else a job with checkpoints would compute for nothing behind its own short ones."""
    job = interrupted_by(small, "acme/lab")
    assert sum(entry.amount_microeur for entry in ledger(small, job)) == 300_000


def test_what_stays_below_is_billed_as_it_was(small: World) -> None:
    job, run = low(small)
    ahead_of(small, "lumen/lab")
    small.sites["small"].sync()
    used(small, run, 20, 143)
    assert [entry.resource for entry in ledger(small, job)] == [Resource.DEVICE_TIME]
    jobs.cancel(small.control, small.operator, job.id)
    small.step()
    assert [entry.resource for entry in ledger(small, job)] == [Resource.DEVICE_TIME]


def test_an_attempt_after_a_failure_of_its_own_counts_for_itself(small: World) -> None:
    job, run = low(small, retry_limit=1)
    used(small, run, 90, 1)
    small.clock.advance(60_000)
    small.sites["small"].sync()
    small.step()
    used(small, began(small, job), 90, 0)
    assert small.workload(job).outcome is Outcome.SUCCEEDED
    assert sum(entry.amount_microeur for entry in ledger(small, job)) == 360_000


def test_use_that_is_told_late_is_credited_too_and_once(small: World) -> None:
    job, run = low(small)
    ahead_of(small, "lumen/lab")
    site = small.sites["small"]
    site.sync()
    used(small, run, 60, 143)
    first = next(item for item in jobs.listing(small.control, small.operator) if item.name == "first")
    used(small, began(small, first), 1, 0)
    again = began(small, job)
    small.clock.advance(90_000)
    site.end(again.id, 0)
    small.step()
    assert small.workload(job).outcome is Outcome.SUCCEEDED
    for seconds in (50, 90):
        site.meter(again.id, again.created_at_ms, again.created_at_ms + seconds * 1000, 2000 * seconds)
        site.sync()
    site.journal, site.seq = "again", 0
    site.meter(again.id, again.created_at_ms, again.created_at_ms + 90_000, 180_000)
    site.sync()
    assert sum(entry.amount_microeur for entry in ledger(small, job)) == AT_MOST_MICROEUR


def test_a_tenant_reads_why_a_run_was_stopped_and_not_for_whom(small: World) -> None:
    job, run = low(small)
    ahead_of(small, "lumen/lab")
    member = small.person("acme", "member")
    (seen,) = jobs.view(small.control, member, job.id).runs
    assert seen.stop_reason is StopReason.PREEMPTED
    assert "priority 100" in seen.stop_detail
    assert seen.stopped_for == ""
    (operators,) = jobs.view(small.control, small.operator, job.id).runs
    assert operators.stopped_for == "lumen"
    assert run.stop_detail == ""
