"""Hand-over statements: an old signing key and the new one say together that the one follows the other.

Whoever trusts either key learns the other from it: the old key's signature says who comes next, the new
key's says whose records it answers for. The statement names the heads of the chains and the time up to
which the old key's word counts; when the key was compromised, that is a moment before the hand-over.

What it cannot show: that nobody else holds the old key. Whoever stole it can write a statement of their
own for whoever still trusts only the old key; two statements of one key contradict each other, and then
none of them is followed. Statements are chained (`previous`), so that whoever stole a key that was rotated
out cannot invent another key before it. This module must never decide whom to trust; `keyring` does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bruk.seal.canonical import canonical_bytes, digest
from bruk.seal.chain import Head
from bruk.seal.errors import DocumentMalformed
from bruk.seal.keys import PublicKey, SigningKey

_CONTEXT = b"bruk.handover.v1\x00"
_FIELDS = {
    "old_key",
    "new_key",
    "at_ms",
    "heads",
    "until_ms",
    "until_heads",
    "revoked",
    "previous",
    "old_signature",
    "new_signature",
}


@dataclass(frozen=True, slots=True)
class Handover:
    """That `new_key` signs from `at_ms` on, and how far what `old_key` signed is believed.

    `heads` are the chains' heads at `at_ms`. `until_ms` and `until_heads` are the last time [ms since the
    epoch, UTC] and the last heads for which the old key's word counts: the same, or those of an earlier
    moment when the old key is `revoked`. `previous` is the digest of the statement that brought the old key,
    empty for the first.
    """

    old_key: PublicKey
    new_key: PublicKey
    at_ms: int
    heads: tuple[Head, ...]
    until_ms: int
    until_heads: tuple[Head, ...]
    revoked: bool
    previous: str
    old_signature: str
    new_signature: str

    @property
    def digest(self) -> str:
        """The SHA-256 of the statement, by which the next one names it."""
        return digest(self._statement())

    @classmethod
    def sign(
        cls,
        old: SigningKey,
        new: SigningKey,
        at_ms: int,
        heads: Sequence[Head],
        *,
        previous: str = "",
        until_ms: int | None = None,
        until_heads: Sequence[Head] | None = None,
    ) -> Handover:
        """Return the statement, signed by both keys; with `until_ms` the old key is revoked."""
        revoked = until_ms is not None
        assert revoked == (until_heads is not None), "a revocation names a time and the heads of that time"
        unsigned = cls(
            old.public_key,
            new.public_key,
            at_ms,
            tuple(heads),
            at_ms if until_ms is None else until_ms,
            tuple(heads if until_heads is None else until_heads),
            revoked,
            previous,
            "",
            "",
        )
        message = unsigned._message()
        return replace(unsigned, old_signature=old.sign(message), new_signature=new.sign(message))

    def check(self) -> None:
        """Check that both keys signed it, and that it does not contradict itself.

        :raises SignatureInvalid: if a signature does not fit.
        :raises DocumentMalformed: if it hands over to the same key, or the old key's word would count for
            longer than the key was in use.
        """
        self.old_key.verify(self._message(), self.old_signature)
        self.new_key.verify(self._message(), self.new_signature)
        reached = {head.chain: head.seq for head in self.heads}
        believed = {head.chain: head.seq for head in self.until_heads}
        if (
            self.old_key == self.new_key
            or self.until_ms > self.at_ms
            or len(reached) != len(self.heads)
            or set(reached) != set(believed)
            or any(believed[chain] > seq for chain, seq in reached.items())
        ):
            raise DocumentMalformed("A hand-over statement contradicts itself.")

    def document(self) -> dict[str, Any]:
        """Return the statement as JSON, as it stands in keyrings and exports."""
        return {
            **self._statement(),
            "old_signature": self.old_signature,
            "new_signature": self.new_signature,
        }

    @classmethod
    def from_document(cls, document: Any) -> Handover:
        """Return the statement that `document()` wrote, without checking its signatures.

        :raises DocumentMalformed: if fields are missing, superfluous or of the wrong type.
        :raises KeyFileMalformed: if a key's text cannot be read.
        """
        if not isinstance(document, dict) or set(document) != _FIELDS:
            raise DocumentMalformed(
                f"A hand-over statement has exactly the fields {', '.join(sorted(_FIELDS))}."
            )
        texts = [
            document[name] for name in ("old_key", "new_key", "previous", "old_signature", "new_signature")
        ]
        times = [document[name] for name in ("at_ms", "until_ms")]
        if not all(isinstance(text, str) for text in texts) or not all(type(at) is int for at in times):
            raise DocumentMalformed(
                "A hand-over statement's keys and signatures are texts, its times integers."
            )
        if type(document["revoked"]) is not bool:
            raise DocumentMalformed("A hand-over statement's field revoked is true or false.")
        return cls(
            PublicKey.from_text(document["old_key"]),
            PublicKey.from_text(document["new_key"]),
            document["at_ms"],
            _heads(document["heads"]),
            document["until_ms"],
            _heads(document["until_heads"]),
            document["revoked"],
            document["previous"],
            document["old_signature"],
            document["new_signature"],
        )

    def _statement(self) -> dict[str, Any]:
        return {
            "old_key": self.old_key.text,
            "new_key": self.new_key.text,
            "at_ms": self.at_ms,
            "heads": [_head(head) for head in self.heads],
            "until_ms": self.until_ms,
            "until_heads": [_head(head) for head in self.until_heads],
            "revoked": self.revoked,
            "previous": self.previous,
        }

    def _message(self) -> bytes:
        return _CONTEXT + canonical_bytes(self._statement())


def handovers_from(documents: Iterable[Any]) -> tuple[Handover, ...]:
    """Return the statements of a list, each read, none checked.

    :raises DocumentMalformed: if one is none.
    """
    return tuple(Handover.from_document(document) for document in documents)


def _head(head: Head) -> dict[str, Any]:
    return {"chain": head.chain, "seq": head.seq, "hash": head.hash}


def _heads(documents: Any) -> tuple[Head, ...]:
    if not isinstance(documents, list) or not documents:
        raise DocumentMalformed("A hand-over statement names the heads of the chains.")
    return tuple(_one_head(document) for document in documents)


def _one_head(document: Mapping[str, Any]) -> Head:
    if not isinstance(document, dict) or set(document) != {"chain", "seq", "hash"}:
        raise DocumentMalformed("A chain's head has the fields chain, seq and hash.")
    chain, seq, hash_ = document["chain"], document["seq"], document["hash"]
    if not isinstance(chain, str) or type(seq) is not int or not isinstance(hash_, str):
        raise DocumentMalformed("A head's chain and hash are texts, its seq an integer.")
    return Head(chain, seq, hash_)
