"""A chain as a file that can be verified without us: JSON Lines, every line canonical.

Line 1 is the header `{export, chain, keys, handovers, exported_at_ms, count}`, `handovers` being the
statements by which the signing key followed those before it; then one line per entry
`{seq, prev, hash, body}`; the last line is a signed document of kind `chain_export` whose body holds the
checkpoint of the head and the SHA-256 of the header line. So every byte of the file is covered by a hash or a
signature.

This module must never sign a chain that does not hold together: it checks every entry while it writes.
Look next at `verify`, which reads these files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from bruk.seal.canonical import canonical_bytes, sha256_hex
from bruk.seal.chain import Entry, Head, check_next, empty_head
from bruk.seal.errors import ChainBroken, SealError
from bruk.seal.handover import Handover
from bruk.seal.keys import SigningKey
from bruk.seal.signed import Checkpoint, SignedDocument

EXPORT_VERSION = 2
EXPORT_KIND = "chain_export"
LINE_BYTES_MAX = 4 * 1024 * 1024


def write_export(
    path: Path,
    head: Head,
    entries: Iterable[Entry],
    key: SigningKey,
    at_ms: int,
    handovers: Sequence[Handover] = (),
) -> Checkpoint:
    """Write entries 1 to `head.seq` of a chain to a new file of mode 0600, and return the checkpoint that
    ends it.

    The file appears whole or not at all; a file of that name is replaced.

    :param entries: the chain's entries from the first on; read once, one at a time, and not beyond `head`.
    :param at_ms: the time of the export [ms since the epoch, UTC].
    :param handovers: the statements by which the signing key followed those before it.
    :raises ChainBroken: if the entries do not form the chain that ends in `head`.
    :raises SealError: if an entry's line would be longer than 4 MiB.
    :raises OSError: if the disk refuses; an older file of that name is left as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            checkpoint = _write(file, head, entries, key, at_ms, handovers)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return checkpoint


def _write(
    file: BinaryIO,
    head: Head,
    entries: Iterable[Entry],
    key: SigningKey,
    at_ms: int,
    handovers: Sequence[Handover],
) -> Checkpoint:
    header = canonical_bytes(
        {
            "export": EXPORT_VERSION,
            "chain": head.chain,
            "keys": [key.public_key.text],
            "handovers": [item.document() for item in handovers],
            "exported_at_ms": at_ms,
            "count": head.seq,
        }
    )
    file.write(header + b"\n")
    _write_entries(file, head, entries)
    checkpoint = Checkpoint.sign(head, at_ms, key)
    body = {"checkpoint": checkpoint.document(), "header_sha256": sha256_hex(header)}
    file.write(SignedDocument.sign(EXPORT_KIND, body, key).to_bytes())
    return checkpoint


def _write_entries(file: BinaryIO, head: Head, entries: Iterable[Entry]) -> None:
    reached = empty_head(head.chain)
    if head.seq > 0:
        for entry in entries:
            reached = check_next(reached, entry)
            line = canonical_bytes(entry.document())
            if len(line) >= LINE_BYTES_MAX:
                raise SealError(
                    f"Entry {entry.seq} of chain {head.chain} is longer than {LINE_BYTES_MAX} bytes."
                )
            file.write(line + b"\n")
            if reached.seq == head.seq:
                break
    if reached != head:
        raise ChainBroken(
            f"Chain {head.chain} does not end as stated: entry {reached.seq} was reached, entry"
            f" {head.seq} with another"
            " hash or number was to be exported. Nothing was signed.",
            chain=head.chain,
            seq=reached.seq,
        )
