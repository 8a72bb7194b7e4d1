"""The living state of the scheduler: it follows the world, and is found out when it goes astray."""

import logging

import pytest

from bruk.control import apply, planner, snapshot
from bruk.control.planner import Planner
from bruk.scheduler import schedule


def seen(world):
    with world.control.read() as connection:
        return snapshot.take(connection, world.control.clock.now_ms())


def test_a_plan_is_that_of_a_cold_start_whatever_happened_before(world):
    plans = Planner()
    assert plans.plan(seen(world)) == schedule(seen(world))
    world.submit()
    first = plans.plan(seen(world))
    assert first.placements
    assert first == schedule(seen(world))
    world.control.planner = plans
    apply.step_schedule(world.control)
    assert plans.plan(seen(world)) == schedule(seen(world))


def test_a_state_that_went_astray_is_noticed_and_made_anew(world, monkeypatch, caplog):
    monkeypatch.setattr(planner, "COLD_EVERY", 2)
    plans = Planner()
    world.submit()
    plans.plan(seen(world))
    monkeypatch.setattr(plans._state, "follow", lambda _: None)
    world.submit()
    with caplog.at_level(logging.ERROR):
        plan = plans.plan(seen(world))
    assert "gone astray" in caplog.text
    assert plan == schedule(seen(world))


def test_after_an_error_the_state_is_made_anew(world, monkeypatch):
    plans = Planner()
    plans.plan(seen(world))
    monkeypatch.setattr(plans._state, "follow", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plans.plan(seen(world))
    assert plans.plan(seen(world)) == schedule(seen(world))
