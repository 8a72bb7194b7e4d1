import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bruk.recipes.run import Place, Progress, RecipeError, read_config
from bruk.recipes.settings import PretrainConfig, read_pretrain_config


@dataclass(frozen=True)
class Inner:
    size: int = 1


@dataclass(frozen=True)
class Outer:
    name: str = "a"
    share: float = 0.5
    limit: int | None = None
    inner: Inner = field(default_factory=Inner)


def write(folder: Path, text: str) -> Path:
    path = folder / "config.json"
    path.write_text(text)
    return path


def test_a_configuration_is_filled_over_its_defaults(tmp_path: Path) -> None:
    read = read_config(write(tmp_path, '{"share": 1, "inner": {"size": 3}}'), Outer)
    assert read == Outer(share=1.0, inner=Inner(3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "an object is needed, not list"),
        ('{"nmae": "x"}', "unknown field 'nmae'; the fields are inner, limit, name, share"),
        ('{"name": 3}', "name must be str, not 3"),
        ('{"limit": true}', "limit must be int or null, not true"),
        ('{"limit": 1.5}', "limit must be int or null, not 1.5"),
        ('{"inner": {"size": "big"}}', 'inner: size must be int, not "big"'),
        ('{"inner": 3}', "inner: an object is needed"),
    ],
)
def test_a_bad_configuration_is_told_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_config(write(tmp_path, text), Outer)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "give a budget"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"seconds_max": -1}, "seconds_max must be above 0"),
        ({"steps": 1, "batch": 0}, "batch must be at least 1"),
        ({"steps": 1, "preset": "huge"}, "there is no preset 'huge'; there are stdlib"),
        ({"steps": 1, "decoder": {"width": 30, "heads": 4}}, "width must be an even multiple of heads"),
        ({"steps": 1, "decoder": {"vocabulary": 100}}, "vocabulary must be at least 259"),
        ({"steps": 1, "device": "tpu"}, "device must be auto, cpu or cuda"),
    ],
)
def test_a_bad_training_configuration_is_refused(
    tmp_path: Path, values: dict[str, object], message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        read_pretrain_config(write(tmp_path, json.dumps(values)))
    assert message in str(caught.value)


def test_a_configuration_overrides_its_preset_field_by_field(tmp_path: Path) -> None:
    text = '{"preset": "stdlib", "steps": 7, "decoder": {"layers": 1}}'
    read = read_pretrain_config(write(tmp_path, text))
    assert isinstance(read, PretrainConfig)
    assert (read.steps, read.decoder.layers, read.decoder.vocabulary) == (7, 1, 4096)


def test_the_place_comes_from_the_environment_or_lies_beside_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    by_hand = Place.from_environment(config, {})
    assert by_hand.output_dir == tmp_path / "output"
    given = Place.from_environment(
        config, {"BRUK_OUTPUT_DIR": "/somewhere", "RANK": "1", "WORLD_SIZE": "2", "BRUK_RUN_ID": "r1"}
    )
    assert (str(given.output_dir), given.rank, given.world_size, given.run_id) == ("/somewhere", 1, 2, "r1")
    with pytest.raises(RecipeError, match="RANK is 'one', not a number"):
        Place.from_environment(config, {"RANK": "one"})
    with pytest.raises(RecipeError, match="there is no input 'corpus'"):
        by_hand.input("corpus")


def test_progress_is_one_object_a_line_and_only_rank_zero_writes(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    first = Place.from_environment(config, {"BRUK_PROGRESS_FILE": str(tmp_path / "deep" / "p.jsonl")})
    Progress(first).write("train", step=1, loss=2.5)
    second = Place.from_environment(config, {"BRUK_PROGRESS_FILE": str(tmp_path / "p2"), "RANK": "1"})
    Progress(second).write("train", step=1)
    assert json.loads(first.progress_file.read_text()) == {"phase": "train", "step": 1, "loss": 2.5}
    assert not second.progress_file.exists()


@pytest.mark.parametrize("recipe", ["pretrain", "evaluate", "serve"])
def test_each_recipe_ends_with_2_and_one_line_for_a_bad_configuration(tmp_path: Path, recipe: str) -> None:
    path = write(tmp_path, '{"no_such_field": 1}')
    ended = subprocess.run(
        [sys.executable, "-m", f"bruk.recipes.{recipe}", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "unknown field 'no_such_field'" in ended.stderr
