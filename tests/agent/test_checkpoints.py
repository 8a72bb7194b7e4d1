"""A workload's checkpoints outlive its runs, and go once control says that no run will come."""

from pathlib import Path

import pytest
from tests.agent.conftest import Deferred, SiteUnderTest, order

from bruk.agent.agent import Inline
from bruk.agent.checkpoints import Checkpoints
from bruk.engines.mock import Behaviour
from bruk.wire.agent import SCOPES_MAX


def ran(site: SiteUnderTest) -> Path:
    """A run that wrote a checkpoint, ended, and was settled and forgotten."""
    site.world.behave = lambda launch: Behaviour(ends_after_ms=1000, exit_code=0)
    site.control.want(order())
    site.exchange()
    folder = Path(site.world.launched[0].env["BRUK_CHECKPOINT_DIR"])
    (folder / "step-10").mkdir()
    (folder / "step-10" / "weights").write_bytes(b"\1\2")
    (folder / "step-10").chmod(0o500)
    site.exchange(1000)
    site.control.settle("run_1")
    site.exchange()
    site.exchange(site.settings.keep_ms)
    assert not site.report().observations
    return folder


def test_an_open_workloads_checkpoints_stay_and_are_asked_about_again(site: SiteUnderTest) -> None:
    folder = ran(site)
    for _ in range(3):
        assert site.exchange().scopes == ["job_1"]
        assert (folder / "step-10" / "weights").read_bytes() == b"\1\2"
    site.restart()
    assert site.report().scopes == ["job_1"], "also an agent that was started anew asks"


def test_a_closed_workloads_checkpoints_go(site: SiteUnderTest) -> None:
    folder = ran(site)
    site.control.closed.add("job_1")
    site.exchange()
    assert not folder.parent.exists()
    assert site.report().scopes == []


def test_nothing_goes_while_a_run_of_it_is_known(site: SiteUnderTest) -> None:
    site.control.closed.add("job_1")
    site.control.want(order())
    assert site.exchange().scopes == []
    folder = Path(site.world.launched[0].env["BRUK_CHECKPOINT_DIR"])
    assert site.exchange().scopes == []
    assert folder.is_dir()


def test_an_order_that_comes_with_the_answer_keeps_its_checkpoints(site: SiteUnderTest) -> None:
    folder = ran(site)
    site.control.closed.add("job_1")
    site.control.want(order("run_2", attempt=2))
    site.exchange()
    assert (folder / "step-10" / "weights").exists()


def test_a_late_answer_removes_nothing(site: SiteUnderTest) -> None:
    folder = ran(site)
    late = site.control.answer(site.report()).model_copy(update={"scopes_done": ["job_1"], "asked": "before"})
    assert not site.hand.take(late, site.clock.now_ms())
    assert folder.is_dir()


@pytest.mark.parametrize("name", ["..", "../runs", "/etc", "job_2", ""])
def test_no_answer_leads_out_of_the_folder(site: SiteUnderTest, name: str) -> None:
    folder = ran(site)
    answer = site.control.answer(site.report()).model_copy(update={"scopes_done": [name]})
    assert site.hand.take(answer, site.clock.now_ms())
    assert folder.is_dir()
    assert (site.home / "runs").is_dir()


def test_a_removal_under_way_is_not_begun_twice(tmp_path: Path) -> None:
    background = Deferred()
    kept = Checkpoints(tmp_path, background)
    (tmp_path / "work" / "job_1" / "checkpoints").mkdir(parents=True)
    kept.release(["job_1"], [])
    kept.release(["job_1"], [])
    assert len(background._waiting) == 1
    background.go()
    assert kept.without_runs([]) == []


def test_a_removal_that_fails_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Checkpoints(tmp_path, Inline())
    (tmp_path / "work" / "job_1").mkdir(parents=True)
    with monkeypatch.context() as broken:
        broken.setattr("bruk.agent.checkpoints.remove_tree", _refuse)
        kept.release(["job_1"], [])
    assert "job_1 cannot be removed" in caplog.text
    assert kept.without_runs([]) == ["job_1"]
    kept.release(["job_1"], [])
    assert kept.without_runs([]) == []


def _refuse(folder: Path) -> None:
    raise PermissionError(13, "Permission denied", str(folder))


def test_where_there_are_very_many_each_gets_its_turn(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, Inline())
    assert kept.without_runs([]) == []
    names = {f"job_{number:05}" for number in range(2 * SCOPES_MAX + 7)}
    for name in names:
        (tmp_path / "work" / name).mkdir(parents=True)
    asked = [kept.without_runs([]) for _ in range(4)]
    assert all(len(names) <= SCOPES_MAX for names in asked)
    assert set().union(*asked) == names
    assert asked[3] == asked[0]
