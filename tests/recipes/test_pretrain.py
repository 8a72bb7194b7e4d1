"""Real training runs, tiny: they learn, stop, resume and refuse."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from bruk.recipes import training
from bruk.recipes.checkpoint import checkpoint_path
from bruk.recipes.pretrain import pretrain
from bruk.recipes.run import Interrupted, RecipeError


def weights(place: Any) -> dict[str, Any]:
    return load_file(place.output_dir / "model" / "model.safetensors")


def record(place: Any) -> dict[str, Any]:
    return json.loads((place.output_dir / "model" / "training.json").read_text())


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(left[name].equal(right[name]) for name in left)


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Deliver SIGTERM to this process just as a step's batch is made."""
    original = training.Batches.at

    def at(self: Any, wanted: int) -> Any:
        if wanted == step:
            signal.raise_signal(signal.SIGTERM)
        return original(self, wanted)

    monkeypatch.setattr(training.Batches, "at", at)


def test_a_training_learns_and_leaves_a_model_with_its_record(make_run: Any, progress_lines: Any) -> None:
    config, place = make_run("run", steps=40, muon_rate=0.02)
    pretrain(config, place)
    done = record(place)
    assert done["loss_last"] < done["loss_first"] - 0.5
    assert done["steps"] == 40
    assert done["tokens"] == 40 * 2 * 32
    assert done["flop"] == 6 * done["parameters"] * done["tokens"]
    assert done["resumed_from_step"] == []
    losses = [line for line in progress_lines(place) if line["phase"] == "train"]
    assert [line["step"] for line in losses] == list(range(1, 41))
    assert {"steps", "loss", "tokens", "elapsed_s"} <= losses[0].keys()
    assert not list(place.output_dir.glob("**/*.bin"))


def test_the_model_loads_with_transformers_and_its_tokenizer_loses_nothing(make_run: Any) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config, place = make_run("run", steps=2)
    pretrain(config, place)
    folder = place.output_dir / "model"
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert type(model).__name__ == "MistralForCausalLM"
    text = "naïve 漢字\n\tif x:\r\n"
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    messages = [{"role": "user", "content": "hello"}]
    assert tokenizer.apply_chat_template(messages, tokenize=False).endswith("# user: hello\n")


def test_an_interrupted_training_ends_as_one_that_was_not(
    make_run: Any, monkeypatch: pytest.MonkeyPatch, progress_lines: Any
) -> None:
    config, whole = make_run("whole")
    pretrain(config, whole)

    config, place = make_run("stopped")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 6)
        with pytest.raises(Interrupted, match="interrupted at step 7, checkpoint of step 7 written"):
            pretrain(config, place)
    assert not (place.output_dir / "model").exists()
    pretrain(config, place)

    assert same(weights(whole), weights(place))
    assert record(place)["resumed_from_step"] == [7]
    assert record(place)["tokens"] == record(whole)["tokens"]
    assert record(place)["loss_first"] == record(whole)["loss_first"]
    lines = progress_lines(place)
    assert [line["resumed_from_step"] for line in lines if line["phase"] == "resume"] == [7]
    assert [line["step"] for line in lines if line["phase"] == "train"] == list(range(1, 13))


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_torn_checkpoint_is_passed_over_for_the_one_before(
    make_run: Any, monkeypatch: pytest.MonkeyPatch, progress_lines: Any, damage: str
) -> None:
    config, whole = make_run("whole")
    pretrain(config, whole)
    config, place = make_run("torn")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 6)
        with pytest.raises(Interrupted):
            pretrain(config, place)
    torn = checkpoint_path(place.checkpoint_dir, 7)
    content = bytearray(torn.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "changed":
        content[len(content) // 2] ^= 1
    else:
        content = bytearray()
    torn.write_bytes(content)
    pretrain(config, place)

    skipped = [line for line in progress_lines(place) if line["phase"] == "checkpoint_skipped"]
    assert "step-000000007.ckpt is not a whole checkpoint" in skipped[0]["reason"]
    assert record(place)["resumed_from_step"] == [4]
    assert same(weights(whole), weights(place))


def test_a_full_disk_is_told_and_the_training_goes_on(
    make_run: Any, monkeypatch: pytest.MonkeyPatch, progress_lines: Any
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    config, place = make_run("full")
    monkeypatch.setattr(training, "save_checkpoint", refuse)
    pretrain(config, place)
    failed = [line for line in progress_lines(place) if line["phase"] == "checkpoint_failed"]
    assert "No space left" in failed[0]["reason"]
    assert record(place)["steps"] == 12


def test_an_interruption_on_a_full_disk_says_from_where_it_goes_on(
    make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, place = make_run("full")
    original = training.save_checkpoint

    def refuse_after_4(folder: Path, step: int, state: Any) -> None:
        if step > 4:
            raise OSError(28, "No space left on device")
        original(folder, step, state)

    with monkeypatch.context() as patch:
        patch.setattr(training, "save_checkpoint", refuse_after_4)
        interrupt_at(patch, 9)
        with pytest.raises(Interrupted, match="could not be written; the next attempt goes on from step 4"):
            pretrain(config, place)
    pretrain(config, place)
    assert record(place)["resumed_from_step"] == [4]


def test_a_failed_write_leaves_the_earlier_checkpoint_and_no_debris(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bruk.recipes import checkpoint

    (tmp_path / "step-000000000.77.tmp").write_bytes(b"of a process that was killed")
    checkpoint.save_checkpoint(tmp_path, 1, {"step": 1})

    def refuse(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.os, "fsync", refuse)
        with pytest.raises(OSError, match="No space left"):
            checkpoint.save_checkpoint(tmp_path, 2, {"step": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.ckpt"]
    assert checkpoint.load_checkpoint(tmp_path, pytest.fail) == {"step": 1}


def test_a_checkpoint_of_another_corpus_is_refused(make_run: Any, corpus: Path) -> None:
    config, place = make_run("run", steps=2)
    pretrain(config, place)
    (corpus / "train" / "new.py").write_text("new = True\n")
    with pytest.raises(RecipeError, match="belongs to another corpus or configuration"):
        pretrain(config, place)


def test_a_finished_training_run_again_only_writes_its_model(make_run: Any, progress_lines: Any) -> None:
    config, place = make_run("run", steps=3)
    pretrain(config, place)
    before = weights(place)
    (place.output_dir / "model" / "model.safetensors").unlink()
    pretrain(config, place)
    assert same(before, weights(place))
    assert sum(line["phase"] == "train" for line in progress_lines(place)) == 3


def test_a_budget_in_seconds_ends_the_training(make_run: Any) -> None:
    config, place = make_run("run", steps=None, seconds_max=0.2)
    pretrain(config, place)
    assert record(place)["steps"] >= 1


def test_too_little_text_is_refused(make_run: Any, corpus: Path) -> None:
    for path in (corpus / "train").iterdir():
        path.write_text("x")
    config, place = make_run("run")
    with pytest.raises(RecipeError, match="too few for windows of 32"):
        pretrain(config, place)


def test_batches_visit_every_window_once_an_epoch(make_run: Any) -> None:
    import numpy as np

    _config, place = make_run("run")
    batches = training.Batches(np.arange(1000, dtype=np.int32), 10, 7, 3, place)
    steps = 98 // 7
    starts = [int(row[0]) for step in range(steps) for row in batches.at(step)[0]]
    assert len(set(starts)) == 98
    assert len({start % 10 for start in starts}) == 1
    inputs, targets = batches.at(3)
    assert (targets == inputs + 1).all()
    again = training.Batches(np.arange(1000, dtype=np.int32), 10, 7, 3, place)
    assert again.at(3)[0].equal(inputs)


def environment(place: Any) -> dict[str, str]:
    return {
        **os.environ,
        "BRUK_RUN_ID": "run-1",
        "BRUK_CHECKPOINT_DIR": str(place.checkpoint_dir),
        "BRUK_DATA_DIR": str(place.data_dir),
        "BRUK_OUTPUT_DIR": str(place.output_dir),
        "BRUK_PROGRESS_FILE": str(place.progress_file),
        "OMP_NUM_THREADS": "1",
    }


@pytest.mark.slow
def test_sigterm_ends_the_process_with_143_and_the_next_attempt_resumes(make_run: Any) -> None:
    config, place = make_run("run", steps=100_000, checkpoint_steps=100_000)
    command = [sys.executable, "-m", "bruk.recipes.pretrain", str(config)]
    running = subprocess.Popen(command, env=environment(place), stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    for line in running.stdout:
        if "train: step=3 " in line:
            break
    running.send_signal(signal.SIGTERM)
    running.stdout.read()
    assert running.wait(60) == 143
    (saved,) = place.checkpoint_dir.glob("step-*.ckpt")
    step = int(saved.stem.removeprefix("step-"))
    assert step >= 3

    values = json.loads(config.read_text())
    config.write_text(json.dumps({**values, "steps": step + 2}))
    ended = subprocess.run(command, env=environment(place), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert f"resumed_from_step={step}" in ended.stdout
    assert record(place)["resumed_from_step"] == [step]


@pytest.mark.slow
def test_two_processes_under_torchrun_train_one_model(make_run: Any, progress_lines: Any) -> None:
    config, place = make_run("run", steps=6)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0",
        "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0",
        "-m", "bruk.recipes.pretrain", str(config),
    ]  # fmt: skip
    ended = subprocess.run(command, env=environment(place), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    done = record(place)
    assert (done["processes"], done["steps"], done["tokens"]) == (2, 6, 6 * 2 * 2 * 32)
    assert [line["step"] for line in progress_lines(place) if line["phase"] == "train"] == list(range(1, 7))


@pytest.mark.slow
def test_sigterm_under_torchrun_leaves_a_checkpoint_that_two_processes_resume(
    make_run: Any, progress_lines: Any
) -> None:
    config, place = make_run("run", steps=100_000, checkpoint_steps=100_000)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0",
        "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0",
        "-m", "bruk.recipes.pretrain", str(config),
    ]  # fmt: skip
    running = subprocess.Popen(command, env=environment(place), stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    for line in running.stdout:
        if "train: step=3 " in line:
            break
    running.send_signal(signal.SIGTERM)
    running.stdout.read()
    # torchrun ends with a status of its own, so that the checkpoint is what counts.
    assert running.wait(60) != 0
    (saved,) = place.checkpoint_dir.glob("step-*.ckpt")
    step = int(saved.stem.removeprefix("step-"))
    assert step >= 3

    values = json.loads(config.read_text())
    config.write_text(json.dumps({**values, "steps": step + 2}))
    ended = subprocess.run(command, env=environment(place), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert record(place)["resumed_from_step"] == [step]
