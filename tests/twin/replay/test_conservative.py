"""Conservative backfilling on a free pool against the textbook, and how the scheduler's form differs."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from bruk.twin.replay.jobs import NEVER, Jobs, Row
from bruk.twin.replay.play import Devices, play

JOBS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 12), st.integers(1, 9)), min_size=1, max_size=25
).map(Jobs.of)


def starts(rows, devices, backfill="conservative", order="fifo"):
    return play(order, Jobs.of(rows), devices, backfill).starts_ms


@settings(max_examples=200)
@given(jobs=JOBS, devices=st.integers(1, 9))
def test_with_perfect_estimates_each_gets_the_first_hole_when_it_comes_and_keeps_it(jobs, devices):
    """The textbook's definition: what was given once is never moved, so each millisecond is filled once."""
    free = [devices] * 1000
    expected = []
    for arrival, length, asked in zip(jobs.arrival_ms, jobs.length_ms, jobs.devices, strict=True):
        if asked > devices:
            expected.append(NEVER)
            continue
        start = next(at for at in itertools.count(arrival) if min(free[at : at + length]) >= asked)
        for at in range(start, start + length):
            free[at] -= asked
        expected.append(start)
    assert play("fifo", jobs, Devices(devices), "conservative").starts_ms == expected


@settings(max_examples=200)
@given(
    jobs=st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 9), st.integers(1, 9), st.integers(1, 20)), max_size=20
    ).map(lambda rows: Jobs.of(Row(*row) for row in rows)),
    devices=st.integers(1, 9),
    order=st.sampled_from(["fifo", "sjf"]),
)
def test_at_each_instant_all_are_given_the_first_hole_in_order(jobs, devices, order):
    found = play(order, jobs, Devices(devices), "conservative").starts_ms
    limits, started = jobs.limits_ms, [NEVER] * len(jobs)
    possible = [job for job in range(len(jobs)) if jobs.devices[job] <= devices]
    ends = {jobs.arrival_ms[job] for job in possible}
    done = set()
    while ends - done:
        now = min(ends - done)
        done.add(now)
        free = [devices] * 600
        for job in possible:
            if started[job] != NEVER and started[job] + jobs.length_ms[job] > now:
                for at in range(started[job] + limits[job] - now):
                    free[at] -= jobs.devices[job]
        waiting = [job for job in possible if started[job] == NEVER and jobs.arrival_ms[job] <= now]
        for job in sorted(waiting, key=lambda job: (limits[job] if order == "sjf" else 0, job)):
            start = next(
                at for at in itertools.count() if min(free[at : at + limits[job]]) >= jobs.devices[job]
            )
            for at in range(start, start + limits[job]):
                free[at] -= jobs.devices[job]
            if start == 0:
                started[job] = now
                ends.add(now + jobs.length_ms[job])
    assert found == started


def test_nothing_delays_even_the_second_that_waits():
    """The last takes what is spare beside the second job, and would delay the third."""
    rows = [(0, 10, 2), (0, 10, 3), (0, 10, 4), (0, 25, 1)]
    assert starts(rows, Devices(4), "easy") == [0, 10, 25, 0]
    assert starts(rows, Devices(4)) == [0, 10, 20, 30]


def test_on_one_node_the_schedulers_form_is_easy_for_no_second_node_is_there_to_keep():
    rows = [(0, 10, 2), (0, 10, 3), (0, 10, 4), (0, 25, 1)]
    assert starts(rows, Devices(4, 4)) == starts(rows, Devices(4, 4), "easy") == [0, 10, 25, 0]


def test_on_nodes_the_schedulers_form_keeps_one_node_for_each():
    """Node 0 is kept for the third from 10 on, and node 1 for the fourth from 20 on."""
    rows = [(0, 10, 3), (0, 20, 3), (0, 50, 4), (0, 5, 4), (0, 25, 1)]
    assert starts(rows, Devices(8, 4), "easy") == [0, 0, 10, 25, 0]
    assert starts(rows, Devices(8, 4)) == [0, 0, 10, 20, 25]
