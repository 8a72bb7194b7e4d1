"""What an untrusted run writes is read with care and shipped by offset."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.conftest import SiteUnderTest, order

from bruk.agent.sync import ControlRefused
from bruk.agent.tail import CHUNK_BYTES, LINE_BYTES_MAX, ProgressTail
from bruk.engines.mock import Behaviour
from bruk.wire.agent import Observation


def tail(tmp_path: Path, *pieces: bytes) -> ProgressTail:
    path = tmp_path / "progress.jsonl"
    found = ProgressTail(path)
    with path.open("ab") as file:
        for piece in pieces:
            file.write(piece)
            file.flush()
            found.read()
    return found


def test_the_newest_whole_line_counts(tmp_path: Path) -> None:
    found = tail(tmp_path, b'{"step": 1, "loss": 3.5}\n{"step"', b": 2}\n", b'{"step": 3')
    assert found.newest == {"step": 2}
    assert found.resumed_from_step is None


def test_the_step_it_resumed_from_is_kept(tmp_path: Path) -> None:
    found = tail(tmp_path, b'{"phase": "resume", "resumed_from_step": 40}\n', b'{"step": 41}\n')
    assert (found.resumed_from_step, found.newest) == (40, {"step": 41})


@pytest.mark.parametrize(
    "line",
    [b"", b"no json", b"[1]", b"3", b"\xff\xfe", b"[" * 50_000, b'{"x": "' + b"y" * LINE_BYTES_MAX + b'"}'],
    ids=["empty", "text", "list", "number", "no utf-8", "deep", "huge"],
)
def test_what_is_no_progress_is_passed_over(tmp_path: Path, line: bytes) -> None:
    found = tail(tmp_path, b'{"step": 1}\n', line + b"\n")
    assert found.newest == {"step": 1}
    assert tail(tmp_path, b'{"step": 2}\n').newest == {"step": 2}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(fields=st.dictionaries(st.text(), json_values, max_size=5))
def test_any_line_can_be_reported(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, object]
) -> None:
    found = tail(tmp_path_factory.mktemp("run"), json.dumps(fields).encode() + b"\n")
    said = Observation(
        run="r",
        generation=1,
        observed="running",
        progress=found.newest,
        resumed_from_step=found.resumed_from_step,
    )
    assert Observation.model_validate_json(said.model_dump_json()).progress == found.newest


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_progress_file_that_is_none_reads_as_nothing(tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret").write_bytes(b'{"step": 1}\n')
    path = tmp_path / "progress.jsonl"
    match kind:
        case "link":
            path.symlink_to(tmp_path / "secret")
        case "pipe":
            os.mkfifo(path)
        case _:
            path.mkdir()
    found = ProgressTail(path)
    found.read()
    assert found.newest is None


def ship(site: SiteUnderTest) -> bool:
    return site.hand.courses()[0].ship()


def test_logs_and_progress_go_to_control_in_bounded_chunks(site: SiteUnderTest) -> None:
    output = os.urandom(CHUNK_BYTES + 1000)
    site.world.behave = lambda launch: Behaviour(output=output)
    site.control.want(order())
    site.exchange()
    progress = Path(site.world.launched[0].env["BRUK_PROGRESS_FILE"])
    progress.write_bytes(b'{"step": 1}\n')
    assert not ship(site)
    assert len(site.control.shipped["run_1", "logs"]) == CHUNK_BYTES
    assert ship(site)
    assert site.control.shipped["run_1", "logs"] == output
    assert site.control.shipped["run_1", "progress"] == b'{"step": 1}\n'
    site.drive()
    assert site.seen().progress == {"step": 1}


def test_after_a_restart_control_says_where_the_log_goes_on(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: Behaviour(output=b"one\ntwo\n")
    site.control.want(order())
    site.exchange()
    site.control.shipped["run_1", "logs"] = b"one\n"
    site.restart()
    site.exchange()
    while not ship(site):
        pass
    assert site.control.shipped["run_1", "logs"] == b"one\ntwo\n"


def test_a_control_that_lost_the_log_gets_it_again(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: Behaviour(output=b"one\ntwo\n")
    site.control.want(order())
    site.exchange()
    assert ship(site)
    del site.control.shipped["run_1", "logs"]
    site.world.runs["run_1.1"].behaviour = Behaviour(output=b"one\ntwo\nthree\n")
    assert not ship(site), "control wants it from the beginning"
    assert ship(site)
    assert site.control.shipped["run_1", "logs"] == b"one\ntwo\nthree\n"


def test_a_log_that_control_refuses_stops_nothing(
    site: SiteUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise ControlRefused("no such run")

    monkeypatch.setattr(site.control, "ship", refuse)
    site.world.behave = lambda launch: Behaviour(output=b"one", ends_after_ms=1000)
    site.control.want(order())
    site.exchange()
    site.drive(1000)
    assert site.seen().exit_code == 0
