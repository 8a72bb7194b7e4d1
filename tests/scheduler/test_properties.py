"""What holds of every plan for every world."""

import json
import os
import pickle
import random
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bruk.model.reason import ReasonCode
from bruk.model.run import RunWanted
from bruk.scheduler import UnknownPolicy, check, schedule

CODES = list(ReasonCode)
EXAMPLES = settings(max_examples=100, deadline=None)


def canonical(plan):
    return json.dumps(asdict(plan), sort_keys=True).encode()


@EXAMPLES
@given(data=st.data())
def test_the_checker_finds_nothing(lab, data):
    snapshot = data.draw(lab.snapshots())
    assert check(snapshot, schedule(snapshot)) == []


@EXAMPLES
@given(data=st.data())
def test_a_plan_applied_and_decided_again_is_empty(lab, data):
    snapshot = data.draw(lab.snapshots())
    after = lab.applied(snapshot, schedule(snapshot))
    again = schedule(after)
    assert again.placements == ()
    started = {f"run_of_{placement.pending}" for placement in schedule(snapshot).placements}
    assert {eviction.run for eviction in again.evictions} <= started
    assert check(after, again) == []


@EXAMPLES
@given(data=st.data())
def test_the_order_in_which_a_snapshot_lists_things_does_not_matter(lab, data):
    snapshot = data.draw(lab.snapshots())
    chance = random.Random(data.draw(st.integers(0, 1000)))

    def mixed(items):
        return tuple(chance.sample(items, len(items)))

    shuffled = replace(
        snapshot,
        sites=mixed([replace(state, nodes=mixed(state.nodes)) for state in snapshot.sites]),
        accounts=mixed(snapshot.accounts),
        pending=mixed(snapshot.pending),
        runs=mixed(snapshot.runs),
        holds=mixed(snapshot.holds),
        run_facts=dict(mixed(list(snapshot.run_facts.items()))),
    )
    assert canonical(schedule(shuffled)) == canonical(schedule(snapshot))


@EXAMPLES
@given(data=st.data())
def test_no_eviction_is_superfluous(lab, data):
    """With any one of the evicted runs still there, and the others gone, the item could not start."""
    snapshot = data.draw(lab.busy_worlds(items_max=1))
    plan = schedule(snapshot)
    after = lab.applied(snapshot, plan)
    for eviction in plan.evictions:
        rest = tuple(
            replace(run, wanted=RunWanted.START)
            for run in after.runs
            if run.wanted is RunWanted.START or run.id == eviction.run
        )
        assert schedule(replace(after, runs=rest, run_facts={})).placements == ()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_answers_once_per_class_are_the_answers_for_each(lab, data, monkeypatch):
    """Reusing an answer for equal items changes nothing but the time that it takes."""
    snapshot = data.draw(lab.snapshots())
    like = [replace(item, id=f"{item.id}#{index}") for item in snapshot.pending[:3] for index in range(3)]
    snapshot = replace(snapshot, pending=(*snapshot.pending, *like))
    reused = schedule(snapshot)
    with monkeypatch.context() as patch:
        patch.setattr("bruk.scheduler.demand.key_of", lambda item: (item.id,))
        apart = schedule(snapshot)

    def by_name(plan):
        return canonical(replace(plan, waiting=tuple(sorted(plan.waiting, key=lambda row: row.pending))))

    assert by_name(apart) == by_name(reused)


SCRIPT = """
import json, pickle, sys
from dataclasses import asdict
from bruk.scheduler import schedule
for snapshot in pickle.load(sys.stdin.buffer):
    print(json.dumps(asdict(schedule(snapshot)), sort_keys=True))
"""


def test_the_same_bytes_under_any_hash_seed(lab):
    snapshots = []

    @settings(max_examples=40, deadline=None, database=None, derandomize=True)
    @given(data=st.data())
    def collect(data):
        snapshots.append(data.draw(lab.snapshots()))

    collect()
    outputs = []
    for seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input=pickle.dumps(snapshots),
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parent,
        )
        outputs.append(done.stdout)
    assert len(outputs[0].splitlines()) == len(snapshots)
    assert b'"placements": [{' in outputs[0]
    assert outputs[0] == outputs[1] == outputs[2]


@pytest.mark.parametrize("field", ["order", "placement", "backfill"])
def test_an_unknown_policy_is_named_with_what_exists(lab, field):
    with pytest.raises(UnknownPolicy, match=r"'nonesuch'.*(bestfit|fair, fifo|conservative)"):
        schedule(replace(lab.world(), **{field: "nonesuch"}))
