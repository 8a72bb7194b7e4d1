import gzip
import lzma
import math
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from bruk.recipes.baselines import PRIOR_STRENGTH, gzip_bits_per_byte, order2_bits, xz_bits_per_byte

TRAIN = [b"abracadabra abracadabra", b"to be or not to be", bytes(range(256))]
HELDOUT = [b"abra kadabra", b"to abracadabra \xff\x00", b"x"]


def order2_by_counting(train: list[bytes], heldout: list[bytes]) -> float:
    """The same model written plainly, one byte at a time."""
    counts: list[Counter[bytes]] = [Counter() for _ in range(3)]
    contexts: list[Counter[bytes]] = [Counter() for _ in range(3)]
    for content in train:
        padded = b"\0\0" + content
        for at in range(2, len(padded)):
            for order in range(3):
                counts[order][padded[at - order : at + 1]] += 1
                contexts[order][padded[at - order : at]] += 1
    bits = 0.0
    for content in heldout:
        padded = b"\0\0" + content
        for at in range(2, len(padded)):
            p = (counts[0][padded[at : at + 1]] + 1) / (contexts[0][b""] + 256)
            for order in (1, 2):
                n, total = (
                    counts[order][padded[at - order : at + 1]],
                    contexts[order][padded[at - order : at]],
                )
                p = (n + PRIOR_STRENGTH * p) / (total + PRIOR_STRENGTH)
            bits -= math.log2(p)
    return bits


def test_the_order_2_model_agrees_with_a_plain_count() -> None:
    assert order2_bits(TRAIN, HELDOUT) == pytest.approx(order2_by_counting(TRAIN, HELDOUT), rel=1e-12)


def test_an_unfitted_order_2_model_knows_nothing() -> None:
    assert order2_bits([], [b"abc"]) == pytest.approx(24.0)


def test_the_probabilities_of_every_next_byte_add_up_to_one() -> None:
    context = b"ab"
    before = order2_bits(TRAIN, [context])
    total = sum(2 ** (before - order2_bits(TRAIN, [context + bytes([c])])) for c in range(256))
    assert total == pytest.approx(1.0)


def test_compressors_are_measured_per_file_and_in_one_stream() -> None:
    size = sum(map(len, HELDOUT))
    packed = gzip_bits_per_byte(HELDOUT)
    assert packed.per_file == 8 * sum(len(gzip.compress(c, 9)) for c in HELDOUT) / size
    xzed = xz_bits_per_byte(HELDOUT)
    assert xzed.one_stream == 8 * len(lzma.compress(b"".join(HELDOUT), preset=9)) / size
    assert packed.one_stream < packed.per_file


@pytest.mark.parametrize("program", ["gzip", "xz"])
def test_sizes_are_those_of_the_programs(tmp_path: Path, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    content = Path(__file__).read_bytes() * 3
    flags = ["-9", "-n"] if program == "gzip" else ["-9"]
    packed = subprocess.run([program, *flags], input=content, capture_output=True, check=True).stdout
    measure = gzip_bits_per_byte if program == "gzip" else xz_bits_per_byte
    assert measure([content]).per_file == pytest.approx(8 * len(packed) / len(content), rel=0.005)
