"""What a model is measured against, in bits per byte of the very same files.

Uniform bytes; an order-2 byte model fitted on the training text; gzip -9 and xz -9, each file by
itself and all files in one stream. This module must never import PyTorch.
"""

import gzip
import lzma
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BYTES = 256
# Weight of the shorter context's prediction, in observations [1].
PRIOR_STRENGTH = 4.0
ORDER2_METHOD = (
    "order-2 byte model: P(c|ab) = (n(abc) + k P(c|b)) / (n(ab) + k), the same from P(c|b) to "
    f"P(c) = (n(c) + 1) / (n + 256), k = {PRIOR_STRENGTH} (Dirichlet prior, MacKay and Peto 1995); "
    "each file begins after two zero bytes"
)
GZIP_METHOD = "gzip -9 without name and time; sizes include headers"
XZ_METHOD = "xz -9 with CRC64; sizes include headers"


@dataclass(frozen=True)
class Compressed:
    """Size of the files under one compressor [bits per byte]."""

    per_file: float
    one_stream: float


def order2_bits(train: Sequence[bytes], heldout: Sequence[bytes]) -> float:
    """Total code length of the held-out files under the order-2 byte model [bit].

    Parameters
    ----------
    train:
        Files the model is fitted on.
    heldout:
        Files that are scored.
    """
    a, b, c = _triples(train)
    n_c = np.bincount(c, minlength=BYTES)
    n_b = np.bincount(b, minlength=BYTES)
    n_bc = np.bincount(b * BYTES + c, minlength=BYTES**2)
    n_ab = np.bincount(a * BYTES + b, minlength=BYTES**2)
    n_abc = np.bincount((a * BYTES + b) * BYTES + c, minlength=BYTES**3)

    x, y, z = _triples(heldout)
    k = PRIOR_STRENGTH
    p_0 = (n_c[z] + 1) / (len(c) + BYTES)
    p_1 = (n_bc[y * BYTES + z] + k * p_0) / (n_b[y] + k)
    p_2 = (n_abc[(x * BYTES + y) * BYTES + z] + k * p_1) / (n_ab[x * BYTES + y] + k)
    return float(-np.log2(p_2).sum())


Bytes = npt.NDArray[np.int32]


def _triples(files: Sequence[bytes]) -> tuple[Bytes, Bytes, Bytes]:
    """Return every byte with the two before it; no context reaches across files."""
    parts: tuple[list[Bytes], list[Bytes], list[Bytes]] = ([], [], [])
    for content in files:
        padded = np.frombuffer(b"\0\0" + content, dtype=np.uint8).astype(np.int32)
        for part, start in zip(parts, (0, 1, 2), strict=True):
            part.append(padded[start : len(padded) - 2 + start])
    first, second, third = (np.concatenate(part) if part else np.empty(0, dtype=np.int32) for part in parts)
    return first, second, third


def gzip_bits_per_byte(files: Sequence[bytes]) -> Compressed:
    """Bits per byte under ``gzip -9``."""
    return _compressed(files, lambda content: gzip.compress(content, 9, mtime=0))


def xz_bits_per_byte(files: Sequence[bytes]) -> Compressed:
    """Bits per byte under ``xz -9``."""
    return _compressed(files, lambda content: lzma.compress(content, preset=9))


def _compressed(files: Sequence[bytes], compress: Callable[[bytes], bytes]) -> Compressed:
    total = sum(len(content) for content in files)
    assert total > 0, "there are files to compress"
    return Compressed(
        per_file=8 * sum(len(compress(content)) for content in files) / total,
        one_stream=8 * len(compress(b"".join(files))) / total,
    )
