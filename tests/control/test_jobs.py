"""The life of a job: placed, run, ended, tried again, stopped."""

from .world import World


def test_a_job_that_ends_with_its_outputs_succeeds(world: World) -> None:
    job, run, site = world.running(outputs=["model"])
    site.end(run.id, 0, [world.blob(b"weights")])
    assert world.step() >= 1
    assert world.workload(job).outcome == "succeeded"
    assert world.step() == 0
