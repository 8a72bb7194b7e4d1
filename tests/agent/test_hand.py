"""The step functions against a scripted control and the mock engine."""

import pytest
from tests.agent.conftest import SiteUnderTest, order

from bruk.agent.record import Phase
from bruk.engines.base import Launch
from bruk.engines.mock import Behaviour
from bruk.model.run import DeviceSet, Observed, RunWanted, StopReason


def ends_after(ms: int, exit_code: int = 0, output: bytes = b"") -> Behaviour:
    return Behaviour(ends_after_ms=ms, exit_code=exit_code, output=output)


def test_an_order_starts_a_run_with_its_folders_and_environment(site: SiteUnderTest) -> None:
    site.control.want(
        order(recipe="pretrain", command=[], config={"steps": 3}, env={"SEED": "7", "BRUK_SITE": "x"})
    )
    site.exchange()
    (launch,) = site.world.launched
    assert launch.command[:3] == ("/usr/bin/python3", "-m", "bruk.recipes.pretrain")
    assert launch.env["SEED"] == "7"
    assert launch.env["BRUK_SITE"] == "essonne", "the order's env may not change who the run is"
    assert launch.env["OMP_NUM_THREADS"] == "1"
    assert "CUDA_VISIBLE_DEVICES" not in launch.env
    assert (launch.workdir / "config.json").read_text() == '{"steps": 3}'
    assert all(folder.is_dir() for folder in (*launch.writable, *launch.readable))
    site.drive()
    assert site.seen().observed is Observed.RUNNING
    assert site.seen().processes == 1


def test_repeated_late_and_lost_messages_change_nothing(site: SiteUnderTest) -> None:
    site.control.want(order())
    first = site.control.answer(site.report())
    for _ in range(3):
        site.hand.take(first, site.clock.now_ms())
        site.drive()
    assert len(site.world.launched) == 1
    site.control.stop("run_1")
    site.exchange()
    site.exchange(advance_ms=100)
    assert site.seen().observed is Observed.EXITED
    site.hand.take(first, site.clock.now_ms())
    site.drive(100)
    assert site.seen().generation == 2
    assert site.seen().observed is Observed.EXITED
    assert len(site.world.launched) == 1


def test_a_late_answer_stops_nothing_and_starts_nothing(site: SiteUnderTest) -> None:
    empty = site.control.answer(site.report())
    site.control.want(order())
    site.exchange(advance_ms=1000)
    assert not site.hand.take(empty, site.clock.now_ms())
    site.drive(1000)
    assert site.seen().observed is Observed.RUNNING, "an answer from before its order does not unlist it"


def test_a_control_started_anew_is_heard_though_its_versions_begin_again(site: SiteUnderTest) -> None:
    site.control.version = 500
    site.control.want(order())
    site.exchange()
    site.control.version = 1
    site.control.stop("run_1")
    site.exchange(advance_ms=1000)
    site.drive(1000)
    assert site.seen().observed is Observed.EXITED


def test_an_answer_to_an_earlier_question_is_late_whatever_its_version(site: SiteUnderTest) -> None:
    site.control.version = 500
    before = site.control.answer(site.report())
    site.exchange()
    site.control.version = 1
    site.control.want(order())
    site.exchange(advance_ms=1000)
    assert not site.hand.take(before, site.clock.now_ms())
    site.drive(1000)
    assert site.seen().observed is Observed.RUNNING, "the earlier control did not know it yet"


def test_an_older_generation_in_a_newer_answer_changes_nothing(site: SiteUnderTest) -> None:
    site.control.want(order(generation=3))
    site.exchange()
    site.control.want(order(generation=2, wanted=RunWanted.STOP))
    site.exchange()
    site.drive(1000)
    assert site.seen().observed is Observed.RUNNING
    assert site.seen().generation == 3


def test_a_stop_lets_the_run_checkpoint_within_its_grace(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: Behaviour(stop_takes_ms=2000)
    site.control.want(order(grace_s=5))
    site.exchange()
    site.control.stop("run_1", stop_reason=StopReason.CANCELLED)
    site.exchange()
    site.drive()
    assert site.seen().observed is Observed.STOPPING
    site.drive(2000)
    seen = site.seen()
    assert (seen.observed, seen.exit_code, seen.processes) == (Observed.EXITED, 143, 0)
    assert not seen.interrupted, "control itself wanted the stop"


def test_a_stop_before_the_start_ends_the_run_without_a_launch(site: SiteUnderTest) -> None:
    site.control.want(order(wanted=RunWanted.STOP))
    site.exchange()
    seen = site.seen()
    assert (seen.observed, seen.exit_code, seen.interrupted) == (Observed.EXITED, 143, True)
    assert not site.world.launched


def test_a_refused_launch_is_an_end_with_126(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: Behaviour(launch_error="no such program: train")
    site.control.want(order())
    site.exchange()
    seen = site.seen()
    assert (seen.observed, seen.exit_code, seen.detail) == (Observed.EXITED, 126, "no such program: train")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"software_kind": "apptainer", "software_reference": "x.sif"}, "apptainer"),
        ({"software_kind": "venv", "software_reference": "/nowhere"}, "virtual environment"),
        ({"recipe": "../../evil", "command": []}, "recipe"),
        ({"command": []}, "neither"),
    ],
)
def test_an_order_that_cannot_be_launched_here_says_why(
    site: SiteUnderTest, changes: dict, word: str
) -> None:
    site.control.want(order(**changes))
    site.exchange()
    assert site.seen().exit_code == 126
    assert word in site.seen().detail
    assert not site.world.launched


@pytest.mark.parametrize("field", ["run", "scope"])
def test_an_identifier_that_leads_out_of_the_home_is_refused(site: SiteUnderTest, field: str) -> None:
    site.control.want(order(**{field: "../../evil"}))
    site.exchange()
    site.exchange()
    assert site.report().observations == []
    assert not list(site.home.parent.glob("*evil*"))


def test_a_restarted_agent_adopts_and_starts_nothing_twice(site: SiteUnderTest) -> None:
    site.control.want(order())
    site.exchange()
    site.drive(1000)
    started = site.seen().started_at_ms
    site.restart()
    site.drive(5000)
    assert site.seen().observed is Observed.RUNNING
    assert site.seen().started_at_ms == started
    site.exchange()
    site.drive()
    assert len(site.world.launched) == 1


def test_a_run_that_ended_while_the_agent_was_away_is_reported_with_its_true_end(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: ends_after(3000, exit_code=7)
    site.control.want(order())
    site.exchange()
    site.drive()
    started = site.clock.now_ms()
    site.restart()
    site.drive(60_000)
    seen = site.seen()
    assert (seen.observed, seen.exit_code, seen.ended_at_ms) == (Observed.EXITED, 7, started + 3000)


def test_a_restart_without_control_launches_nothing(site: SiteUnderTest) -> None:
    site.control.hold()
    site.control.want(order())
    site.exchange()
    assert not site.world.launched
    site.restart()
    site.drive(1000)
    assert not site.world.launched
    site.control.release()
    site.exchange()
    assert len(site.world.launched) == 1


def test_an_agent_that_died_while_launching_never_launches_again(site: SiteUnderTest) -> None:
    def dies(launch: Launch) -> Behaviour:
        raise KeyboardInterrupt

    site.world.behave = dies
    site.control.want(order())
    with pytest.raises(KeyboardInterrupt):
        site.exchange()
    site.restart()
    site.world.behave = lambda launch: Behaviour()
    site.exchange()
    site.exchange(advance_ms=1000)
    assert site.seen().observed is Observed.LOST
    assert not site.world.launched


def test_an_agent_that_died_just_after_the_launch_adopts_it(site: SiteUnderTest) -> None:
    site.control.want(order())
    site.exchange()
    course = site.hand.courses()[0]
    course.save(phase=Phase.LAUNCHING, handle="")
    site.restart()
    site.exchange()
    site.exchange()
    assert site.seen().observed is Observed.RUNNING
    assert len(site.world.launched) == 1


def test_a_run_without_the_agents_record_is_adopted_and_follows_its_order(site: SiteUnderTest) -> None:
    site.control.want(order())
    site.exchange()
    site.restart()
    (site.home / "runs" / "run_1" / "agent.json").write_bytes(b"{broken")
    site.exchange()
    assert site.seen().observed is Observed.RUNNING
    site.control.stop("run_1")
    site.exchange()
    site.drive(1000)
    assert site.seen().observed is Observed.EXITED
    assert len(site.world.launched) == 1


def test_a_run_that_control_saw_start_is_not_started_by_an_empty_home(site: SiteUnderTest) -> None:
    site.control.want(order(metered_until_ms=site.clock.now_ms()))
    site.exchange()
    assert site.seen().observed is Observed.LOST
    assert not site.world.launched


def test_a_living_run_that_control_does_not_list_is_stopped(site: SiteUnderTest) -> None:
    site.control.want(order())
    site.exchange()
    site.drive()
    site.control.settle("run_1")
    site.exchange()
    site.drive(1000)
    seen = site.seen()
    assert (seen.observed, seen.interrupted) == (Observed.EXITED, True)


def test_an_ended_run_is_repeated_until_settled_and_then_forgotten(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: ends_after(1000)
    site.control.want(order())
    site.exchange()
    site.drive(1000)
    for _ in range(3):
        assert site.exchange().observations[0].observed is Observed.EXITED
    site.control.settle("run_1")
    site.exchange()
    assert (site.home / "runs" / "run_1").is_dir()
    site.exchange(advance_ms=site.settings.keep_ms)
    site.exchange()
    assert site.report().observations == []
    assert not (site.home / "runs" / "run_1").exists()
    assert (site.home / "work" / "job_1" / "checkpoints").is_dir(), "checkpoints outlive a run"
    assert not site.world.runs, "the engine has forgotten it too"


def test_lost_is_lost(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: Behaviour(lost_after_ms=1000)
    site.control.want(order())
    site.exchange()
    site.drive(1000)
    seen = site.seen()
    assert (seen.observed, seen.exit_code) == (Observed.LOST, None)


def test_a_lost_run_is_billed_up_to_its_last_sign_of_life_and_not_beyond(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: Behaviour(lost_after_ms=7000)
    site.control.want(order())
    site.exchange()
    started = site.clock.now_ms()
    site.drive(6000)
    site.restart()
    site.drive(60_000)
    site.exchange()
    assert (site.seen().observed, site.seen().ended_at_ms) == (Observed.LOST, started + 7000)
    told = [site.control.meters[seq] for seq in sorted(site.control.meters)]
    assert sum(record.to_ms - record.from_ms for record in told) == 7000
    assert (told[0].from_ms, told[-1].to_ms) == (started, started + 7000)


def test_a_run_that_lived_and_was_lost_while_the_agent_was_dead_is_billed(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: Behaviour(lost_after_ms=7000)
    site.control.want(order())
    site.exchange()
    started = site.clock.now_ms()
    site.hand.courses()[0].save(started_at_ms=None, phase=Phase.LAUNCHING, handle="")
    site.restart()
    site.drive(60_000)
    site.exchange()
    seen = site.seen()
    assert (seen.observed, seen.started_at_ms, seen.ended_at_ms) == (Observed.LOST, started, started + 7000)
    assert sum(record.device_ms for record in site.control.meters.values()) == 7000


def test_an_engine_that_is_away_for_a_while_does_no_harm(site: SiteUnderTest) -> None:
    site.control.want(order())
    site.exchange()
    site.drive()
    site.world.unreachable = "the scheduler of the cluster is away"
    site.exchange(advance_ms=1000)
    assert site.seen().observed is Observed.RUNNING
    site.world.unreachable = ""
    site.control.stop("run_1")
    site.exchange()
    site.drive(1000)
    assert site.seen().observed is Observed.EXITED


def test_a_full_disk_launches_nothing_and_says_so(
    site: SiteUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 0
    monkeypatch.setattr("bruk.agent.course.free_bytes", lambda folder: free - 1)
    site.control.want(order())
    site.exchange()
    assert not site.world.launched
    assert "disk is full" in site.seen().detail
    free = 2**40
    site.drive(10_000)
    assert len(site.world.launched) == 1


def test_a_disk_that_refuses_the_record_launches_nothing(
    site: SiteUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr("bruk.agent.record.write_durably", refuse)
        site.control.want(order())
        site.exchange()
        site.drive(1000)
        assert not site.world.launched
    site.drive(1000)
    assert len(site.world.launched) == 1


def test_what_changed_is_told_at_once_and_only_then(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: ends_after(5000)
    site.control.want(order())
    site.exchange()
    site.report()
    assert not site.drive(1000)
    assert site.drive(4000), "an end is news"
    site.report()
    assert not site.drive(1000)


def test_two_runs_on_one_device_do_not_live_together(site: SiteUnderTest) -> None:
    site.control.want(order("run_1"))
    site.control.want(order("run_2"))
    site.control.want(order("run_3", placement=[DeviceSet("node-1", (1,))]))
    site.exchange()
    site.drive()
    assert site.seen("run_2").exit_code == 126
    assert "run_1" in site.seen("run_2").detail
    assert site.seen("run_3").observed is Observed.RUNNING


def test_after_the_end_no_step_does_anything(site: SiteUnderTest) -> None:
    site.control.want(order())
    site.hand.take(site.control.answer(site.report()), site.clock.now_ms())
    site.hand.close()
    assert not site.drive(1000)
    assert not site.world.launched


def test_a_fetch_ends_early_when_its_run_is_not_wanted_any_more(site: SiteUnderTest) -> None:
    text = site.control.put("text", b"x" * 1000)

    def stop_midway(digest: str, offset: int) -> object:
        site.hand.courses()[0].give_up()
        return fetch(digest, offset)

    fetch, site.control.fetch = site.control.fetch, stop_midway  # type: ignore[method-assign]
    site.control.want(order(inputs=[text]))
    site.exchange()
    part = site.home / "cache" / "parts" / text.digest
    assert part.stat().st_size == 100, "one block came before it was given up, and is kept"
