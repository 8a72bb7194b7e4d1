"""Hash chains: entries of which each names the hash of the one before.

Entry n of a chain has `seq` n (the first is 1), `prev`, the hash of entry n - 1, a `body`, and

    hash = SHA-256(canonical({"chain": name, "seq": n, "prev": prev, "body": body}))

The first entry's `prev` is 64 zeros. The chain's name is inside every hash, so that an entry of the audit
chain can never stand in the ledger chain.

This module must never sign, store or read files. A chain alone proves only that nothing inside it was
changed; that its tail is whole is proved by a `Checkpoint` (see `signed`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bruk.seal.canonical import digest
from bruk.seal.errors import ChainBroken, DocumentMalformed

GENESIS_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands: its name, the number of its last entry (0 when empty) and that entry's hash."""

    chain: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a chain; `hash` covers the chain's name and every other field."""

    chain: str
    seq: int
    prev: str
    hash: str
    body: Mapping[str, Any]

    @property
    def head(self) -> Head:
        """The chain's head once this entry is its last."""
        return Head(self.chain, self.seq, self.hash)

    def document(self) -> dict[str, Any]:
        """Return the entry as it stands in an export line; the chain's name stands in the export's header."""
        return {"seq": self.seq, "prev": self.prev, "hash": self.hash, "body": self.body}

    @classmethod
    def from_document(cls, chain: str, document: Any) -> Entry:
        """Return the entry that `document` describes, without checking its hash (see `check_next`).

        :raises DocumentMalformed: if fields are missing, superfluous or of the wrong type.
        """
        if not isinstance(document, dict) or set(document) != {"seq", "prev", "hash", "body"}:
            raise DocumentMalformed("An entry has exactly the fields seq, prev, hash and body.")
        seq, prev, hash_, body = document["seq"], document["prev"], document["hash"], document["body"]
        if type(seq) is not int or not isinstance(prev, str) or not isinstance(hash_, str):
            raise DocumentMalformed("An entry's seq is an integer, its prev and hash are strings.")
        if not isinstance(body, dict):
            raise DocumentMalformed("An entry's body is an object.")
        return cls(chain, seq, prev, hash_, body)


def empty_head(chain: str) -> Head:
    """Return the head of a chain that has no entries yet."""
    assert chain, "a chain has a name"
    return Head(chain, 0, GENESIS_HASH)


def extend(head: Head, body: Mapping[str, Any]) -> Entry:
    """Return the entry with this body that follows `head`.

    :raises NotCanonical: if the body has no canonical form (see `canonical`).
    """
    seq = head.seq + 1
    return Entry(head.chain, seq, head.hash, _entry_hash(head.chain, seq, head.hash, body), body)


def check_next(head: Head, entry: Entry) -> Head:
    """Check that `entry` follows `head` and return the new head.

    :raises ChainBroken: naming the entry, if its number, its `prev` or its hash does not fit.
    """
    name, due = head.chain, head.seq + 1
    if entry.chain != name:
        raise ChainBroken(
            f"Entry {entry.seq} belongs to chain {entry.chain}, not {name}.", chain=name, seq=due
        )
    if entry.seq != due:
        raise ChainBroken(
            f"Entry {due} was due here, but entry {entry.seq} stands in its place.", chain=name, seq=due
        )
    if entry.prev != head.hash:
        raise ChainBroken(f"Entry {due} does not name the hash of the entry before it.", chain=name, seq=due)
    if entry.hash != _entry_hash(name, entry.seq, entry.prev, entry.body):
        raise ChainBroken(f"Entry {due} was changed: its hash does not fit its content.", chain=name, seq=due)
    return entry.head


def _entry_hash(chain: str, seq: int, prev: str, body: Mapping[str, Any]) -> str:
    return digest({"chain": chain, "seq": seq, "prev": prev, "body": body})
