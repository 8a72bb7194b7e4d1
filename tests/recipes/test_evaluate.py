"""A tiny model measured, its code length checked against one computed token by token."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bruk.recipes.evaluate import EvaluateConfig, chosen, evaluate
from bruk.recipes.pretrain import pretrain
from bruk.recipes.run import Place, RecipeError
from bruk.recipes.scoring import IGNORED, cut, total_bits
from bruk.recipes.texts import Document


@pytest.fixture
def trained(make_run: Any, tmp_path: Path) -> Place:
    """The place of an evaluation whose inputs are a tiny trained model and its corpus."""
    config, training = make_run("training", steps=8)
    pretrain(config, training)
    evaluation = tmp_path / "evaluation"
    (evaluation / "data").mkdir(parents=True)
    shutil.copytree(training.output_dir / "model", evaluation / "data" / "model")
    (evaluation / "data" / "corpus").symlink_to(tmp_path / "corpus")
    (evaluation / "config.json").write_text('{"threads": 1}')
    return Place.from_environment(evaluation / "config.json", {})


def run(place: Place, **values: object) -> dict[str, Any]:
    config = place.data_dir.parent / "config.json"
    config.write_text(json.dumps({"threads": 1, **values}))
    evaluate(config, place)
    return json.loads((place.output_dir / "evaluation.json").read_text())


def load(place: Place) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = place.data_dir / "model"
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def bits_token_by_token(model: Any, ids: list[int], window: int, stride: int) -> float:
    """Each token from its own context, written without batches or masks."""
    bits = 0.0
    for at in range(1, len(ids)):
        end = window if at <= window else window + math.ceil((at - window) / stride) * stride
        start = max(0, min(end, len(ids) - 1) - window)
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids[start:at]])).logits[0, -1]
        bits -= float(torch.log_softmax(logits.double(), -1)[ids[at]]) / math.log(2)
    return bits


def test_bits_per_byte_agree_with_a_token_by_token_computation(trained: Place) -> None:
    measured = run(trained, heldout_bytes_max=1, window=16, stride=5)
    assert measured["heldout_files"] == 1
    model, tokenizer = load(trained)
    files = sorted((trained.data_dir / "corpus" / "heldout").iterdir())
    sizes = {path.stat().st_size: path for path in files}
    text = sizes[measured["heldout_bytes"]].read_text()
    ids = [
        tokenizer.bos_token_id,
        *tokenizer(text, add_special_tokens=False).input_ids,
        tokenizer.eos_token_id,
    ]
    expected = bits_token_by_token(model, ids, 16, 5)
    assert measured["tokens_scored"] == len(ids) - 1
    assert measured["bits_total"] == pytest.approx(expected, rel=1e-5)
    assert measured["bits_per_byte"] == pytest.approx(expected / len(text.encode()), rel=1e-5)


def test_the_record_has_every_figure_on_the_same_files(trained: Place) -> None:
    measured = run(trained)
    files = sorted((trained.data_dir / "corpus" / "heldout").iterdir())
    assert measured["heldout_files"] == measured["heldout_files_in_corpus"] == len(files)
    assert measured["heldout_bytes"] == sum(path.stat().st_size for path in files)
    assert measured["uniform_bits_per_byte"] == 8
    for name in ("bits_per_byte", "order2_bits_per_byte", "gzip_bits_per_byte", "gzip_stream_bits_per_byte",
                 "xz_bits_per_byte", "xz_stream_bits_per_byte"):  # fmt: skip
        assert 0 < measured[name] < 12
    assert measured["model_digest"].startswith("sha256:")
    assert measured["corpus_digest"].startswith("sha256:")
    assert measured["heldout_files_also_in_training"] == 0


def test_windows_score_every_token_exactly_once() -> None:
    texts = [np.arange(2, 2 + length, dtype=np.int32) for length in (2, 9, 10, 11, 37)]
    for window, stride in ((8, 3), (8, 8), (8, 1), (64, 32)):
        first, later = cut(texts, window, stride)
        scored = np.concatenate([first.targets.ravel(), later.targets[:, -stride:].ravel()])
        scored = np.sort(scored[scored != IGNORED])
        assert np.array_equal(scored, np.sort(np.concatenate([text[1:] for text in texts])))
        assert (later.targets[:, :-stride] == IGNORED).all()


def test_a_model_that_knows_nothing_costs_log2_of_its_vocabulary() -> None:
    class Uniform:
        device = torch.device("cpu")

        def __call__(self, input_ids: Any, logits_to_keep: int, **_: Any) -> Any:
            return type("Out", (), {"logits": torch.zeros(len(input_ids), logits_to_keep, 64)})

    texts = [np.arange(20, dtype=np.int32), np.arange(3, dtype=np.int32)]
    assert total_bits(Uniform(), texts, 8, 4, 2) == pytest.approx(6 * (19 + 2))


def test_pickled_weights_and_code_are_refused(trained: Place) -> None:
    folder = trained.data_dir / "model"
    for name in ("pytorch_model.bin", "modeling_own.py"):
        (folder / name).write_bytes(b"x")
        with pytest.raises(RecipeError, match="only safetensors are loaded"):
            run(trained)
        (folder / name).unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "own.Model"}}))
    with pytest.raises(RecipeError, match="names code of its own"):
        run(trained)


def test_a_cut_weights_file_is_refused(trained: Place) -> None:
    weights = trained.data_dir / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(RecipeError, match=r"model\.safetensors is not a whole safetensors file"):
        run(trained)


def test_a_corpus_without_held_out_text_is_refused(trained: Place) -> None:
    for path in (trained.data_dir / "corpus" / "heldout").iterdir():
        path.unlink()
    with pytest.raises(RecipeError, match="no held-out text"):
        run(trained)


def test_a_choice_of_files_is_stable_and_whole() -> None:
    documents = [Document(f"{n}.txt", "x" * (n + 1)) for n in range(30)]
    some = chosen(documents, 100)
    assert 0 < len(some) < 30
    assert sum(d.size_bytes for d in some) <= 100
    assert chosen(list(reversed(documents)), 100) == list(reversed(some))
    assert chosen(documents, None) == documents


def test_a_stride_above_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="stride must not be above window"):
        EvaluateConfig(window=8, stride=9)
