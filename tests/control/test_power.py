"""A site's power limit holds work back, and stops what may be stopped when it drops."""

import pytest

from bruk.control import sites
from bruk.control.jobs import view
from bruk.model.errors import Forbidden, InvalidInput
from bruk.model.reason import ReasonCode
from bruk.model.run import RunWanted, StopReason
from bruk.model.tenant import Actor, Role
from bruk.wire.requests import PowerBody, PowerLimitBody

from .world import World


def limit(world: World, watts: int, actor: Actor | None = None, **when: int) -> None:
    body = PowerBody(limits=[PowerLimitBody(watts=watts, **when)])
    sites.limit_power(world.control, actor or world.operator, "essonne", body)


def test_work_waits_for_power_and_starts_when_there_is_some(world: World) -> None:
    limit(world, 0)
    job = world.submit(sites=["essonne"])
    world.step()
    reason = view(world.control, world.operator, job.id).waiting_for
    assert reason is not None
    assert reason.code is ReasonCode.POWER
    assert "'bruk site power essonne" in reason.advice
    limit(world, 10**9)
    world.step()
    assert world.run_of(job).site == "essonne"


def test_when_the_limit_drops_a_run_is_stopped_and_goes_on_later(world: World) -> None:
    job = world.submit(sites=["essonne"])
    world.step()
    run = world.run_of(job)
    limit(world, 0, until_ms=world.control.clock.now_ms() + 60_000)
    world.step()
    stopped = world.run_of(job)
    assert (stopped.id, stopped.wanted, stopped.stop_reason) == (run.id, RunWanted.STOP, StopReason.POWER)
    world.sites["essonne"].end(run.id, exit_code=143)
    world.step()
    reason = view(world.control, world.operator, job.id).waiting_for
    assert reason is not None
    assert reason.code is ReasonCode.POWER
    world.clock.advance(60_000)
    world.sites["essonne"].sync()
    world.step()
    assert world.run_of(job).attempt == 2


def test_what_may_not_be_stopped_runs_on(world: World) -> None:
    job = world.submit(sites=["essonne"], preemptible=False)
    world.step()
    limit(world, 0)
    world.step()
    assert world.run_of(job).wanted is RunWanted.START


def test_a_limit_that_ends_before_it_begins_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="ends after it begins"):
        limit(world, 1, from_ms=2, until_ms=1)


def test_a_site_operator_limits_their_own_site_alone(world: World) -> None:
    own = Actor("user", "u1", Role.OPERATOR, site="essonne")
    limit(world, 5, own)
    other = Actor("user", "u2", Role.OPERATOR, site="borlange")
    with pytest.raises(Forbidden):
        limit(world, 5, other)
