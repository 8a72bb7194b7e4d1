"""What may overtake, by hand; and what must be so whatever happens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bruk.control.decay import HALF_LIFE_MS
from bruk.twin.replay.jobs import NEVER, Jobs, Row
from bruk.twin.replay.play import Devices, play
from bruk.twin.replay.use import Use

HOUR = 3_600_000
JOBS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 12), st.integers(1, 9)), min_size=1, max_size=25
).map(Jobs.of)


def starts(rows, devices, order="fifo", backfill="easy"):
    return play(order, Jobs.of(rows), devices, backfill).starts_ms


def test_what_ends_in_time_or_is_spare_overtakes():
    # The second waits until 10 for 3 of 4; one is spare then.
    rows = [(0, 10, 3), (0, 5, 3), (0, 10, 1), (0, 11, 1)]
    assert starts(rows, Devices(4)) == [0, 10, 0, 10]
    assert starts([*rows[:2], rows[3], rows[2]], Devices(4)) == [0, 10, 0, 11]
    assert starts(rows, Devices(4), backfill="none") == [0, 10, 10, 15]


def test_a_reservation_moves_forward_when_something_ends_before_its_limit():
    rows = [Row(0, 4, 3, 100), Row(0, 5, 4, 5), Row(0, 6, 1, 6)]
    assert starts(rows, Devices(4)) == [0, 6, 0]
    rows = [Row(0, 4, 3, 100), Row(0, 5, 4, 5), Row(5, 6, 1, 6)]
    assert starts(rows, Devices(4)) == [0, 4, 9]


def test_what_is_spare_on_a_node_is_spare_once():
    """Node 0 is kept from 10 on for 2 of its 4; node 1 is full for longer."""
    rows = [(0, 10, 3), (0, 50, 4), (0, 5, 2), (0, 30, 1), (0, 30, 1)]
    assert starts(rows, Devices(8, 4)) == [0, 0, 10, 0, 10]
    rows = [(0, 10, 2), (0, 50, 4), (0, 5, 3), (0, 30, 1), (0, 30, 1)]
    assert starts(rows, Devices(8, 4)) == [0, 0, 10, 0, 15]


def test_a_gang_of_nodes_is_kept_its_nodes():
    rows = [(0, 10, 4), (0, 5, 8), (0, 10, 4), (0, 11, 1)]
    assert starts(rows, Devices(8, 4)) == [0, 10, 0, 15]


def test_fair_share_goes_by_what_is_held_and_by_what_was_used():
    rows = [
        Row(0, 10 * HOUR, 1, owner="a/x"),
        Row(1, HOUR, 1, owner="a/x"),
        Row(2, HOUR, 1, owner="b/x"),
        Row(3, HOUR, 1, owner="b/x"),
    ]
    assert starts(rows, Devices(2), "fair", "none") == [0, 1, HOUR + 1, 2 * HOUR + 1]
    rows = [Row(0, HOUR, 1, owner="a/x"), Row(1, HOUR, 1, owner="a/x"), Row(2, HOUR, 1, owner="b/x")]
    assert starts(rows, Devices(1), "fair", "none") == [0, 2 * HOUR, HOUR]


def test_what_one_tenant_starts_puts_it_behind_within_the_same_instant():
    """Both tenants' jobs wait for the same end; shares move as they start."""
    rows = [Row(0, HOUR, 4, owner="c/x"), *(Row(1, HOUR, 1, owner=name) for name in ("a/x", "a/y", "a/x"))]
    rows += [Row(2, HOUR, 1, owner="b/x"), Row(2, HOUR, 1, owner="b/x")]
    assert starts(rows, Devices(4), "fair", "none") == [0, HOUR, HOUR, 2 * HOUR, HOUR, HOUR]


def test_old_use_counts_less():
    """One tenant used ten hours a long time ago, the other six just now."""
    week = HALF_LIFE_MS
    rows = [
        Row(0, 10 * HOUR, 1, owner="old/x"),
        Row(2 * week, 6 * HOUR, 1, owner="new/x"),
        Row(2 * week + 1, HOUR, 1, owner="new/x"),
        Row(2 * week + 2, HOUR, 1, owner="old/x"),
    ]
    assert starts(rows, Devices(1), "fair", "none")[2:] == [2 * week + 7 * HOUR, 2 * week + 6 * HOUR]


def test_a_gang_goes_first_when_it_has_waited_for_an_hour():
    rows = [Row(0, 2 * HOUR, 2, owner="a/x"), Row(1, HOUR, 2, owner="a/x"), Row(2, HOUR, 1, owner="b/x")]
    assert starts(rows, Devices(2), "fair", "none") == [0, 2 * HOUR, 3 * HOUR]
    rows[0] = Row(0, HOUR, 2, owner="a/x")
    assert starts(rows, Devices(2), "fair", "none") == [0, 2 * HOUR, HOUR]


def test_priority_goes_before_everything_in_a_fair_order():
    rows = [Row(0, HOUR, 1), Row(1, HOUR, 1), Row(2, HOUR, 1, priority=51)]
    assert starts(rows, Devices(1), "fair", "none") == [0, 2 * HOUR, HOUR]


def test_use_fades_by_half_in_a_half_life():
    use = Use()
    use.hold(2, 0)
    assert use.at(1000) == 2000
    use.hold(-2, HOUR)
    assert use.at(HOUR) == pytest.approx(2 * HOUR, rel=0.003)
    assert use.at(HOUR + HALF_LIFE_MS) == use.at(HOUR) // 2


@settings(max_examples=200)
@given(jobs=JOBS, devices=st.integers(1, 9))
def test_the_first_in_order_is_never_delayed_beyond_what_no_backfill_gives_it(jobs, devices):
    """From the moment at which a job is first it starts when strict order would start it."""
    found = play("fifo", jobs, Devices(devices), "easy").starts_ms
    ran = [job for job, start in enumerate(found) if start != NEVER]
    for number, job in enumerate(ran):
        first_ms = max([jobs.arrival_ms[job], *(found[other] for other in ran[:number])])
        # What runs at that moment: what was ahead, and what had overtaken before.
        there = [
            (found[other] + jobs.length_ms[other], jobs.devices[other])
            for other in ran
            if other != job
            and found[other] + jobs.length_ms[other] > first_ms
            and (found[other] < first_ms or (other < job and found[other] == first_ms))
        ]
        free = devices - sum(held for _, held in there)
        strict_ms = first_ms
        for end_ms, held in sorted(there):
            if free >= jobs.devices[job]:
                break
            strict_ms, free = end_ms, free + held
        assert found[job] <= strict_ms


@given(
    jobs=JOBS,
    order=st.sampled_from(["fifo", "sjf", "fair"]),
    backfill=st.sampled_from(["none", "easy", "conservative"]),
    nodes=st.integers(1, 4),
    each=st.integers(1, 6),
)
def test_no_device_is_held_twice_and_everything_possible_runs(jobs, order, backfill, nodes, each):
    devices = Devices(nodes * each, each)
    found = play(order, jobs, devices, backfill).starts_ms
    for at in {start for start in found if start != NEVER}:
        running = [
            job
            for job, start in enumerate(found)
            if start != NEVER and start <= at < start + jobs.length_ms[job]
        ]
        assert sum(devices.takes(jobs.devices[job]) for job in running) <= devices.count
    for job, start in enumerate(found):
        assert start == NEVER or start >= jobs.arrival_ms[job]
        assert (start == NEVER) == (-(-jobs.devices[job] // each) > nodes)


@given(jobs=JOBS, policy=st.sampled_from(["fifo", "sjf"]), nodes=st.integers(1, 4), each=st.integers(1, 6))
def test_without_backfill_both_ways_of_playing_agree(jobs, policy, nodes, each):
    """The textbook queues, and the same through what plays with backfill."""
    from bruk.twin.replay.backfill import Hall, nothing_overtakes, replay
    from bruk.twin.replay.order import order_of
    from bruk.twin.replay.progress import Told

    devices = Devices(nodes * each, each)
    hall = Hall(jobs, devices.room(), devices.takes, order_of(policy, jobs))
    possible = [job for job, asked in enumerate(jobs.devices) if devices.takes(asked) <= devices.count]
    found = replay(hall, possible, nothing_overtakes, Told(None, len(jobs)))
    assert found == play(policy, jobs, devices).starts_ms
