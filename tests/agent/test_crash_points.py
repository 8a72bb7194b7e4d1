"""The agent dies at everything it does that lasts, before and after it, and nothing is different."""

import random
from collections import defaultdict
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from tests.agent.conftest import Control, SiteUnderTest
from tests.agent.crash import SIDES, Crash, Points, in_source
from tests.agent.life import WHOLE, Life

from bruk.engines.mock import MockWorld
from bruk.model.clock import ManualClock


def new_life(home: Path) -> Life:
    return Life(SiteUnderTest(home, ManualClock(), Control(), MockWorld()))


def live(life: Life, points: Points) -> int:
    """The whole life; how often the agent died. One that starts takes a step before it speaks."""
    deaths = 0
    for act in WHOLE:
        points.begin()
        while True:
            try:
                if life.site.agent is None:
                    life.site.drive()
                act(life)
                break
            except Crash:
                deaths += 1
                life.site.restart()
                points.revive()
    return deaths


def outcome(life: Life) -> dict[str, Any]:
    """What must be the same whatever happened on the way."""
    control = life.site.control
    last = {run: end for run, end in life.ends.items() if run not in life.lost_unstarted}
    used: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for _, record in sorted(control.meters.items()):
        used[_job(record.run)].append((record.from_ms, record.to_ms, record.device_ms))
    for job, stretches in used.items():
        for before, after in pairwise(stretches):
            assert before[1] == after[0], f"{job} is metered with a gap or twice: {stretches}"
    return {
        "ends": {
            _job(run): (end.observed, end.exit_code, bool(end.detail), len(end.outputs), end.interrupted)
            for run, end in last.items()
        },
        "outputs": {
            _job(run): [(item.name, item.digest) for item in end.outputs] for run, end in last.items()
        },
        "used": {
            job: (stretches[0][0], stretches[-1][1], sum(item[2] for item in stretches))
            for job, stretches in used.items()
        },
        "uploads": control.uploads,
        "shipped": {(_job(run), stream): data for (run, stream), data in control.shipped.items()},
        "launched": sorted(_job(launch.run) for launch in life.site.world.launched),
        "left": sorted(
            str(path.relative_to(life.site.home))
            for path in life.site.home.rglob("*")
            if "journal" not in path.parts and path.name != "gone"
        ),
        "engine": sorted(life.site.world.runs),
    }


def check_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for what, value in expected.items():
        if isinstance(value, dict):
            wrong = {key: (found[what].get(key), value.get(key)) for key in {*value, *found[what]}}
            assert {key: pair for key, pair in wrong.items() if pair[0] != pair[1]} == {}, what
        assert found[what] == value, what


def _job(run: str) -> str:
    return run.rpartition("_")[0]


@pytest.fixture
def undisturbed(tmp_path: Path) -> tuple[dict[str, Any], list[str]]:
    with pytest.MonkeyPatch.context() as patch:
        points = Points(patch)
        life = new_life(tmp_path / "undisturbed" / "essonne")
        assert live(life, points) == 0
        assert life.lost_unstarted == []
        life.site.restart()
        return outcome(life), points.met


def test_the_life_meets_every_writer_in_the_code(undisturbed: tuple[dict[str, Any], list[str]]) -> None:
    met = {name.rpartition(" ")[0] for name in undisturbed[1]}
    assert in_source() - met == set()


def test_the_undisturbed_life_is_what_it_should_be(undisturbed: tuple[dict[str, Any], list[str]]) -> None:
    found, met = undisturbed
    assert len(found["ends"]) == 12
    assert len(found["outputs"]["train"]) == 2
    assert found["used"]["train"][2] == 120_000
    assert found["engine"] == []
    assert len(set(met)) > 30


def test_the_agent_dies_at_everything_it_does_and_nothing_is_different(
    undisturbed: tuple[dict[str, Any], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = Points(monkeypatch)
    life = new_life(tmp_path / "disturbed" / "essonne")
    died: set[tuple[int, str, int, str]] = set()
    act = 0

    def begin() -> None:
        nonlocal act
        act += 1
        Points.begin(points)

    def once_each(name: str, number: int, side: str) -> bool:
        at = (act, name, number, side)
        new = at not in died
        died.add(at)
        return new

    monkeypatch.setattr(points, "begin", begin)
    points.wanted = once_each
    deaths = live(life, points)
    points.wanted = lambda *_: False
    life.site.restart()
    assert deaths >= 2 * len(set(undisturbed[1]))
    assert set(points.launches.values()) == {1}, "the engine was asked twice to start a run"
    check_same(outcome(life), undisturbed[0])


# Between its note that it launches and the engine's word nobody knows whether the run has begun.
UNKNOWN = ("agent.course._launch",)


@pytest.mark.slow
def test_one_death_alone_changes_nothing(
    undisturbed: tuple[dict[str, Any], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn by seed: a death that is followed by another one might be mended by it."""
    points = Points(monkeypatch)
    places = sorted(product(set(undisturbed[1]), SIDES))
    for number, (name, side) in enumerate(random.Random(5).sample(places, 30)):
        life = new_life(tmp_path / str(number) / "essonne")
        left = [(name, side)]

        def once(name: str, _number: int, side: str, left: list[tuple[str, str]] = left) -> bool:
            hit = [(name, side)] == left
            if hit:
                left.clear()
            return hit

        points.wanted = once
        points.launches.clear()
        deaths = live(life, points)
        points.wanted = lambda *_: False
        life.site.restart()
        assert deaths == 1 or side == "midway", f"{side} {name}"
        assert life.lost_unstarted == [] or name.startswith(UNKNOWN), f"{side} {name}"
        assert set(points.launches.values()) == {1}, f"{side} {name}"
        check_same(outcome(life), undisturbed[0])
