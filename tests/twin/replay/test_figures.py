"""The figures of a replay, by hand."""

import pytest

from bruk.facility.accelerator import accelerator
from bruk.facility.carbon import carbon_mg, mean_day_intensity
from bruk.facility.power import device_power_w
from bruk.facility.series import EnergySlice
from bruk.facility.site import reference_site
from bruk.twin.replay.figures import figures, held_devices
from bruk.twin.replay.jobs import NEVER, Jobs, Played

HOUR = 3_600_000
SITE = reference_site("borlange")


def straight(jobs, starts):
    """Each runs from its start to its end."""
    ends = [
        NEVER if start == NEVER else start + length
        for start, length in zip(starts, jobs.length_ms, strict=True)
    ]
    return Played(starts, ends)


def test_times_by_hand():
    jobs = Jobs([0, 1_000, 2_000], [10_000, 4_000, 1_000], [2, 1, 9], unusable=1)
    found = figures(jobs, straight(jobs, [0, 5_000, NEVER]), 4, SITE)
    assert (found.jobs, found.impossible) == (2, 2)
    assert (found.mean_wait_s, found.p95_wait_s, found.mean_jct_s) == (2.0, 4.0, 9.0)
    assert found.makespan_s == 10.0
    assert found.utilisation_pct == pytest.approx(100 * 24 / 40)


def test_energy_and_carbon_are_the_sum_over_the_hours():
    jobs = Jobs([0], [30 * HOUR], [3])
    found = figures(jobs, straight(jobs, [HOUR // 2]), 4, SITE)
    model = accelerator(SITE.accelerator)
    full, rest = device_power_w(model, 1.0), device_power_w(model, 0.0)
    pieces = []
    for hour in range(31):
        busy = 0.5 if hour in (0, 30) else 1.0
        there = 0.5 if hour == 30 else 1.0
        energy = 3600 * model.server_overhead_factor * (3 * busy * full + (4 * there - 3 * busy) * rest)
        pieces.append(EnergySlice(hour * HOUR, (hour + 1) * HOUR, round(energy * SITE.pue_milli / 1000)))
    assert found.energy_kwh == pytest.approx(sum(piece.energy_j for piece in pieces) / 3.6e6, rel=1e-6)
    assert found.gco2e == pytest.approx(carbon_mg(pieces, mean_day_intensity(SITE.zone)) / 1000, rel=1e-6)


def test_nothing_that_ran_uses_nothing():
    jobs = Jobs([0], [1], [9])
    found = figures(jobs, straight(jobs, [NEVER]), 4, SITE)
    assert (found.jobs, found.impossible, found.energy_kwh) == (0, 1, 0.0)


def test_instants_without_length_do_not_divide_by_nothing():
    jobs = Jobs([5], [0], [1])
    assert figures(jobs, straight(jobs, [5]), 4, SITE).utilisation_pct == 0


def test_held_devices_follow_the_events():
    jobs = Jobs([0, 0], [HOUR, HOUR], [2, 1])
    assert held_devices(jobs, straight(jobs, [0, HOUR])) == [(0.0, 2.0), (1.0, 1.0), (2.0, 0.0)]


def test_what_was_preempted_counts_for_the_spans_that_it_ran():
    jobs = Jobs([0, 1_000], [4_000, 1_000], [2, 2])
    played = Played([0, 1_000], [5_000, 2_000], [(0, 0, 1_000), (1, 1_000, 2_000), (0, 2_000, 5_000)])
    found = figures(jobs, played, 2, SITE)
    assert (found.mean_wait_s, found.mean_jct_s, found.makespan_s) == (0.5, 3.0, 5.0)
    assert found.utilisation_pct == 100
    assert [held for _, held in held_devices(jobs, played)] == [2, 2, 2, 0]
