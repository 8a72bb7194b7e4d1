"""What a run leaves behind goes to control before its end is told."""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.agent.conftest import SiteUnderTest, order

from bruk.engines.mock import Behaviour
from bruk.model.artifact import ArtifactKind
from bruk.model.run import Observed
from bruk.wire.tree import unpack


def ended(
    site: SiteUnderTest, write: Callable[[Path], None], outputs: list[str], exit_code: int = 0, **more: Any
) -> None:
    """A run that wrote this into its output folder and ended."""
    site.world.behave = lambda launch: Behaviour(ends_after_ms=1000, exit_code=exit_code, output=b"said\n")
    site.control.want(order(outputs=outputs, **more))
    site.exchange()
    write(Path(site.world.launched[0].env["BRUK_OUTPUT_DIR"]))
    site.drive(1000)


def model(outputs: Path) -> None:
    (outputs / "model").mkdir()
    (outputs / "model" / "weights").write_bytes(b"\1\2\3")
    (outputs / "record.json").write_text("{}")


def test_a_file_and_a_tree_are_handed_over_by_digest(site: SiteUnderTest, tmp_path: Path) -> None:
    ended(site, model, ["model", "record.json"])
    seen = site.seen()
    assert (seen.observed, seen.exit_code, seen.detail) == (Observed.EXITED, 0, "")
    tree, file = seen.outputs
    assert (tree.name, tree.kind) == ("model", ArtifactKind.TREE)
    assert (file.name, file.kind, file.size_bytes) == ("record.json", ArtifactKind.FILE, 2)
    for report in seen.outputs:
        data = site.control.uploads[report.digest]
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (report.digest, report.size_bytes)
    unpack(io.BytesIO(site.control.uploads[tree.digest]), tmp_path / "model")
    assert (tmp_path / "model" / "weights").read_bytes() == b"\1\2\3"
    assert site.control.shipped["run_1", "logs"] == b"said\n", "the log is whole before the end is told"


def test_the_end_is_not_told_before_control_has_the_outputs(site: SiteUnderTest) -> None:
    def away(outputs: Path) -> None:
        model(outputs)
        site.control.away = True

    ended(site, away, ["model"])
    seen = site.seen()
    assert (seen.observed, seen.exit_code) == (Observed.RUNNING, None)
    assert seen.processes == 0
    for _ in range(20):
        site.drive(site.settings.retry_ms_max)
    assert site.seen().observed is Observed.RUNNING, "a run that ended well waits for control"
    site.restart()
    site.control.away = False
    site.drive(1000)
    assert site.seen().observed is Observed.EXITED
    assert site.seen().outputs[0].digest in site.control.uploads


def test_an_output_that_control_refuses_is_named_in_the_end(site: SiteUnderTest) -> None:
    site.control.refuse_uploads = True
    ended(site, model, ["model"])
    for _ in range(site.settings.hand_over_attempts_max):
        site.drive(site.settings.retry_ms_max)
    seen = site.seen()
    assert (seen.observed, seen.exit_code, seen.outputs) == (Observed.EXITED, 0, [])
    assert "could not be handed over: too large" in seen.detail


def test_a_missing_output_is_named_and_the_others_are_taken(site: SiteUnderTest) -> None:
    ended(site, model, ["model", "gone"])
    seen = site.seen()
    assert (seen.exit_code, [report.name for report in seen.outputs]) == (0, ["model"])
    assert "'gone' is missing" in seen.detail


def test_a_run_that_failed_hands_over_nothing(site: SiteUnderTest) -> None:
    ended(site, model, ["model"], exit_code=1)
    assert site.seen().exit_code == 1
    assert site.control.uploads == {}


@pytest.mark.parametrize("name", ["../work", "/etc/hostname", "model/../../work", ".", ""])
def test_an_output_name_that_leads_out_is_not_followed(site: SiteUnderTest, name: str) -> None:
    ended(site, model, [name])
    assert "cannot be taken" in site.seen().detail
    assert site.control.uploads == {}


def test_no_link_out_of_the_output_folder_is_followed(site: SiteUnderTest) -> None:
    secret = site.home.parent / "secret"
    secret.mkdir(parents=True)
    (secret / "token").write_text("token")

    def links(outputs: Path) -> None:
        (outputs / "file").symlink_to(secret / "token")
        (outputs / "folder").symlink_to(secret)
        (outputs / "tree").mkdir()
        (outputs / "tree" / "inner").symlink_to(secret / "token")
        (outputs / "circle").symlink_to("circle")
        os.mkfifo(outputs / "pipe")

    names = ["file", "folder", "folder/token", "tree", "circle", "pipe"]
    ended(site, links, names)
    seen = site.seen()
    assert site.control.uploads == {}
    assert seen.observed is Observed.EXITED
    for name in names:
        assert f"{name!r}" in seen.detail


def _hole(outputs: Path) -> None:
    with (outputs / "out").open("wb") as file:
        file.truncate(64 * 2**20)


def _hole_in_a_tree(outputs: Path) -> None:
    (outputs / "out").mkdir()
    with (outputs / "out" / "weights").open("wb") as file:
        file.truncate(64 * 2**20)


def _one_file_many_times(link: Callable[[Path, Path], None]) -> Callable[[Path], None]:
    def write(outputs: Path) -> None:
        (outputs / "out").mkdir()
        first = outputs / "out" / "0"
        first.write_bytes(b"x" * 2**20)
        for count in range(1, 64):
            link(outputs / "out" / str(count), first)

    return write


BOMBS = {
    "a hole": _hole,
    "a hole in a tree": _hole_in_a_tree,
    "symlinks": _one_file_many_times(lambda place, first: place.symlink_to(first.name)),
    "hard links": _one_file_many_times(lambda place, first: place.hardlink_to(first)),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_outputs_never_grow_beyond_what_the_run_was_allowed(site: SiteUnderTest, bomb: str) -> None:
    ended(site, BOMBS[bomb], ["out"], disk_bytes=8 * 2**20)
    seen = site.seen()
    assert (seen.observed, seen.exit_code) == (Observed.EXITED, 0)
    assert "'out' cannot be taken" in seen.detail
    assert "are left" in seen.detail
    assert site.control.uploads == {}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_the_run_was_allowed_is_taken_with_its_holes_and_links(site: SiteUnderTest, bomb: str) -> None:
    ended(site, BOMBS[bomb], ["out"], disk_bytes=64 * 2**20)
    (report,) = site.seen().outputs
    assert report.size_bytes >= 64 * 2**20


def test_outputs_share_what_the_run_was_allowed(site: SiteUnderTest) -> None:
    def two(outputs: Path) -> None:
        for name in ("a", "b"):
            (outputs / name).write_bytes(name.encode() * 6 * 2**20)

    ended(site, two, ["a", "b"], disk_bytes=8 * 2**20)
    assert [report.name for report in site.seen().outputs] == ["a"]
    assert "'b' cannot be taken" in site.seen().detail
