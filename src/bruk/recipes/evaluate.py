"""Measures a model on held-out text: ``python -m bruk.recipes.evaluate config.json``.

Reads the inputs ``model`` and ``corpus`` and writes ``evaluation.json`` into the output folder:
bits per byte of the model beside uniform bytes, an order-2 byte model, gzip and xz on the same
files, with methods, counts and digests. It judges nothing: the gate is the operator's.

Look next at :mod:`bruk.recipes.scoring` and :mod:`bruk.recipes.baselines`.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .baselines import (
    GZIP_METHOD,
    ORDER2_METHOD,
    XZ_METHOD,
    gzip_bits_per_byte,
    order2_bits,
    xz_bits_per_byte,
)
from .run import Place, Progress, RecipeError, read_config, run_recipe
from .texts import Corpus, Document, read_corpus
from .weights import check_model_folder, model_digest

WINDOW_MAX = 1024


@dataclass(frozen=True)
class EvaluateConfig:
    """The configuration file of the recipe; every field has a default."""

    model: str = "model"  # name of the input
    corpus: str = "corpus"  # name of the input
    text_field: str = "text"  # field of JSONL records or column of Parquet files
    heldout_percent: int = 10  # where the corpus has no train/ and heldout/ [%]
    heldout_bytes_max: int | None = None  # a stable choice of files up to this size [bytes]; all if null
    window: int | None = None  # [tokens]; the model's context, up to 1024, if null
    stride: int | None = None  # [tokens]; half a window if null
    batch: int = 16  # windows computed together
    device: str = "auto"  # auto, cpu or cuda
    threads: int | None = None  # torch threads on the CPU; torch's choice if null

    def __post_init__(self) -> None:
        for name in ("heldout_bytes_max", "window", "stride", "batch", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.window is not None and self.stride is not None and self.stride > self.window:
            raise ValueError("stride must not be above window, or tokens would be left out")
        if not 0 <= self.heldout_percent <= 90:
            raise ValueError("heldout_percent must be from 0 to 90")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError("device must be auto, cpu or cuda")


def chosen(documents: Sequence[Document], bytes_max: int | None) -> list[Document]:
    """Return all documents, or a stable choice of whole ones up to a size, in their order.

    Documents are taken in the order of the SHA-256 of their names, at least one.
    """
    if bytes_max is None:
        return list(documents)
    taken: set[str] = set()
    total = 0
    for document in sorted(documents, key=lambda d: hashlib.sha256(d.name.encode()).digest()):
        if taken and total + document.size_bytes > bytes_max:
            break
        taken.add(document.name)
        total += document.size_bytes
    return [document for document in documents if document.name in taken]


def baselines(corpus: Corpus, files: Sequence[bytes]) -> dict[str, Any]:
    """Return bits per byte of every baseline on the same files."""
    gzipped, xzed = gzip_bits_per_byte(files), xz_bits_per_byte(files)
    train = [document.text.encode("utf-8") for document in corpus.train]
    size = sum(len(content) for content in files)
    return {
        "uniform_bits_per_byte": 8.0,
        "order2_bits_per_byte": order2_bits(train, files) / size,
        "gzip_bits_per_byte": gzipped.per_file,
        "gzip_stream_bits_per_byte": gzipped.one_stream,
        "xz_bits_per_byte": xzed.per_file,
        "xz_stream_bits_per_byte": xzed.one_stream,
    }


def score(config: EvaluateConfig, folder: Path, documents: Sequence[Document]) -> dict[str, Any]:
    """Return the model's bits per byte of the documents, and how they were measured.

    Raises
    ------
    RecipeError
        When the model cannot be loaded or its tokenizer loses text.
    """
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from .scoring import total_bits
    from .vocabulary import encode

    logging.disable_progress_bar()
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.device == "cuda" and not torch.cuda.is_available():
        raise RecipeError("device is cuda, but PyTorch sees no such device here; use auto or cpu")
    device = "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"
    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, **safe)
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
    except (OSError, ValueError) as error:
        raise RecipeError(f"the model cannot be loaded: {error}") from error
    model.to(device).eval()

    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if begin is None or tokenizer.eos_token_id is None:
        raise RecipeError("the tokenizer names no token that ends a text; bits per byte need one")
    texts = encode(tokenizer.backend_tokenizer, documents, begin, tokenizer.eos_token_id)
    _check_round_trip(tokenizer.backend_tokenizer, texts, documents)
    window = config.window or min(WINDOW_MAX, int(model.config.max_position_embeddings))
    stride = min(config.stride or max(1, window // 2), window)
    bits = total_bits(model, texts, window, stride, config.batch)
    size = sum(document.size_bytes for document in documents)
    return {
        "bits_per_byte": bits / size,
        "bits_total": bits,
        "tokens_scored": sum(len(text) - 1 for text in texts),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "window_tokens": window,
        "stride_tokens": stride,
        "device": device,
    }


def _check_round_trip(tokenizer: Any, texts: Sequence[Any], documents: Sequence[Document]) -> None:
    """A code that loses text has no bits per byte to speak of."""
    decoded = tokenizer.decode_batch([text[1:-1].tolist() for text in texts], skip_special_tokens=False)
    for document, back in zip(documents, decoded, strict=True):
        if back != document.text:
            raise RecipeError(
                f"the model's tokenizer does not give back the text of {document.name}; "
                "bits per byte can only be measured with a tokenizer that loses nothing"
            )


def evaluate(config_file: Path, place: Place) -> None:
    """Do the whole of the recipe.

    Raises
    ------
    RecipeError
        When configuration, model or corpus cannot be worked with.
    """
    config = read_config(config_file, EvaluateConfig)
    started = time.monotonic()
    folder = check_model_folder(place.input(config.model))
    corpus = read_corpus(place.input(config.corpus), config.text_field, config.heldout_percent)
    documents = chosen(corpus.heldout, config.heldout_bytes_max)
    if not documents:
        raise RecipeError("the corpus has no held-out text; give it a heldout/ folder or more files")
    progress = Progress(place)
    files = [document.text.encode("utf-8") for document in documents]
    beside = baselines(corpus, files)
    progress.write("baselines", elapsed_s=round(time.monotonic() - started, 3))
    measured = score(config, folder, documents)
    progress.write(
        "score",
        elapsed_s=round(time.monotonic() - started, 3),
        bits_per_byte=round(measured["bits_per_byte"], 4),
    )
    seen = {document.text for document in corpus.train}
    record = {
        **measured,
        **beside,
        "heldout_files": len(documents),
        "heldout_files_in_corpus": len(corpus.heldout),
        "heldout_bytes": sum(len(content) for content in files),
        "heldout_files_also_in_training": sum(document.text in seen for document in documents),
        "train_files": len(corpus.train),
        "train_bytes": sum(document.size_bytes for document in corpus.train),
        "model_digest": model_digest(folder),
        "corpus_digest": corpus.digest,
        "methods": {
            "bits_per_byte": (
                "total negative log2 likelihood of all tokens of each file and of its end, divided by "
                "the UTF-8 bytes of the files; sliding windows, each file by itself"
            ),
            "uniform": "every byte costs 8 bits",
            "order2": ORDER2_METHOD,
            "gzip": GZIP_METHOD,
            "xz": XZ_METHOD,
            "heldout": "whole packages and files, by the folder heldout/ or a stable hash of names",
        },
        "software": {
            "python": sys.version.split()[0],
            **{name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy")},
        },
        "seconds": round(time.monotonic() - started, 3),
    }
    place.output_dir.mkdir(parents=True, exist_ok=True)
    aside = place.output_dir / ".evaluation.json.tmp"
    aside.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    aside.replace(place.output_dir / "evaluation.json")
    progress.write("done", elapsed_s=record["seconds"], bits_per_byte=round(record["bits_per_byte"], 4))


if __name__ == "__main__":
    sys.exit(run_recipe("evaluate", evaluate))
