"""Pre-trains a small decoder: ``python -m bruk.recipes.pretrain config.json``.

Reads the input ``corpus``, trains a byte-level BPE and a Mistral-architecture decoder, and leaves
``model`` (safetensors, tokenizer, ``training.json``) in the output folder. Runs on the CPU, on one
GPU, or on several processes under torchrun. SIGTERM writes a checkpoint and ends with status 143;
the next attempt goes on from the last whole checkpoint, with the same data in the same order.

It must never read held-out text: only :mod:`bruk.recipes.evaluate` does.
Look next at :mod:`bruk.recipes.training`, which holds the loop.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .run import Place, Progress, RecipeError, run_recipe
from .settings import PretrainConfig, read_pretrain_config

COMPUTE_METHOD = "architecture: 6 x parameters x tokens"
COMPUTE_SOURCE = (
    "European Commission, guidelines on the obligations for providers of general-purpose AI models "
    "under Regulation (EU) 2024/1689, annex on training compute"
)


def write_model(output: Path, trained: Any, config: PretrainConfig, corpus_digest: str) -> None:
    """Write the model's folder beside its place and rename it, so that it is whole or not there."""
    import shutil

    from transformers import GenerationConfig

    from .vocabulary import save_tokenizer

    output.mkdir(parents=True, exist_ok=True)
    aside, target = output / ".model.tmp", output / "model"
    shutil.rmtree(aside, ignore_errors=True)
    model = trained.model
    model.config.use_cache = True
    model.generation_config = GenerationConfig(
        bos_token_id=model.config.bos_token_id,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
        do_sample=True,
        temperature=0.8,
        top_p=0.95,
    )
    model.save_pretrained(aside, safe_serialization=True)
    save_tokenizer(trained.tokenizer, aside, config.decoder.context)
    record = json.dumps(training_record(trained, corpus_digest), indent=2)
    (aside / "training.json").write_text(record + "\n", encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    aside.replace(target)


def training_record(trained: Any, corpus_digest: str) -> dict[str, Any]:
    """Return what is known of a training, for the model's record; FLOP by 6 P D."""
    parameters = sum(parameter.numel() for parameter in trained.model.parameters())
    return {
        "steps": trained.step,
        "tokens": trained.tokens,
        "parameters": parameters,
        "seconds": round(trained.elapsed_s, 3),
        "flop": 6 * parameters * trained.tokens,
        "flop_method": COMPUTE_METHOD,
        "flop_source": COMPUTE_SOURCE,
        "loss_first": trained.loss_first,
        "loss_last": trained.loss_last,
        "resumed_from_step": trained.resumed_from_step,
        "corpus_digest": corpus_digest,
        "processes": trained.world_size,
        "device": trained.device_name,
        "software": {
            "python": sys.version.split()[0],
            **{name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy")},
        },
    }


def pretrain(config_file: Path, place: Place) -> None:
    """Do the whole of the recipe.

    Raises
    ------
    RecipeError
        When configuration or corpus cannot be worked with.
    Interrupted
        When SIGTERM came; the checkpoint is written.
    """
    config = read_pretrain_config(config_file)
    started = time.monotonic()
    from .texts import read_corpus

    corpus = read_corpus(place.input(config.corpus), config.text_field, config.heldout_percent)
    progress = Progress(place)
    progress.write(
        "read",
        elapsed_s=round(time.monotonic() - started, 3),
        documents=len(corpus.train),
        bytes=sum(document.size_bytes for document in corpus.train),
        left_out_files=corpus.left_out_files,
    )
    # PyTorch is imported only now, so that bad input is told at once.
    from .training import train

    trained = train(config, corpus, place, progress)
    if place.rank == 0:
        try:
            write_model(place.output_dir, trained, config, corpus.digest)
        except OSError as error:
            raise RecipeError(
                f"cannot write the model to {place.output_dir}: {error}; the last checkpoint "
                "stands, so a new attempt only has to write it again"
            ) from error
        progress.write("done", step=trained.step, steps=trained.step, loss=trained.loss_last)
    trained.close()


if __name__ == "__main__":
    sys.exit(run_recipe("pretrain", pretrain))
