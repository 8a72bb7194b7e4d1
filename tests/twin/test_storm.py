"""A storm finds what was broken on purpose, shows it again from the seed, and goes on where it stood."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from bruk.model.errors import InvalidInput
from bruk.twin import storm as storming
from bruk.twin.storm import document, run_seed, source_digest, storm, sums

pytestmark = pytest.mark.slow
# More are lived through by `make storm`, which CI runs beside the tests.
SEEDS = 20
SHARD = 5
# Once each of these found a defect of the product, which was mended.
KEPT = (31, 56, 91, 109, 166)


def test_a_seed_lives_through_its_day_and_is_the_same_again() -> None:
    once, again = run_seed(0), run_seed(0)
    assert once == again
    assert once.broken == ""
    assert once.lived_ms >= 24 * 3_600_000
    assert once.workloads >= 180
    assert sum(once.fired.values()) >= 20
    assert once.calls > 0
    assert once.outcomes["succeeded"] > 100


def test_a_record_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "storm.jsonl"
    kept = document(run_seed(1), source_digest())
    record.write_text(json.dumps(kept) + "\n")
    endings = list(storm([1], record=record))
    assert endings == [kept], "it is not lived again"
    assert sums(endings)["faults_a_seed_min"] >= 20
    monkeypatch.setattr(storming, "source_digest", lambda: "another")
    with pytest.raises(InvalidInput, match="is of source"):
        list(storm([1], record=record))
    record.write_text("no ending\n")
    with pytest.raises(InvalidInput, match="line 1"):
        list(storm([1], record=record))


@pytest.mark.parametrize("seeds", [*(range(first, first + SHARD) for first in range(0, SEEDS, SHARD)), KEPT])
def test_no_invariant_breaks(seeds: Iterable[int]) -> None:
    """As many tests as there are shards, so that pytest's processes share them."""
    for seed in seeds:
        ending = run_seed(seed)
        assert ending.broken == "", f"seed {seed}, {ending.at}: {ending.broken}"
        assert ending.lived_ms >= 24 * 3_600_000
        assert ending.workloads >= 180
        assert sum(ending.fired.values()) >= 20
