"""Holds from control, the site's own key, and what happens when control is away."""

import json

import pytest
from tests.agent.conftest import SITE, Deferred, SiteUnderTest, order

from bruk.agent.local_hold import (
    HOLD_FILE,
    local_answer,
    raise_local_hold,
    release_local_hold,
    standing_local_hold,
)
from bruk.engines.mock import Behaviour
from bruk.model.errors import Conflict
from bruk.model.run import Observed, StopReason
from bruk.model.site import CutOffPolicy
from bruk.model.switch import HoldScope


def slow_to_stop(processes: int = 3) -> Behaviour:
    return Behaviour(stop_takes_ms=2000, processes=processes)


def running(site: SiteUnderTest, **changes: object) -> None:
    site.world.behave = lambda launch: slow_to_stop()
    site.control.want(order(**changes))
    site.exchange()
    site.drive()
    assert site.seen().observed is Observed.RUNNING


def test_a_hold_is_acknowledged_only_with_no_process_left(site: SiteUnderTest) -> None:
    running(site)
    assert site.report().acknowledgement.generation == 1
    site.control.hold()
    site.control.stop("run_1", stop_reason=StopReason.HELD)
    site.exchange()
    site.drive(1000)
    said = site.report().acknowledgement
    assert (said.generation, said.processes_left, said.stopped) == (1, 3, 0)
    site.drive(1000)
    said = site.report().acknowledgement
    assert (said.generation, said.processes_left, said.stopped) == (2, 0, 1)


def test_a_launch_under_way_counts_as_something_left(site: SiteUnderTest) -> None:
    site.background = background = Deferred()
    site.control.want(order())
    site.exchange()
    background.go()  # Its inputs are there; now the engine is asked.
    site.drive()
    site.control.hold()
    site.exchange()
    said = site.report().acknowledgement
    assert (said.generation, said.processes_left) == (1, 1)
    background.go()
    site.drive()
    assert site.report().acknowledgement.generation == 1
    site.drive()
    site.drive()
    background.go()
    site.drive()
    said = site.report().acknowledgement
    assert (said.generation, said.processes_left, said.stopped) == (2, 0, 1)
    assert site.seen().interrupted


def test_inputs_that_arrive_under_a_hold_wait_for_its_release(site: SiteUnderTest) -> None:
    site.background = background = Deferred()
    site.control.want(order())
    site.exchange()
    site.control.hold()
    site.exchange()
    background.go()
    site.drive()
    assert site.report().acknowledgement.generation == 2
    site.control.release()
    site.exchange()
    background.go()
    site.drive()
    assert len(site.world.launched) == 1


def test_a_hold_stops_a_run_even_when_its_order_still_says_start(site: SiteUnderTest) -> None:
    running(site)
    site.control.hold()
    site.exchange()
    site.drive(3000)
    seen = site.seen()
    assert (seen.observed, seen.exit_code, seen.interrupted) == (Observed.EXITED, 143, True)
    assert "switched off" in seen.detail
    assert site.report().acknowledgement.generation == 2


@pytest.mark.parametrize(
    ("scope", "target", "covered"),
    [
        (HoldScope.PLATFORM, "*", True),
        (HoldScope.SITE, SITE, True),
        (HoldScope.TENANT, "acme", True),
        (HoldScope.TENANT, "other", False),
        (HoldScope.MODEL, "tiny", True),
        (HoldScope.MODEL, "big", False),
    ],
)
def test_no_launch_while_a_hold_covers(
    site: SiteUnderTest, scope: HoldScope, target: str, covered: bool
) -> None:
    site.control.hold(scope, target)
    site.control.want(order(model="tiny"))
    site.exchange()
    site.drive()
    assert len(site.world.launched) == (0 if covered else 1)
    assert site.report().acknowledgement.generation == 2
    site.control.release()
    site.exchange()
    assert len(site.world.launched) == 1


def test_a_late_answer_does_not_release_a_hold(site: SiteUnderTest) -> None:
    site.control.want(order())
    before = site.control.answer(site.report())
    site.control.hold()
    site.exchange()
    assert not site.hand.take(before, site.clock.now_ms())
    site.drive(1000)
    assert not site.world.launched


def test_a_hold_outlives_a_restart_without_control(site: SiteUnderTest) -> None:
    running(site)
    site.control.hold()
    site.exchange()
    site.restart()
    site.control.away = True
    site.drive(1000)
    site.drive(3000)
    assert site.seen().observed is Observed.EXITED
    assert site.report().acknowledgement.generation == 2


def test_a_run_found_without_its_order_counts_as_held(site: SiteUnderTest) -> None:
    running(site)
    site.restart()
    (site.home / "runs" / "run_1" / "agent.json").unlink()
    site.control.runs.clear()
    site.control.hold(HoldScope.TENANT, "other")
    site.exchange()
    assert site.report().acknowledgement.processes_left == 3


def test_the_local_key_stops_everything_without_control(site: SiteUnderTest) -> None:
    running(site)
    site.control.away = True
    hold = raise_local_hold(site.home, "operator", "smoke in hall 2", site.clock)
    site.drive(250)
    answer = local_answer(site.home)
    assert answer is not None
    assert (answer.generation, answer.processes_left) == (0, 3)
    site.drive(2000)
    answer = local_answer(site.home)
    assert answer is not None
    assert (answer.generation, answer.processes_left, answer.stopped) == (hold.generation, 0, 1)
    release_local_hold(site.home, "operator", "", site.clock)
    site.clock.advance(60_000)
    raise_local_hold(site.home, "operator", "smoke in hall 2", site.clock)
    site.drive()
    answer = local_answer(site.home)
    assert answer is not None
    assert answer.stopped == 0, "what an earlier turn of the key ended is not counted again"
    assert site.seen().interrupted
    assert "smoke in hall 2" in site.seen().detail
    told = site.report().local_hold
    assert told is not None
    assert (told.scope, told.target) == (HoldScope.LOCAL, SITE)


def test_a_local_key_turned_within_a_step_is_not_answered_by_that_step(
    site: SiteUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    running(site)
    hand = site.agent.hand
    settle = hand._settle

    def turned_meanwhile(*given: object) -> None:
        if standing_local_hold(site.home) is None:
            raise_local_hold(site.home, "operator", "by hand", site.clock)
        settle(*given)

    monkeypatch.setattr(hand, "_settle", turned_meanwhile)
    site.drive()
    answer = local_answer(site.home)
    assert answer is None or answer.generation == 0, "nothing was stopped yet"
    for _ in range(5):
        site.drive(1000)
    answer = local_answer(site.home)
    assert answer is not None
    assert (answer.generation, answer.processes_left, answer.stopped) == (1, 0, 1)


def test_control_cannot_release_the_local_key(site: SiteUnderTest) -> None:
    site.hand.drive(site.clock.now_ms())
    raise_local_hold(site.home, "operator", "", site.clock)
    site.restart()
    site.control.want(order())
    site.control.release()
    site.exchange()
    site.drive(1000)
    assert not site.world.launched
    release_local_hold(site.home, "operator", "all clear", site.clock)
    site.drive(250)
    assert len(site.world.launched) == 1
    assert site.report().local_hold is None
    answer = local_answer(site.home)
    assert answer is not None
    assert answer.generation == 2


def test_what_control_repeats_of_the_local_key_does_not_outlive_it(site: SiteUnderTest) -> None:
    site.control.hold(HoldScope.LOCAL)
    site.control.want(order())
    site.exchange()
    assert len(site.world.launched) == 1


def test_the_local_key_raised_before_the_agent_starts_stops_what_is_found(site: SiteUnderTest) -> None:
    running(site)
    site.restart()
    raise_local_hold(site.home, "operator", "", site.clock)
    site.control.away = True
    site.drive(250)
    site.drive(2000)
    assert site.seen().observed is Observed.EXITED


def test_the_local_key_is_raised_once_and_released_once(site: SiteUnderTest) -> None:
    first = raise_local_hold(site.home, "a", "", site.clock)
    assert raise_local_hold(site.home, "b", "", site.clock) == first
    release_local_hold(site.home, "b", "", site.clock)
    with pytest.raises(Conflict, match="no local hold"):
        release_local_hold(site.home, "b", "", site.clock)
    assert raise_local_hold(site.home, "c", "", site.clock).generation == 3


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": 1}', b"\xff\xfe"])
def test_a_damaged_local_key_keeps_the_site_off(site: SiteUnderTest, content: bytes) -> None:
    site.control.want(order())
    site.home.mkdir(parents=True, exist_ok=True)
    (site.home / HOLD_FILE).write_bytes(content)
    site.exchange()
    site.drive()
    assert not site.world.launched
    hold = standing_local_hold(site.home)
    assert hold is not None
    assert "cannot be read" in hold.reason


def test_cut_off_past_the_lease_work_goes_on_where_the_policy_says_so(site: SiteUnderTest) -> None:
    running(site)
    site.control.away = True
    site.drive(site.control.lease_ms * 10)
    site.drive(5000)
    assert site.seen().observed is Observed.RUNNING
    assert site.seen().processes == 3


def test_cut_off_past_the_lease_everything_stops_where_the_policy_says_so(site: SiteUnderTest) -> None:
    site.control.cut_off = CutOffPolicy.STOP
    running(site)
    site.control.away = True
    site.drive(site.control.lease_ms)
    assert site.seen().observed is Observed.RUNNING, "within the lease nothing stops"
    site.drive(1)
    site.drive(2000)
    seen = site.seen()
    assert (seen.observed, seen.exit_code, seen.interrupted) == (Observed.EXITED, 143, True)
    assert "control was away" in seen.detail


def test_the_policy_outlives_a_restart_while_control_is_away(site: SiteUnderTest) -> None:
    site.control.cut_off = CutOffPolicy.STOP
    running(site)
    site.control.away = True
    site.restart()
    site.drive(site.control.lease_ms + 1)
    site.drive(2000)
    assert site.seen().observed is Observed.EXITED


def test_nothing_is_launched_on_a_word_past_its_lease(site: SiteUnderTest) -> None:
    site.control.want(order())
    site.hand.take(site.control.answer(site.report()), site.clock.now_ms())
    site.control.away = True
    site.drive(site.control.lease_ms + 1)
    assert not site.world.launched
    assert "waiting for control" in site.seen().detail


def test_a_damaged_standing_file_is_said_again_by_control(site: SiteUnderTest) -> None:
    site.exchange()
    site.restart()
    (site.home / "standing.json").write_text("{")
    site.control.want(order())
    site.exchange()
    assert len(site.world.launched) == 1
    assert json.loads((site.home / "standing.json").read_text())["generation"] == 1


def test_what_a_run_had_in_its_environment_is_gone_with_its_processes(site: SiteUnderTest) -> None:
    running(site, env={"HF_TOKEN": "only while it runs"})
    kept = site.home / "runs" / "run_1" / "agent.json"
    assert "only while it runs" in kept.read_text()
    site.control.stop("run_1", stop_reason=StopReason.HELD)
    site.exchange()
    site.drive(3000)
    assert site.seen().ended_at_ms is not None
    assert "only while it runs" not in kept.read_text()
    site.control.stop("run_1", stop_reason=StopReason.HELD)
    site.exchange()
    site.drive(1000)
    assert "only while it runs" not in kept.read_text(), "nor with what control repeats"
