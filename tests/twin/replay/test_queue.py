"""The queues against textbook simulations, and against what theory says of waiting."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bruk.twin.replay.jobs import NEVER, Jobs
from bruk.twin.replay.play import Devices, PoolUneven, UnknownQueue, play

JOBS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 15), st.integers(1, 14)), min_size=0, max_size=40
).map(Jobs.of)


def textbook(jobs, policy, nodes, each):
    """Walks through every millisecond; at each: ends, arrivals, starts. No heaps, no levels.

    ``nodes`` None: a free pool of ``each`` devices.
    """
    free = [each] * (nodes or 1)
    starts, held, waiting = [NEVER] * len(jobs), {}, []
    possible = [math.ceil(devices / each) <= len(free) for devices in jobs.devices]
    if nodes is None:
        possible = [devices <= each for devices in jobs.devices]
    now = 0
    left = sum(possible)
    while left:
        while True:  # A job of no length ends in the instant in which it starts.
            for job in [job for job, (until, _) in held.items() if until <= now]:
                for node, devices in held.pop(job)[1]:
                    free[node] += devices
            for job in range(len(jobs)):
                if (
                    possible[job]
                    and jobs.arrival_ms[job] == now
                    and starts[job] == NEVER
                    and job not in waiting
                ):
                    waiting.append(job)
            waiting.sort(key=lambda job: (jobs.length_ms[job] if policy == "sjf" else 0, job))
            if not waiting:
                break
            job = waiting[0]
            devices = jobs.devices[job]
            if devices <= each:
                fitting = sorted(
                    (left_there, node) for node, left_there in enumerate(free) if left_there >= devices
                )
                parts = [(fitting[0][1], devices)] if fitting else None
            else:
                whole = [node for node, left_there in enumerate(free) if left_there == each]
                count = math.ceil(devices / each)
                parts = [(node, each) for node in whole[:count]] if len(whole) >= count else None
            if parts is None:
                if any(until <= now for until, _ in held.values()):
                    continue
                break
            for node, taken in parts:
                free[node] -= taken
            starts[job] = now
            held[job] = (now + jobs.length_ms[job], parts)
            waiting.pop(0)
            left -= 1
        now += 1
    return starts


@settings(max_examples=150)
@given(jobs=JOBS, policy=st.sampled_from(["fifo", "sjf"]), devices=st.integers(1, 14))
def test_a_free_pool_equals_the_textbook(jobs, policy, devices):
    assert play(policy, jobs, Devices(devices)).starts_ms == textbook(jobs, policy, None, devices)


@settings(max_examples=150)
@given(jobs=JOBS, policy=st.sampled_from(["fifo", "sjf"]), nodes=st.integers(1, 4), each=st.integers(1, 6))
def test_nodes_equal_the_textbook(jobs, policy, nodes, each):
    assert play(policy, jobs, Devices(nodes * each, each)).starts_ms == textbook(jobs, policy, nodes, each)


@given(jobs=JOBS, policy=st.sampled_from(["fifo", "sjf"]), nodes=st.integers(1, 4), each=st.integers(1, 6))
def test_no_device_is_held_twice_and_nothing_starts_before_it_came(jobs, policy, nodes, each):
    starts = play(policy, jobs, Devices(nodes * each, each)).starts_ms
    for at in {start for start in starts if start != NEVER}:
        running = [
            job
            for job, start in enumerate(starts)
            if start != NEVER and start <= at < start + jobs.length_ms[job]
        ]
        assert sum(jobs.devices[job] for job in running) <= nodes * each
    for job, start in enumerate(starts):
        assert start == NEVER or start >= jobs.arrival_ms[job]
        assert (start == NEVER) == (-(-jobs.devices[job] // each) > nodes)


def test_the_wait_in_a_queue_with_several_servers_is_erlangs():
    """M/M/c: mean wait C(c, a) / (c mu - lambda) (Erlang 1917), within a 95 % interval of 24 runs."""
    servers, load, mean_ms, jobs_each = 4, 0.8, 10_000, 20_000
    offered = servers * load
    blocked = offered**servers / math.factorial(servers) / (1 - load)
    blocked /= sum(offered**k / math.factorial(k) for k in range(servers)) + blocked
    expected_ms = blocked * mean_ms / (servers - offered)
    means = []
    for seed in range(24):
        draws = np.random.default_rng(seed)
        arrivals = np.cumsum(draws.exponential(mean_ms / offered, jobs_each)).round().astype(int).tolist()
        lengths = draws.exponential(mean_ms, jobs_each).round().astype(int).tolist()
        starts = play("fifo", Jobs(arrivals, lengths, [1] * jobs_each), Devices(servers)).starts_ms
        warm = jobs_each // 10
        waits = [start - came for start, came in zip(starts[warm:], arrivals[warm:], strict=True)]
        means.append(statistics.mean(waits))
    half = 2.069 * statistics.stdev(means) / len(means) ** 0.5
    assert abs(statistics.mean(means) - expected_ms) < half, (statistics.mean(means), expected_ms, half)
    assert half < 0.05 * expected_ms


def test_shortest_first_waits_less_in_the_mean():
    jobs = Jobs.of([(0, 100, 4), (1, 50, 4), (2, 1, 4), (3, 2, 4)])
    assert play("fifo", jobs, Devices(4)).starts_ms == [0, 100, 150, 151]
    assert play("sjf", jobs, Devices(4)).starts_ms == [0, 103, 100, 101]


def test_shortest_first_goes_by_what_is_known_of_the_length():
    jobs = Jobs.of([(0, 9, 1, 9), (1, 2, 1, 30), (2, 5, 1, 1)])
    assert list(jobs.limits_ms) == [9, 30, 5]
    assert play("sjf", jobs, Devices(1)).starts_ms == [0, 14, 9]


@pytest.mark.parametrize(("order", "backfill"), [("sjf", "none"), ("srtf", "none"), ("fair", "easy")])
def test_progress_is_told(order, backfill):
    told = []
    jobs = Jobs.of((at, 1, 1) for at in range(9_000))
    play(order, jobs, Devices(1), backfill, lambda *what: told.append(what))
    assert [(done // 4096, total) for done, total in told] == [(1, 9000), (2, 9000)]


@pytest.mark.parametrize(
    ("order", "backfill", "says"),
    [
        ("lifo", "none", "fifo, sjf, srtf, fair"),
        ("fifo", "greedy", "none, easy, conservative"),
        ("srtf", "easy", "does not go with it"),
    ],
)
def test_what_does_not_exist_is_refused(order, backfill, says):
    with pytest.raises(UnknownQueue, match=says):
        play(order, Jobs.of([]), Devices(1), backfill)


def test_nodes_that_would_not_be_alike_are_refused():
    with pytest.raises(PoolUneven, match="100 devices are no whole number of nodes with 8"):
        Devices(100, 8)
