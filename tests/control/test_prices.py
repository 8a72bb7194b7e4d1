"""Prices: versions in their order, and never one that stops the rest."""

import pytest

from bruk.control.prices import AHEAD_MS_MAX, prices
from bruk.model.errors import InvalidInput

from .world import World


def test_versions_follow_each_other(world: World) -> None:
    world.set_price("device_time", "h100-sxm", 5)
    world.set_price("device_time", "h100-sxm", 6)
    own = [price for price in prices(world.control) if price.item == "h100-sxm"]
    assert [(price.version, price.price_microeur) for price in own] == [(1, 5), (2, 6)]


def test_a_version_cannot_take_effect_before_the_one_it_follows(world: World) -> None:
    """Such a price book could not be read, and nothing would run any more."""
    later = world.clock.now_ms() + 1000
    world.set_price("device_time", "h100-sxm", 5, effective_from_ms=later)
    before = world.dump()
    with pytest.raises(InvalidInput, match="version 1"):
        world.set_price("device_time", "h100-sxm", 6)
    assert world.changed(before) == set()
    world.clock.advance(1000)
    world.set_price("device_time", "h100-sxm", 6)
    assert world.submit()
    world.step()


def test_nor_when_the_clock_goes_back(world: World) -> None:
    world.go_back(1000)
    with pytest.raises(InvalidInput, match="cannot take effect before"):
        world.set_price("device_time", "*", 6)
    assert world.step() >= 0


@pytest.mark.parametrize("at_ms", [0, 1_799_999_999_999, 1_800_000_000_000 + AHEAD_MS_MAX + 1, 10**14])
def test_neither_the_past_nor_the_far_future(world: World, at_ms: int) -> None:
    with pytest.raises(InvalidInput):
        world.set_price("device_time", "gb300", 6, effective_from_ms=at_ms)


def test_control_goes_on_when_the_clock_goes_back_behind_a_price(world: World) -> None:
    job, run, site = world.running()
    world.go_back(10_000)
    site.sync()
    world.step()
    world.add_gateway("gw", "essonne").sync()
    assert world.run_of(job).wanted == "start"
    assert world.run_of(job).id == run.id
