"""Whom a verifier trusts: pinned public keys, each for a stretch of a chain and of time.

Keys are rotated; what an old one signed while it was in use stays valid, what it signs afterwards does not. A
ring is handed to auditors once, over a way they trust. It never learns a key from what it is to verify but by
a hand-over statement that a key it trusts has signed; see `following`. Look next at `handover`, `signed`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bruk.model.jsontext import parse_json
from bruk.seal.errors import DocumentMalformed, HandoverForked, KeyUnknown
from bruk.seal.handover import Handover
from bruk.seal.keys import PublicKey

_FIELDS = {"key", "chain", "from_seq", "to_seq", "until_ms", "handover"}


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A public key trusted for a stretch of a chain: `from_seq` to `to_seq`, both included.

    `chain` None means every chain, `to_seq` None means without end. A key that was rotated out keeps its
    entry with a `to_seq`, so that what it signed stays valid and what it signs later does not, and with the
    last time that what it signed may bear [ms since the epoch, UTC].
    """

    public_key: PublicKey
    chain: str | None = None
    from_seq: int = 0
    to_seq: int | None = None
    until_ms: int | None = None

    @property
    def retired(self) -> bool:
        """Whether its word counts only up to some entry or time."""
        return self.to_seq is not None or self.until_ms is not None

    def covers(self, chain: str, seq: int, at_ms: int | None = None) -> bool:
        """Whether this key may sign entry `seq` of `chain`, at this time if one is stated [ms]."""
        if self.chain is not None and self.chain != chain:
            return False
        in_time = self.until_ms is None or at_ms is None or at_ms <= self.until_ms
        return self.from_seq <= seq and (self.to_seq is None or seq <= self.to_seq) and in_time


@dataclass(frozen=True, slots=True)
class Keyring:
    """The public keys a verifier trusts, and the statements by which one followed another."""

    keys: tuple[PinnedKey, ...]
    handovers: tuple[Handover, ...] = ()

    @classmethod
    def of(cls, keys: Iterable[PublicKey]) -> Keyring:
        """Return a ring that trusts these keys everywhere."""
        return cls(tuple(PinnedKey(key) for key in keys))

    def for_chain(self, key_id: str, chain: str, seq: int, at_ms: int | None = None) -> PublicKey:
        """Return the key with this id that may sign entry `seq` of `chain`, at this time [ms].

        :raises KeyUnknown: if the id is not pinned, or not there, or not then.
        """
        known = self.by_id(key_id)
        for pinned in self.keys:
            if pinned.public_key == known and pinned.covers(chain, seq, at_ms):
                return known
        raise KeyUnknown(
            f"Key {key_id} is pinned, but not for entry {seq} of chain {chain}"
            f"{'' if at_ms is None else f' at {at_ms} ms'}: it was not in use there, or was rotated out"
            " before.",
            key_id=key_id,
        )

    def current(self, key_id: str) -> PublicKey:
        """Return the key with this id that is in use without end, for what bears no place in a chain.

        :raises KeyUnknown: if the id is not pinned, or the key was rotated out: then nothing shows when
            it signed.
        """
        known = self.by_id(key_id)
        if any(pinned.public_key == known and not pinned.retired for pinned in self.keys):
            return known
        raise KeyUnknown(
            f"Key {key_id} was rotated out, and what it signed names no entry of a chain that would show"
            " when.",
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

    def following(self, handovers: Iterable[Handover]) -> Keyring:
        """Return the ring after following every statement that a key of it vouches for, from key to key.

        The old key's signature brings its successor, the new key's its predecessor; the old key's word
        counts from then on only as far as the statement says. Statements of strangers are left aside.

        :raises HandoverForked: if one key handed over twice, or two keys to the same one, differently.
        :raises SignatureInvalid, DocumentMalformed: if a statement about a key of the ring does not hold.
        """
        ring = self
        waiting = [item for item in dict.fromkeys(handovers) if item not in self.handovers]
        while True:
            trusted = {pinned.public_key for pinned in ring.keys}
            due = [item for item in waiting if item.old_key in trusted or item.new_key in trusted]
            if not due:
                return ring
            for item in due:
                waiting.remove(item)
                item.check()
                ring = ring._with(item)

    def _with(self, item: Handover) -> Keyring:
        before = next((known for known in self.handovers if known.new_key == item.old_key), None)
        after = next((known for known in self.handovers if known.old_key == item.new_key), None)
        rivals = [known for known in self.handovers if item.old_key == known.old_key]
        rivals += [known for known in self.handovers if item.new_key == known.new_key]
        if rivals or (before is not None and item.previous != before.digest):
            raise HandoverForked(
                f"Key {item.old_key.key_id} and key {item.new_key.key_id}: two hand-over statements"
                " contradict each other: somebody else held one of the keys. Ask the operator.",
                key_id=item.old_key.key_id,
            )
        mine = [pinned for pinned in self.keys if pinned.public_key == item.old_key]
        if self._holds(item.new_key):
            # Whoever was rotated out has no say any more, also not on who came before.
            vouched = item.digest == after.previous if after is not None else self._in_use(item.new_key)
        else:
            vouched = self._in_use(item.old_key)
        if not vouched:
            return self
        others = [pinned for pinned in self.keys if pinned.public_key != item.old_key]
        if not self._holds(item.new_key):
            others.append(PinnedKey(item.new_key))
        bounded = [
            PinnedKey(item.old_key, head.chain, 0, head.seq, item.until_ms) for head in item.until_heads
        ]
        # What was pinned with an end keeps it.
        kept = [pinned for pinned in mine if pinned.retired]
        return replace(self, keys=(*(kept or bounded), *others), handovers=(*self.handovers, item))

    def _in_use(self, key: PublicKey) -> bool:
        return any(pinned.public_key == key and not pinned.retired for pinned in self.keys)

    def _holds(self, key: PublicKey) -> bool:
        return any(pinned.public_key == key for pinned in self.keys)

    def document(self) -> list[dict[str, Any]]:
        """Return the ring as JSON, to be handed to auditors once over a trusted way.

        The statement by which a key followed another stands with the first entry of that key.
        """
        told: set[PublicKey] = set()
        found = []
        for pinned in self.keys:
            came_by = [item for item in self.handovers if item.new_key == pinned.public_key]
            first = pinned.public_key not in told
            told.add(pinned.public_key)
            found.append(
                {
                    "key": pinned.public_key.text,
                    "chain": pinned.chain,
                    "from_seq": pinned.from_seq,
                    "to_seq": pinned.to_seq,
                    "until_ms": pinned.until_ms,
                    "handover": came_by[0].document() if came_by and first else None,
                }
            )
        return found

    @classmethod
    def from_document(cls, document: Any) -> Keyring:
        """Return the ring that `document()` wrote; a bare string is a key trusted everywhere.

        :raises DocumentMalformed: if it is no such list.
        :raises KeyFileMalformed: if a key's text cannot be read.
        """
        if not isinstance(document, list):
            raise DocumentMalformed("A keyring is a list of keys.")
        statements = [
            item["handover"] for item in document if isinstance(item, dict) and item.get("handover")
        ]
        return cls(
            tuple(_pinned_from(item) for item in document),
            tuple(Handover.from_document(item) for item in statements),
        )

    @classmethod
    def from_file(cls, path: Path) -> Keyring:
        """Return the ring in a file that holds what `document()` wrote, as JSON.

        :raises DocumentMalformed: if it is missing or is no such list.
        """
        try:
            return cls.from_document(parse_json(path.read_bytes()))
        except (OSError, ValueError) as error:
            raise DocumentMalformed(f"{path} cannot be read as a list of public keys: {error}") from error


def _pinned_from(item: Any) -> PinnedKey:
    if isinstance(item, str):
        return PinnedKey(PublicKey.from_text(item))
    if not isinstance(item, dict) or not isinstance(item.get("key"), str):
        raise DocumentMalformed("Each key of a keyring is a text, or an object with the field key.")
    if set(item) - _FIELDS:
        raise DocumentMalformed(f"A pinned key has the fields {', '.join(sorted(_FIELDS))} only.")
    chain, from_seq = item.get("chain"), item.get("from_seq", 0)
    if not (chain is None or isinstance(chain, str)) or type(from_seq) is not int:
        raise DocumentMalformed("A pinned key's chain is a string or null and its from_seq an integer.")
    ends = [item.get(name) for name in ("to_seq", "until_ms")]
    if not all(end is None or type(end) is int for end in ends):
        raise DocumentMalformed("A pinned key's to_seq and until_ms are integers or null.")
    return PinnedKey(PublicKey.from_text(item["key"]), chain, from_seq, *ends)
