"""Scores texts under a causal language model: the exact code length of each, window by window.

A text is ``[begin, tokens, end]``; every token after the first is scored, the end included, so
that the lengths are those of a real code for the file. The first window scores all of its tokens;
each window after it slides on by the stride and scores only what is new, with at least
``window - stride`` tokens of context.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .vocabulary import Tokens

IGNORED = -100


@dataclass(frozen=True)
class Windows:
    """Windows that score the same last positions: inputs and targets [count, window]."""

    inputs: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    scored_positions: int


def cut(texts: Sequence[Tokens], window: int, stride: int) -> tuple[Windows, Windows]:
    """Cut texts into first windows and the sliding windows after them.

    Parameters
    ----------
    texts:
        Token sequences, each with its begin and end.
    window:
        Length of a window [tokens].
    stride:
        New tokens of each window after the first [tokens], at most ``window``.
    """
    assert 1 <= stride <= window, "a window moves on, and leaves nothing out"
    first: list[tuple[Tokens, Tokens]] = []
    later: list[tuple[Tokens, Tokens]] = []
    for text in texts:
        length = len(text) - 1
        first.append(_window(text, 0, 0, window))
        scored = min(window, length)
        while scored < length:
            end = min(scored + stride, length)
            later.append(_window(text, end - window, scored, window))
            scored = end
    return _stack(first, window, window), _stack(later, window, stride)


def _window(text: Tokens, start: int, scored: int, window: int) -> tuple[Tokens, Tokens]:
    """Return inputs and targets of a window at ``start`` whose targets before ``scored`` are ignored."""
    inputs = np.zeros(window, dtype=np.int32)
    targets = np.full(window, IGNORED, dtype=np.int32)
    tokens = text[start : start + window + 1]
    inputs[: len(tokens) - 1] = tokens[:-1]
    targets[: len(tokens) - 1] = tokens[1:]
    targets[: scored - start] = IGNORED
    return inputs, targets


def _stack(rows: list[tuple[Tokens, Tokens]], window: int, scored_positions: int) -> Windows:
    shape = (len(rows), window)
    inputs = np.array([row[0] for row in rows], dtype=np.int64).reshape(shape)
    targets = np.array([row[1] for row in rows], dtype=np.int64).reshape(shape)
    return Windows(inputs, targets, scored_positions)


def total_bits(model: Any, texts: Sequence[Tokens], window: int, stride: int, batch: int) -> float:
    """Total code length of the texts under the model [bit].

    Parameters
    ----------
    model:
        A causal language model of transformers, in evaluation mode.
    texts:
        Token sequences, each with its begin and end.
    window, stride:
        Length of a window and of its move [tokens].
    batch:
        Windows computed together.
    """
    nats = 0.0
    with torch.inference_mode():
        for windows in cut(texts, window, stride):
            for inputs, targets in _batches(windows, batch, model.device):
                kept = windows.scored_positions
                logits = model(input_ids=inputs, use_cache=False, logits_to_keep=kept).logits
                nats += float(
                    torch.nn.functional.cross_entropy(
                        logits.float().flatten(0, 1),
                        targets[:, -kept:].flatten(),
                        ignore_index=IGNORED,
                        reduction="none",
                    )
                    .double()
                    .sum()
                )
    return nats / math.log(2)


def _batches(
    windows: Windows, batch: int, device: torch.device
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for start in range(0, len(windows.inputs), batch):
        rows = slice(start, start + batch)
        yield (
            torch.from_numpy(windows.inputs[rows]).to(device),
            torch.from_numpy(windows.targets[rows]).to(device),
        )
