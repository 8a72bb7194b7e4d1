"""A scenario follows from its seed alone, and has in it what a storm promises."""

import subprocess
import sys
from collections import Counter

from bruk.twin.world.chance import Chance
from bruk.twin.world.scenario import DAY_MS, PLACES, Kind, draw


def test_the_same_seed_is_the_same_scenario() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


def test_a_seed_means_the_same_under_any_hash_seed() -> None:
    code = (
        "from bruk.twin.world.scenario import draw; import hashlib; "
        "print(hashlib.sha256(repr(draw(3)).encode()).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(said) == 1


def test_a_day_is_full() -> None:
    for seed in range(20):
        scenario = draw(seed)
        assert len(scenario.work) == 200
        assert scenario.day_ms == DAY_MS
        assert len(PLACES) == 3
        assert len(scenario.faults) >= 20
        assert {fault.kind for fault in scenario.faults} == set(Kind)
        assert Counter(act.deed for act in scenario.acts)["off"] >= 4


def test_streams_of_chance_do_not_touch_each_other() -> None:
    one, other = Chance(1, "work"), Chance(1, "work")
    Chance(1, "faults").whole(0, 10)
    assert [one.whole(0, 10**9) for _ in range(5)] == [other.whole(0, 10**9) for _ in range(5)]
    assert Chance(1, "work").whole(0, 10**9) != Chance(1, "faults").whole(0, 10**9)


def test_draws_stay_within_their_bounds() -> None:
    chance = Chance(5, "bounds")
    for _ in range(500):
        assert 3 <= chance.whole(3, 5) <= 5
        assert 100 <= chance.log_whole(100, 10_000) <= 10_000
