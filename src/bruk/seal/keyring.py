"""Whom a verifier trusts: pinned public keys, each for a stretch of a chain.

Keys are rotated; what an old one signed while it was in use stays valid, what it signs afterwards does not. A
ring is handed to auditors once, over a way they trust. This module must never learn a key from what it is to
verify. Look next at `signed`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bruk.seal.errors import DocumentMalformed, KeyUnknown
from bruk.seal.keys import PublicKey


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A public key trusted for a stretch of a chain: `from_seq` to `to_seq`, both included.

    `chain` None means every chain, `to_seq` None means without end. A key that was rotated out keeps its
    entry with a `to_seq`, so that what it signed stays valid and what it signs later does not.
    """

    public_key: PublicKey
    chain: str | None = None
    from_seq: int = 0
    to_seq: int | None = None

    def covers(self, chain: str, seq: int) -> bool:
        """Whether this key may sign entry `seq` of `chain`."""
        if self.chain is not None and self.chain != chain:
            return False
        return self.from_seq <= seq and (self.to_seq is None or seq <= self.to_seq)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The public keys a verifier trusts."""

    keys: tuple[PinnedKey, ...]

    @classmethod
    def of(cls, keys: Iterable[PublicKey]) -> Keyring:
        """Return a ring that trusts these keys everywhere."""
        return cls(tuple(PinnedKey(key) for key in keys))

    def for_chain(self, key_id: str, chain: str, seq: int) -> PublicKey:
        """Return the key with this id that may sign entry `seq` of `chain`.

        :raises KeyUnknown: if the id is not pinned, or not there.
        """
        known = self.by_id(key_id)
        for pinned in self.keys:
            if pinned.public_key == known and pinned.covers(chain, seq):
                return known
        raise KeyUnknown(
            f"Key {key_id} is pinned, but not for entry {seq} of chain {chain}: it was not in use there.",
            key_id=key_id,
        )

    def by_id(self, key_id: str) -> PublicKey:
        """Return the key with this id, whatever stretch it is trusted for.

        :raises KeyUnknown: if it is not pinned.
        """
        for pinned in self.keys:
            if pinned.public_key.key_id == key_id:
                return pinned.public_key
        raise KeyUnknown(
            f"Key {key_id} is not among the pinned keys. Whoever signed this is not the one you trust, or"
            " a key is"
            " missing from your list.",
            key_id=key_id,
        )

    def document(self) -> list[dict[str, Any]]:
        """Return the ring as JSON, to be handed to auditors once over a trusted way."""
        return [
            {"key": key.public_key.text, "chain": key.chain, "from_seq": key.from_seq, "to_seq": key.to_seq}
            for key in self.keys
        ]

    @classmethod
    def from_document(cls, document: Any) -> Keyring:
        """Return the ring that `document()` wrote; a bare string is a key trusted everywhere.

        :raises DocumentMalformed: if it is no such list.
        :raises KeyFileMalformed: if a key's text cannot be read.
        """
        if not isinstance(document, list):
            raise DocumentMalformed("A keyring is a list of keys.")
        return cls(tuple(_pinned_from(item) for item in document))


def _pinned_from(item: Any) -> PinnedKey:
    if isinstance(item, str):
        return PinnedKey(PublicKey.from_text(item))
    if not isinstance(item, dict) or not isinstance(item.get("key"), str):
        raise DocumentMalformed("Each key of a keyring is a text, or an object with the field key.")
    if set(item) - {"key", "chain", "from_seq", "to_seq"}:
        raise DocumentMalformed("A pinned key has the fields key, chain, from_seq and to_seq only.")
    chain, from_seq, to_seq = item.get("chain"), item.get("from_seq", 0), item.get("to_seq")
    if not (chain is None or isinstance(chain, str)) or type(from_seq) is not int:
        raise DocumentMalformed("A pinned key's chain is a string or null and its from_seq an integer.")
    if not (to_seq is None or type(to_seq) is int):
        raise DocumentMalformed("A pinned key's to_seq is an integer or null.")
    return PinnedKey(PublicKey.from_text(item["key"]), chain, from_seq, to_seq)
