"""Whatever happens and in whatever order: nothing twice, and no word of the switch that is not true."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.conftest import SITE, Control, SiteUnderTest, order

from bruk.agent.local_hold import local_answer, raise_local_hold, release_local_hold
from bruk.engines.mock import Behaviour, MockWorld
from bruk.model.clock import ManualClock
from bruk.model.errors import Conflict
from bruk.model.run import DeviceSet, Observed, RunWanted, StopReason
from bruk.model.switch import HoldScope
from bruk.model.transitions import OBSERVED, check_transition

RUNS = ("run_1", "run_2")
ACTS = (
    "want", "stop", "settle", "hold", "hold tenant", "release", "local off", "local on",
    "restart", "away", "back", "late", "lost answer", "engine away", "engine back",
)  # fmt: skip
step = st.tuples(st.sampled_from(ACTS), st.sampled_from(RUNS), st.integers(0, 4000))


class World:
    """A site, and everything that was ever told or done, to check against."""

    def __init__(self, site: SiteUnderTest) -> None:
        self.site = site
        self.old_answers: list[Any] = []
        self.told: dict[str, Observed] = {}
        self.device = {"run_1": 0, "run_2": 1}

    def act(self, act: str, run: str) -> None:
        site, control = self.site, self.site.control
        match act:
            case "want":
                if run not in control.runs and run not in self.told:
                    control.want(order(run, placement=[DeviceSet("node-1", (self.device[run],))]))
            case "stop":
                if run in control.runs and control.runs[run].wanted is RunWanted.START:
                    control.stop(run, stop_reason=StopReason.CANCELLED)
            case "settle":
                if self.told.get(run) in (Observed.EXITED, Observed.LOST) and run in control.runs:
                    control.settle(run)
            case "hold" | "hold tenant":
                scope, target = (HoldScope.SITE, SITE) if act == "hold" else (HoldScope.TENANT, "acme")
                control.hold(scope, target)
            case "release":
                control.release()
            case "local off":
                raise_local_hold(site.home, "op", "", site.clock)
            case "local on":
                with contextlib.suppress(Conflict):
                    release_local_hold(site.home, "op", "", site.clock)
            case "restart":
                # An agent waits with its start until its engine can say what runs.
                if not site.world.unreachable:
                    site.restart()
            case "away" | "back":
                control.away = act == "away"
            case "late":
                for answer in self.old_answers[:-1][-3:]:
                    site.hand.take(answer, site.clock.now_ms())
            case "lost answer":
                control.answer(site.report())
            case "engine away" | "engine back":
                site.world.unreachable = "away" if act == "engine away" else ""

    def turn(self, advance_ms: int) -> None:
        site = self.site
        site.clock.advance(advance_ms)
        request = site.report()
        self.check(request)
        if not site.control.away:
            for seen in request.observations:
                before = self.told.get(seen.run, Observed.ASSIGNED)
                self.told[seen.run] = check_transition(OBSERVED, before, seen.observed, seen.run)
            answer = site.control.answer(request)
            self.old_answers.append(answer)
            site.hand.take(answer, site.clock.now_ms())
        site.hand.drive(site.clock.now_ms())

    def living(self) -> set[str]:
        now_ms, found = self.site.clock.now_ms(), set()
        for run in self.site.world.runs.values():
            ends = [
                run.started_at_ms + (run.behaviour.ends_after_ms or 10**12),
                (run.stop_at_ms or 10**18) + run.behaviour.stop_takes_ms,
            ]
            if min(ends) > now_ms:
                found.add(run.launch.run)
        return found

    def check(self, request: Any) -> None:
        site = self.site
        launched = [launch.run for launch in site.world.launched]
        assert len(launched) == len(set(launched)), "a run was started twice"
        said = request.acknowledgement
        if site.control.holds and said.generation >= site.control.holds[-1].generation:
            assert not self.living(), "a hold was acknowledged while something of it lived"
        local = local_answer(site.home)
        if request.local_hold and local and local.generation >= request.local_hold.generation:
            assert not self.living(), "the local key was answered while something lived"


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(step, max_size=30), life_ms=st.sampled_from([3000, 10**9]))
def test_nothing_twice_and_no_false_word(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int]], life_ms: int
) -> None:
    world = MockWorld(behave=lambda launch: Behaviour(ends_after_ms=life_ms, stop_takes_ms=1500))
    site = SiteUnderTest(tmp_path_factory.mktemp("site") / SITE, ManualClock(), Control(), world)
    under_test = World(site)
    try:
        under_test.turn(0)
        for act, run, ms in steps:
            under_test.act(act, run)
            under_test.turn(ms)
        # In the end everything is reachable and off: then it is off, and said to be.
        site.world.unreachable, site.control.away = "", False
        site.control.hold()
        for _ in range(4):
            under_test.turn(2000)
        assert under_test.living() == set()
        assert site.report().acknowledgement.generation == site.control.generation
        assert site.report().acknowledgement.processes_left == 0
    finally:
        site.restart()
