"""Device time: bounded by the wall clock and counted once, whatever is sent."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bruk.facility.accelerator import accelerator
from bruk.facility.carbon import mean_day_intensity
from bruk.facility.footprint import footprint
from bruk.facility.power import estimate_energy
from bruk.model.ledger import LedgerEntry
from bruk.model.run import Run
from bruk.store import money, places, records

from .world import DEVICE_PRICE_MICROEUR, Site, World


def _ledger(world: World) -> list[LedgerEntry]:
    with world.control.read() as connection:
        return records.ledger_entries(connection, limit=10_000)


@pytest.fixture
def at_work(world: World) -> tuple[World, Run, Site]:
    _, run, site = world.running(resources={"devices": 2})
    world.clock.advance(100_000)
    return world, run, site


def test_what_was_used_is_billed_at_its_price(at_work: tuple[World, Run, Site]) -> None:
    world, run, site = at_work
    start = run.created_at_ms
    site.meter(run.id, start, start + 60_000, 120_000, it_energy_j=50_000, quality="measured", method="NVML")
    site.sync()
    (entry,) = _ledger(world)
    assert (entry.quantity, entry.amount_microeur) == (120_000, 120_000)
    assert (entry.it_energy_j, entry.quality) == (50_000, "measured")
    assert entry.energy_j == 75_000, "the site's PUE is 1.5"
    assert entry.carbon_mg > 0
    assert entry.tenant == "acme"


def test_overlapping_and_repeated_records_count_once(at_work: tuple[World, Run, Site]) -> None:
    world, run, site = at_work
    start = run.created_at_ms
    for from_ms, to_ms in [(0, 10), (5, 15), (0, 15), (14, 20), (30, 30), (40, 35), (20, 25)]:
        site.meter(run.id, start + from_ms * 1000, start + to_ms * 1000, 2 * 1000 * max(0, to_ms - from_ms))
    site.sync()
    entries = _ledger(world)
    assert sum(item.quantity for item in entries) == 2 * 25_000
    spans = [(item.from_ms, item.to_ms) for item in entries]
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))
    site.journal, site.seq = "another journal", 0
    site.meter(run.id, start, start + 25_000, 50_000)
    site.sync()
    assert sum(item.quantity for item in _ledger(world)) == 50_000


def test_more_devices_than_it_has_are_not_billed(at_work: tuple[World, Run, Site]) -> None:
    world, run, site = at_work
    site.meter(run.id, run.created_at_ms, run.created_at_ms + 10_000, 2**62)
    site.sync()
    assert [item.quantity for item in _ledger(world)] == [20_000]


def test_the_future_is_not_billed(at_work: tuple[World, Run, Site]) -> None:
    world, run, site = at_work
    site.meter(run.id, run.created_at_ms, 2**62, 2**62)
    site.sync()
    (entry,) = _ledger(world)
    assert entry.to_ms <= world.clock.now_ms() + 5_000
    assert entry.quantity <= 2 * 105_000


def test_what_lies_before_the_run_is_not_billed(at_work: tuple[World, Run, Site]) -> None:
    world, run, site = at_work
    site.meter(run.id, 0, run.created_at_ms + 1000, 2**60)
    site.sync()
    (entry,) = _ledger(world)
    assert (entry.from_ms, entry.quantity) == (run.created_at_ms, 2_000)


def test_what_lies_behind_the_end_of_a_run_is_not_billed(at_work: tuple[World, Run, Site]) -> None:
    world, run, site = at_work
    ended_ms = world.clock.now_ms()
    site.end(run.id, 0)
    world.step()
    world.clock.advance(3_600_000)
    site.meter(run.id, run.created_at_ms, world.clock.now_ms(), 2 * 3_700_000)
    site.sync()
    assert _ledger(world)[-1].to_ms == ended_ms
    assert sum(item.quantity for item in _ledger(world)) == 200_000


def test_a_meter_that_cannot_be_right_is_estimated(at_work: tuple[World, Run, Site]) -> None:
    world, run, site = at_work
    site.meter(
        run.id, run.created_at_ms, run.created_at_ms + 10_000, 20_000, it_energy_j=2**62, quality="measured"
    )
    site.sync()
    (entry,) = _ledger(world)
    assert entry.quality == "estimated"
    assert "cannot be" in entry.note
    assert entry.it_energy_j < 100_000


def test_many_short_records_say_of_energy_and_carbon_what_one_long_one_does(
    at_work: tuple[World, Run, Site],
) -> None:
    world, run, site = at_work
    begin = run.created_at_ms
    for start in range(begin, begin + 100_000, 1_000):
        site.meter(run.id, start, start + 1_000, 2_000)
        site.sync()
    entries = _ledger(world)
    with world.control.read() as connection:
        place = places.get_site(connection, run.site)
    reading = estimate_energy(accelerator(run.accelerator), 200_000)
    day = mean_day_intensity(place.grid_zone)
    whole = footprint(reading, begin, begin + 100_000, place.pue_milli, day)
    assert len(entries) == 100
    assert abs(sum(item.it_energy_j for item in entries) - whole.it_energy_j) <= 1
    assert abs(sum(item.energy_j for item in entries) - whole.energy_j) <= 2
    assert abs(sum(item.carbon_mg for item in entries) - whole.carbon_mg) <= 1


def test_use_over_a_change_of_price_is_billed_in_parts(at_work: tuple[World, Run, Site]) -> None:
    world, run, site = at_work
    world.set_price("device_time", "*", 2 * DEVICE_PRICE_MICROEUR)
    changed_ms = world.clock.now_ms()
    world.clock.advance(50_000)
    site.meter(run.id, run.created_at_ms, world.clock.now_ms(), 2 * 150_000)
    site.sync()
    first, second = _ledger(world)
    assert (first.to_ms, first.price_version, first.amount_microeur) == (changed_ms, 1, 200_000)
    assert (second.from_ms, second.price_version, second.amount_microeur) == (changed_ms, 2, 200_000)


def test_use_over_a_change_of_price_counts_whole_for_fair_share(at_work: tuple[World, Run, Site]) -> None:
    world, run, site = at_work
    world.set_price("device_time", "*", 2 * DEVICE_PRICE_MICROEUR)
    world.clock.advance(50_000)
    start, end = run.created_at_ms, world.clock.now_ms()
    site.meter(run.id, start, end - 10_000, 2 * 140_000)
    site.meter(run.id, end - 10_000, end, 2 * 10_000)
    site.sync()
    assert len(_ledger(world)) == 3
    with world.control.read() as connection:
        account = money.accounts(connection)[run.project]
    assert account.device_ms == account.decayed_device_ms == 2 * 150_000


def test_records_of_unknown_runs_are_left_out_and_acknowledged(world: World) -> None:
    site = world.sites["essonne"]
    site.meter("run_none", 0, 1000)
    site.sync()
    assert site.unsent == []
    assert _ledger(world) == []


def test_the_end_of_a_run_and_its_last_meter_come_in_one_word(at_work: tuple[World, Run, Site]) -> None:
    world, run, site = at_work
    site.meter(run.id, run.created_at_ms, world.clock.now_ms(), 200_000)
    site.end(run.id, 0)
    assert sum(item.quantity for item in _ledger(world)) == 200_000


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.integers(-20, 120),
            st.integers(-20, 120),
            st.integers(0, 10**6),
            st.integers(-40, 60),
            st.booleans(),
        ),
        max_size=10,
    )
)
def test_no_records_whatever_bill_more_than_wall_time_times_devices(
    template: Any, tmp_path_factory: pytest.TempPathFactory, said: list[tuple[int, int, int, int, bool]]
) -> None:
    world = World(tmp_path_factory.mktemp("meter"), template)
    try:
        _, run, site = world.running(resources={"devices": 2})
        latest = world.clock.now_ms()
        for from_s, to_s, device_ms, moved_s, renewed in said:
            if moved_s < 0:
                world.go_back(-moved_s * 1000)
            else:
                world.clock.advance(moved_s * 1000)
            latest = max(latest, world.clock.now_ms())
            if renewed:
                site.journal, site.seq = f"{site.journal}x", 0
            start = run.created_at_ms
            site.meter(run.id, max(0, start + from_s * 1000), max(0, start + to_s * 1000), device_ms)
            site.sync()
        entries = _ledger(world)
        for item in entries:
            assert item.quantity <= 2 * (item.to_ms - item.from_ms)
            assert run.created_at_ms <= item.from_ms <= item.to_ms <= latest + 5_000
        spans = sorted((item.from_ms, item.to_ms) for item in entries)
        assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))
        assert [item.at_ms for item in entries] == sorted(item.at_ms for item in entries)
        with world.control.read() as connection:
            account = money.accounts(connection)["acme/lab"]
        assert account.device_ms == sum(item.quantity for item in entries)
        assert account.spent_microeur == sum(item.amount_microeur for item in entries)
        world.step()
    finally:
        world.close()
