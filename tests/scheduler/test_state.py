"""After any events a decision equals that of a cold start from the resulting snapshot."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from bruk.model.run import Observed
from bruk.scheduler import (
    AccountChanged,
    HoldRaised,
    HoldReleased,
    PendingAdded,
    PendingRemoved,
    RunAdded,
    RunEnded,
    SiteChanged,
    SnapshotIncomplete,
    State,
    check,
    schedule,
)

PROJECTS = ("acme/lab", "acme/web", "bolt/lab")


def canonical(plan):
    return json.dumps(asdict(plan), sort_keys=True)


def put(rows, row, key):
    return (*(other for other in rows if key(other) != key(row)), row)


def machine(lab):
    class Cell(RuleBasedStateMachine):
        """The state follows events; ``world`` is the snapshot that results, kept apart."""

        def __init__(self):
            super().__init__()
            self.world = lab.world(
                [
                    lab.site("essonne", [lab.node(name="n1"), lab.node(name="n2", accelerator="h100-sxm")]),
                    lab.site("borlange", [lab.node("borlange", "n1")]),
                ],
                [lab.account(project) for project in PROJECTS],
            )
            self.state = State.load(self.world)
            self.second = State.load(self.world)

        def then(self, event, **changed):
            self.world = replace(self.world, **changed)
            self.state.apply(event)
            self.state.apply(event)

        @rule(data=st.data(), index=st.integers(0, 9))
        def item(self, data, index):
            item = data.draw(lab.items(f"job_{index}", PROJECTS))
            self.then(PendingAdded(item), pending=put(self.world.pending, item, lambda row: row.id))

        @rule(index=st.integers(0, 9))
        def item_withdrawn(self, index):
            rest = tuple(row for row in self.world.pending if row.id != f"job_{index}")
            self.then(PendingRemoved(f"job_{index}"), pending=rest)

        @rule(data=st.data())
        def hold(self, data):
            hold = data.draw(lab.holds())
            self.then(HoldRaised(hold), holds=put(self.world.holds, hold, lambda row: row.id))

        @precondition(lambda self: self.world.holds)
        @rule(data=st.data())
        def hold_released(self, data):
            hold = data.draw(st.sampled_from(self.world.holds))
            self.then(HoldReleased(hold.id), holds=tuple(row for row in self.world.holds if row is not hold))

        @rule(data=st.data(), project=st.sampled_from(PROJECTS))
        def account(self, data, project):
            row = data.draw(lab.accounts(project))
            self.then(
                AccountChanged(row), accounts=put(self.world.accounts, row, lambda each: each.project.id)
            )

        @rule(connected=st.booleans(), drained=st.booleans())
        def site(self, connected, drained):
            state = self.world.sites[0]
            nodes = (replace(state.nodes[0], drained=drained), *state.nodes[1:])
            state = replace(state, connected=connected, nodes=nodes)
            self.then(SiteChanged(state), sites=(state, *self.world.sites[1:]))

        @precondition(lambda self: self.world.runs)
        @rule(data=st.data(), how=st.sampled_from(["ended", "exited"]))
        def run_ends(self, data, how):
            run = data.draw(st.sampled_from(self.world.runs))
            rest = tuple(row for row in self.world.runs if row is not run)
            event = RunEnded(run.id) if how == "ended" else RunAdded(replace(run, observed=Observed.EXITED))
            self.then(event, runs=rest)

        @rule(passed_ms=st.integers(0, 2 * lab.HOUR_MS))
        def time_passes(self, passed_ms):
            self.world = replace(self.world, now_ms=self.world.now_ms + passed_ms)

        @rule()
        def apply_the_plan(self):
            plan = self.state.decide(self.world.now_ms)
            after = lab.applied(self.world, plan)
            known = {run.id: run for run in self.world.runs}
            for run in after.runs:
                if known.get(run.id) != run:
                    self.state.apply(RunAdded(run, after.run_facts.get(run.id)))
            for placement in plan.placements:
                self.state.apply(PendingRemoved(placement.pending))
            for account in after.accounts:
                self.state.apply(AccountChanged(account))
            self.world = after

        @rule()
        def follow(self):
            """A second state that is told only what is the case now says the same."""
            self.second.follow(self.world)
            assert canonical(self.second.decide(self.world.now_ms)) == canonical(schedule(self.world))

        @rule()
        def decide(self):
            warm = self.state.decide(self.world.now_ms)
            assert canonical(warm) == canonical(schedule(self.world))
            assert check(self.world, warm) == []

        def teardown(self):
            self.decide()

    return Cell


def test_decide_after_events_equals_a_cold_schedule(lab):
    run_state_machine_as_test(
        machine(lab), settings=settings(max_examples=50, stateful_step_count=20, deadline=None)
    )


def test_a_snapshot_survives_the_state(lab):
    world = lab.world(pending=[lab.pending()], runs=[lab.run()])
    assert State.load(world).snapshot(world.now_ms) == world


def test_a_project_without_an_account_is_named(lab):
    with pytest.raises(SnapshotIncomplete, match=r"job_1 belongs to project nobody/x"):
        schedule(lab.world(pending=[lab.pending(project="nobody/x")]))
