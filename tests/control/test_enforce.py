"""What must stop: also where the law no longer allows the place."""

from bruk.control import tenancy
from bruk.control.enforce import step_enforce
from bruk.model.run import StopReason
from bruk.wire.requests import ResidencyBody, TenantChange

from .world import World


def test_a_law_that_is_narrowed_stops_what_runs_outside_it(world: World) -> None:
    workload, run, _ = world.running(sites=["essonne"])
    tenancy.change_tenant(
        world.control, world.operator, "acme", TenantChange(residency=ResidencyBody(countries=["SE"]))
    )
    assert step_enforce(world.control)
    assert world.run_of(workload).stop_reason is StopReason.RESIDENCY
    assert not step_enforce(world.control), "a run is told once"
    assert run.site == "essonne"


def test_a_law_that_still_allows_the_place_stops_nothing(world: World) -> None:
    workload, _, _ = world.running(sites=["essonne"])
    tenancy.change_tenant(
        world.control, world.operator, "acme", TenantChange(residency=ResidencyBody(countries=["SE", "FR"]))
    )
    assert not step_enforce(world.control)
    assert world.run_of(workload).stop_reason is None
