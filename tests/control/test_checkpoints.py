"""An agent asks which checkpoints it may remove; control says so only of what never runs again."""

from bruk.control import agents, jobs
from bruk.wire.agent import SyncRequest

from .world import World


def done(world: World, site: str, *scopes: str) -> list[str]:
    agent = world.sites[site]
    return agents.answer(world.control, agent.actor, 1, scopes).scopes_done


def test_an_open_workload_keeps_its_checkpoints_wherever_it_ran(world: World) -> None:
    job, _, site = world.running()
    other = next(name for name in world.sites if name != site.name)
    assert done(world, site.name, job.id) == []
    assert done(world, other, job.id) == []


def test_a_closed_workloads_checkpoints_may_go_once_its_run_is_settled(world: World) -> None:
    job, run, site = world.running()
    jobs.cancel(world.control, world.operator, job.id)
    world.step()
    assert done(world, site.name, job.id) == [], "its run is still being stopped"
    site.sync()
    site.end(run.id, 143)
    world.step()
    assert world.workload(job).outcome == "cancelled"
    assert done(world, site.name, job.id) == [job.id]


def test_what_control_does_not_know_may_go(world: World) -> None:
    job, _, site = world.running()
    assert done(world, site.name, "job_of_long_ago", job.id, "../x") == ["job_of_long_ago", "../x"]


def test_an_agent_that_asks_nothing_hears_nothing(world: World) -> None:
    request: SyncRequest = world.sites["essonne"].request()
    assert request.scopes == []
    assert done(world, "essonne") == []
