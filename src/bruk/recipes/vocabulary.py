"""A byte-level BPE tokenizer trained in the job, saved as one that transformers loads.

Any byte sequence can be encoded and decoded without loss: there is no unknown token. Text that
looks like a special token is encoded as plain text in training and evaluation.

Look next at :mod:`bruk.recipes.decoder`, the model that reads these tokens.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from .texts import Document

BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
SPECIAL_TOKENS = (BEGIN, END, PAD)
BYTE_ALPHABET_SIZE = 256

# A base model has learned no dialogue. The roles are written out as plain lines, so that a chat
# request is one deterministic text that the model continues.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ message['content'] }}\n"
    "{% else %}# {{ message['role'] }}: {{ message['content'] }}\n{% endif %}"
    "{% endfor %}"
)

Tokens = npt.NDArray[np.int32]


def train_tokenizer(documents: Sequence[Document], vocabulary_size: int, sample_bytes: int) -> Tokenizer:
    """Train a byte-level BPE on an even sample of the documents.

    Parameters
    ----------
    documents:
        Training texts.
    vocabulary_size:
        Number of tokens, the special ones and the 256 bytes included.
    sample_bytes:
        Upper bound of the text looked at [bytes]; every n-th document is taken.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sample(documents, sample_bytes), trainer=trainer)
    begin = tokenizer.token_to_id(BEGIN)
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, begin)]),
        ]
    )
    return tokenizer


def _sample(documents: Sequence[Document], sample_bytes: int) -> Iterator[str]:
    total = sum(document.size_bytes for document in documents)
    every = max(1, round(total / sample_bytes))
    taken = 0
    for document in documents[::every] if len(documents) >= every else documents:
        # One huge document must not defeat the bound.
        yield document.text[: max(1, sample_bytes - taken)]
        taken += document.size_bytes
        if taken >= sample_bytes:
            return


def special_ids(tokenizer: Tokenizer) -> tuple[int, int, int]:
    """Return the numbers of the tokens that begin a text, end it, and pad."""
    ids = tuple(tokenizer.token_to_id(token) for token in SPECIAL_TOKENS)
    assert None not in ids, "the tokenizer has the special tokens it was trained with"
    return cast(tuple[int, int, int], ids)


def encode(tokenizer: Tokenizer, documents: Sequence[Document], begin: int, end: int) -> list[Tokens]:
    """Encode each document as ``[begin, ..., end]``; special tokens in the text stay text."""
    tokenizer.encode_special_tokens = True
    try:
        encoded = tokenizer.encode_batch_fast(
            [document.text for document in documents], add_special_tokens=False
        )
        return [np.asarray([begin, *item.ids, end], dtype=np.int32) for item in encoded]
    finally:
        tokenizer.encode_special_tokens = False


def save_tokenizer(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    """Save a tokenizer in the form that ``transformers.AutoTokenizer`` loads.

    Parameters
    ----------
    tokenizer:
        The trained tokenizer.
    folder:
        The model's folder.
    context:
        Longest text the model was trained on [tokens].
    """
    from transformers import PreTrainedTokenizerFast

    fast: Any = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
