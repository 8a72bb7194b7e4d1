"""Hashing, chaining, signing and offline verification.

This room turns records into evidence: canonical bytes, hash chains, Ed25519 signatures, checkpoints of a
chain's head, signed documents, and exports that a stranger can verify with nothing but a file and a public
key.

It must never need a server, a database, a clock or the network: whoever calls it brings times and entries.
Look next at `canonical` for the bytes that are hashed, at `chain` for the entries, at `verify` for the
checks.
"""

from bruk.seal.canonical import canonical_bytes, digest, parse_canonical, sha256_hex
from bruk.seal.chain import GENESIS_HASH, Entry, Head, check_next, empty_head, extend
from bruk.seal.errors import (
    ChainBroken,
    DocumentMalformed,
    ExportUnreadable,
    HandoverForked,
    KeyFileExists,
    KeyFileMalformed,
    KeyFileMissing,
    KeyFileUnsafe,
    KeyUnknown,
    NotCanonical,
    SealError,
    SignatureInvalid,
)
from bruk.seal.export import write_export
from bruk.seal.handover import Handover, handovers_from
from bruk.seal.keyring import Keyring, PinnedKey
from bruk.seal.keys import PublicKey, SigningKey
from bruk.seal.report import Problem, Trust, VerifyReport
from bruk.seal.signed import Checkpoint, SignedDocument
from bruk.seal.verify import verify_document, verify_document_file, verify_export

__all__ = [
    "GENESIS_HASH",
    "ChainBroken",
    "Checkpoint",
    "DocumentMalformed",
    "Entry",
    "ExportUnreadable",
    "Handover",
    "HandoverForked",
    "Head",
    "KeyFileExists",
    "KeyFileMalformed",
    "KeyFileMissing",
    "KeyFileUnsafe",
    "KeyUnknown",
    "Keyring",
    "NotCanonical",
    "PinnedKey",
    "Problem",
    "PublicKey",
    "SealError",
    "SignatureInvalid",
    "SignedDocument",
    "SigningKey",
    "Trust",
    "VerifyReport",
    "canonical_bytes",
    "check_next",
    "digest",
    "empty_head",
    "extend",
    "handovers_from",
    "parse_canonical",
    "sha256_hex",
    "verify_document",
    "verify_document_file",
    "verify_export",
    "write_export",
]
