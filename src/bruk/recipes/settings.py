"""The configuration of :mod:`bruk.recipes.pretrain`: fields, defaults, presets.

This module must never import PyTorch, so that a bad configuration is told at once.
"""

from dataclasses import dataclass, field
from pathlib import Path

from .run import read_config

PRESETS = Path(__file__).with_name("presets")


@dataclass(frozen=True)
class DecoderConfig:
    """Shape of the decoder; see ``transformers.MistralConfig``."""

    vocabulary: int = 4096
    layers: int = 3
    width: int = 192
    heads: int = 6
    key_value_heads: int = 6
    mlp_width: int = 512
    context: int = 256
    tied_embeddings: bool = True

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "key_value_heads", "mlp_width", "context"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.vocabulary < 256 + 3:
            raise ValueError("vocabulary must be at least 259: every byte and 3 special tokens")
        if self.width % (2 * self.heads):
            raise ValueError("width must be an even multiple of heads, as rotary positions need")
        if self.heads % self.key_value_heads:
            raise ValueError("heads must be a multiple of key_value_heads")


@dataclass(frozen=True)
class PretrainConfig:
    """The configuration file of the recipe; every field has a default."""

    preset: str | None = None  # a file of the presets folder; other fields override it
    corpus: str = "corpus"  # name of the input
    text_field: str = "text"  # field of JSONL records or column of Parquet files
    heldout_percent: int = 10  # where the corpus has no train/ and heldout/ [%]
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    tokenizer_sample_bytes: int = 3_000_000  # text the tokenizer is trained on [bytes]
    steps: int | None = None  # budget in steps; at least one budget is needed
    seconds_max: float | None = None  # budget in training time over all attempts [s]
    batch: int = 8  # sequences a step and process
    muon_rate: float = 0.012  # of the layers' matrices
    embedding_rate: float = 0.03  # of embeddings and head, under AdamW
    norm_rate: float = 0.01  # of the norms, under AdamW
    warmup_steps: int = 20
    decay_share: float = 0.6  # share of the budget, at its end, in which the rate falls to zero
    checkpoint_steps: int = 50
    log_steps: int = 5
    seed: int = 0
    device: str = "auto"  # auto, cpu or cuda
    threads: int | None = None  # torch threads of a process on the CPU; torch's choice if null

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds_max is None:
            raise ValueError("give a budget: steps, seconds_max, or both")
        for name in ("batch", "checkpoint_steps", "log_steps", "tokenizer_sample_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.steps is not None and self.steps < 1:
            raise ValueError("steps must be at least 1")
        if self.seconds_max is not None and self.seconds_max <= 0:
            raise ValueError("seconds_max must be above 0")
        if not 0 <= self.decay_share <= 1:
            raise ValueError("decay_share must be from 0 to 1")
        if not 0 <= self.heldout_percent <= 90:
            raise ValueError("heldout_percent must be from 0 to 90")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError("device must be auto, cpu or cuda")


def read_pretrain_config(path: Path) -> PretrainConfig:
    """Read the configuration; fields that it does not give come from its preset, if it names one.

    Raises
    ------
    RecipeError
        When the configuration or its preset does not fit.
    """
    return read_config(path, PretrainConfig, presets=PRESETS)
