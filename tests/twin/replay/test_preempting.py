"""Shortest remaining time first against a textbook simulation that steps through every millisecond."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bruk.twin.replay.jobs import NEVER, Jobs
from bruk.twin.replay.play import Devices, play

JOBS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 12), st.integers(1, 9)), min_size=0, max_size=25
).map(Jobs.of)


def together(asked, nodes, each):
    """How many of the first fit on empty nodes: the fullest with room, of equals the first."""
    free = [each] * nodes
    for count, devices in enumerate(asked):
        if devices > each:
            whole = [node for node in range(nodes) if free[node] == each][: math.ceil(devices / each)]
            if len(whole) < math.ceil(devices / each):
                return count
            for node in whole:
                free[node] = 0
            continue
        with_room = [node for node in range(nodes) if free[node] >= devices]
        if not with_room:
            return count
        free[min(with_room, key=lambda node: (free[node], node))] -= devices
    return len(asked)


def textbook(jobs, fit, could_hold):
    """Every millisecond the unfinished with the least left run, as many as fit together."""
    left = [length if could_hold(devices) else 0 for length, devices in _rows(jobs)]
    ends = [NEVER] * len(jobs)
    open_jobs = {job for job in range(len(jobs)) if could_hold(jobs.devices[job])}
    ran = [[] for _ in jobs.arrival_ms]
    now = 0
    while open_jobs:
        while True:  # A job of no length ends in the instant in which it runs.
            there = sorted((left[job], job) for job in open_jobs if jobs.arrival_ms[job] <= now)
            running = [job for _, job in there][: fit([jobs.devices[job] for _, job in there])]
            done = [job for job in running if left[job] == 0]
            if not done:
                break
            for job in done:
                ends[job] = now
                open_jobs.remove(job)
        for job in running:
            left[job] -= 1
            ran[job].append(now)
            if left[job] == 0:
                ends[job] = now + 1
                open_jobs.remove(job)
        now += 1
    return ends, ran


def _rows(jobs):
    return zip(jobs.length_ms, jobs.devices, strict=True)


def check(jobs, devices, fit, could_hold):
    played = play("srtf", jobs, devices)
    ends, ran = textbook(jobs, fit, could_hold)
    assert played.ends_ms == ends
    spans = [[] for _ in ran]
    for job, start, end in played.parts:
        spans[job] += range(start, end)
    assert spans == ran
    for job, start in enumerate(played.starts_ms):
        assert start == (ran[job][0] if ran[job] else ends[job])


@settings(max_examples=150)
@given(jobs=JOBS, devices=st.integers(1, 9))
def test_a_free_pool_equals_the_textbook(jobs, devices):
    def fit(asked):
        return next((k for k in range(len(asked)) if sum(asked[: k + 1]) > devices), len(asked))

    check(jobs, Devices(devices), fit, lambda asked: asked <= devices)


@settings(max_examples=150)
@given(jobs=JOBS, nodes=st.integers(1, 3), each=st.integers(1, 5))
def test_nodes_equal_the_textbook(jobs, nodes, each):
    check(
        jobs,
        Devices(nodes * each, each),
        lambda asked: together(asked, nodes, each),
        lambda asked: math.ceil(asked / each) <= nodes,
    )


def test_a_short_job_stops_a_long_one_which_loses_nothing():
    played = play("srtf", Jobs.of([(0, 10, 1), (2, 3, 1)]), Devices(1))
    assert played.ends_ms == [13, 5]
    assert sorted(played.parts) == [(0, 0, 2), (0, 5, 13), (1, 2, 5)]


@pytest.mark.parametrize("devices", [1, 3])
def test_the_mean_time_to_completion_is_the_least_on_one_device_each(devices):
    """Schrage (1968): on one device no order has a lower mean; elsewhere it is no worse here."""
    jobs = Jobs.of((7 * number % 50, 1 + 13 * number % 17, 1) for number in range(40))
    means = {
        order: sum(play(order, jobs, Devices(devices)).ends_ms) for order in ("fifo", "sjf", "srtf", "fair")
    }
    assert min(means.values()) == means["srtf"] < means["fifo"]
