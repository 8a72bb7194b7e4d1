"""Inputs: fetched, checked, cached, linked; and what is refused."""

import os
from pathlib import Path

import pytest
from tests.agent.conftest import SiteUnderTest, order
from tests.wire.tars import tar_of

from bruk.agent.record import Folders
from bruk.agent.stage import StageFailed, Stager
from bruk.wire.agent import InputOrder


@pytest.fixture
def stager(site: SiteUnderTest) -> Stager:
    return Stager(site.home, site.control, reserve_bytes=0)


def folders(site: SiteUnderTest, run: str = "run_1") -> Folders:
    return Folders(site.home / "runs" / run, site.home / "work" / "job_1" / "checkpoints")


def test_a_file_and_a_tree_arrive_read_only(site: SiteUnderTest, stager: Stager) -> None:
    text = site.control.put("text", b"hello" * 100)
    tree = site.control.put("tree", tar_of(("a", None), ("a/b", b"deep")), "tree")
    place = folders(site)
    stager.stage(order(inputs=[text, tree]), place)
    assert (place.data / "text").read_bytes() == b"hello" * 100
    assert (place.data / "tree" / "a" / "b").read_bytes() == b"deep"
    for path in (place.data, *place.data.rglob("*")):
        assert path.stat().st_mode & 0o222 == 0, f"{path} is writable"


def test_two_runs_share_one_fetch_and_the_same_bytes_on_disk(site: SiteUnderTest, stager: Stager) -> None:
    text = site.control.put("text", b"hello")
    tree = site.control.put("tree", tar_of(("b", b"deep")), "tree")
    for run in ("run_1", "run_2"):
        stager.stage(order(run, inputs=[text, tree]), folders(site, run))
    assert len(site.control.fetched) == 2
    first, second = folders(site, "run_1").data, folders(site, "run_2").data
    assert os.path.samefile(first / "text", second / "text")
    assert os.path.samefile(first / "tree" / "b", second / "tree" / "b")


def test_a_fetch_that_broke_off_goes_on_where_it_stopped(site: SiteUnderTest, stager: Stager) -> None:
    text = site.control.put("text", bytes(range(250)) * 4)
    site.control.break_after = 300
    with pytest.raises(StageFailed) as failed:
        stager.stage(order(inputs=[text]), folders(site))
    assert failed.value.passing
    site.control.break_after = None
    stager.stage(order(inputs=[text]), folders(site))
    assert site.control.fetched == [(text.digest, 0), (text.digest, 300)]
    assert (folders(site).data / "text").read_bytes() == bytes(range(250)) * 4


@pytest.mark.parametrize("damage", [lambda b: b"X" + b[1:], lambda b: b + b"more"], ids=["changed", "longer"])
def test_a_damaged_blob_is_refused_and_not_kept(site: SiteUnderTest, stager: Stager, damage: object) -> None:
    text = site.control.put("text", b"hello" * 100)
    whole = site.control.blobs[text.digest]
    site.control.blobs[text.digest] = damage(whole)  # type: ignore[operator]
    with pytest.raises(StageFailed, match="is not what its digest"):
        stager.stage(order(inputs=[text]), folders(site))
    site.control.blobs[text.digest] = whole
    stager.stage(order(inputs=[text]), folders(site))
    assert (folders(site).data / "text").read_bytes() == whole


def test_a_short_blob_is_fetched_to_its_end_later(site: SiteUnderTest, stager: Stager) -> None:
    text = site.control.put("text", b"hello" * 100)
    whole = site.control.blobs[text.digest]
    site.control.blobs[text.digest] = whole[:200]
    with pytest.raises(StageFailed, match="broke off") as failed:
        stager.stage(order(inputs=[text]), folders(site))
    assert failed.value.passing
    site.control.blobs[text.digest] = whole
    stager.stage(order(inputs=[text]), folders(site))
    assert (folders(site).data / "text").read_bytes() == whole


@pytest.mark.parametrize("name", ["../out", "/abs", "a/b", "", "..", "."])
def test_an_input_name_that_leads_out_is_refused(site: SiteUnderTest, stager: Stager, name: str) -> None:
    good = site.control.put("x", b"hello")
    with pytest.raises(StageFailed) as failed:
        stager.stage(order(inputs=[good.model_copy(update={"name": name})]), folders(site))
    assert not failed.value.passing


def test_a_digest_that_is_none_is_refused(site: SiteUnderTest, stager: Stager) -> None:
    bad = InputOrder(name="x", digest="../../etc/passwd", kind="file", size_bytes=1)
    with pytest.raises(StageFailed, match="no usable digest"):
        stager.stage(order(inputs=[bad]), folders(site))


def test_an_unsafe_tree_is_refused_and_not_cached(site: SiteUnderTest, stager: Stager) -> None:
    tree = site.control.put("tree", tar_of(("ok", b"1"), ("../escape", b"2")), "tree")
    with pytest.raises(StageFailed, match="no plain path") as failed:
        stager.stage(order(inputs=[tree]), folders(site))
    assert not failed.value.passing
    assert list((site.home / "cache" / "trees").iterdir()) == []
    assert not list(site.home.parent.rglob("escape"))


def test_no_room_is_said_before_anything_is_fetched(
    site: SiteUnderTest, stager: Stager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bruk.agent.stage.free_bytes", lambda folder: 10)
    with pytest.raises(StageFailed, match="no room"):
        stager.stage(order(inputs=[site.control.put("x", b"hello" * 10)]), folders(site))
    assert site.control.fetched == []


def test_the_cache_makes_room_and_runs_keep_what_they_have(site: SiteUnderTest, stager: Stager) -> None:
    text, tree = site.control.put("text", b"hello"), site.control.put("tree", tar_of(("b", b"x")), "tree")
    stager.stage(order(inputs=[text, tree]), folders(site))
    stager.evict({text.digest})
    assert [path.name for path in (site.home / "cache" / "blobs").iterdir()] == [text.digest]
    assert list((site.home / "cache" / "trees").iterdir()) == []
    assert (folders(site).data / "tree" / "b").read_bytes() == b"x"


def test_checkpoints_persist_and_outputs_are_fresh(site: SiteUnderTest, stager: Stager) -> None:
    stager.stage(order(), folders(site))
    (folders(site).checkpoints / "step-10").write_text("10")
    (folders(site).outputs / "half").write_text("half")
    stager.stage(order(), folders(site))
    assert (folders(site).checkpoints / "step-10").read_text() == "10"
    assert list(folders(site).outputs.iterdir()) == []


def test_staging_is_tried_again_and_then_the_run_ends_with_125(site: SiteUnderTest) -> None:
    text = site.control.put("text", b"hello")
    site.control.blobs[text.digest] = b"jello"
    site.control.want(order(inputs=[text]))
    site.exchange()
    assert site.seen().exit_code is None
    assert "digest" in site.seen().detail
    for _ in range(site.settings.stage_attempts_max):
        site.exchange(advance_ms=site.settings.retry_ms_max)
    seen = site.seen()
    assert seen.exit_code == 125
    assert "put the artifact again" in seen.detail
    assert not site.world.launched


def test_a_blob_that_comes_right_in_time_starts_the_run(site: SiteUnderTest) -> None:
    text = site.control.put("text", b"hello" * 200)
    site.control.break_after = 300
    site.control.want(order(inputs=[text]))
    site.exchange()
    site.control.break_after = None
    site.drive(site.settings.retry_ms_max)
    assert len(site.world.launched) == 1
    assert (Path(site.world.launched[0].env["BRUK_DATA_DIR"]) / "text").read_bytes() == b"hello" * 200
