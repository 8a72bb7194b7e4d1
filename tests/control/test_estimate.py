"""What a job would cost and wait for is said before it is submitted, as the scheduler sees it."""

from typing import Any

import pytest

from bruk.control import jobs
from bruk.control.estimate import estimate
from bruk.model.errors import InvalidInput
from bruk.wire.answers import Estimate
from bruk.wire.requests import JobBody, JobSpecBody

from .world import DEVICE_PRICE_MICROEUR, World


def asked(project: str = "acme/lab", **spec: Any) -> JobBody:
    return JobBody(project=project, name="j", spec=JobSpecBody(command=["x"], **spec))


def told(world: World, **spec: Any) -> Estimate:
    return estimate(world.control, world.operator, asked(**spec))


def test_a_bound_for_each_site_and_how_often_it_may_be_tried(world: World) -> None:
    found = told(world, time_limit_s=3600, retry_limit=2, resources={"devices": 2})
    assert (found.amount_microeur_max, found.attempts_max) == (2 * DEVICE_PRICE_MICROEUR, 3)
    assert [site.site for site in found.sites] == ["borlange", "essonne"]
    assert found.waiting_for is None


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"resources": {"nodes": 3, "devices": 4}}, "too_large"),
        ({"network": ["example.org:443"]}, "network"),
        ({"sites": ["nowhere"]}, "site_choice"),
        ({"resources": {"accelerators": ["b200"]}}, "accelerator"),
    ],
)
def test_what_no_site_could_ever_do_is_said_at_once(world: World, spec: dict[str, Any], code: str) -> None:
    found = told(world, **spec)
    assert found.waiting_for is not None
    assert found.waiting_for.code == code
    assert found.waiting_for.advice


def test_what_waits_already_is_not_counted(world: World) -> None:
    for _ in range(9):
        world.submit(resources={"nodes": 2, "devices": 4})
    assert told(world, resources={"nodes": 2, "devices": 4}).waiting_for is None
    world.step()
    found = told(world, resources={"nodes": 2, "devices": 4})
    assert found.waiting_for is not None
    assert found.waiting_for.code == "capacity"


def test_a_deadline_that_has_passed_is_refused(world: World) -> None:
    now_ms = world.clock.now_ms()
    for act in (estimate, jobs.submit):
        with pytest.raises(InvalidInput, match="has passed already"):
            act(world.control, world.operator, asked(deadline_at_ms=now_ms))
    assert told(world, deadline_at_ms=now_ms + 1).sites
