"""Signed statements: the checkpoint of a chain's head, and documents such as receipts, invoices and leases.

What is signed is a context text, a zero byte and canonical JSON, so that a signature for one purpose never
serves another. This module must never decide whom to trust: that is the `Keyring` its caller brings.
Look next at `verify` for checks that report instead of raising.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bruk.seal.canonical import canonical_bytes, parse_canonical
from bruk.seal.chain import Head
from bruk.seal.errors import DocumentMalformed, NotCanonical
from bruk.seal.keyring import Keyring
from bruk.seal.keys import SigningKey

_CHECKPOINT_CONTEXT = b"bruk.checkpoint.v1\x00"
_DOCUMENT_CONTEXT = b"bruk.document.v1\x00"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement that a chain's head was entry `seq` with `hash` at `at_ms` [ms, Unix epoch, UTC]."""

    chain: str
    seq: int
    hash: str
    at_ms: int
    key_id: str
    signature: str

    @classmethod
    def sign(cls, head: Head, at_ms: int, key: SigningKey) -> Checkpoint:
        """Return the signed checkpoint of this head.

        :param at_ms: when the head was read [ms since the epoch, UTC].
        """
        unsigned = cls(head.chain, head.seq, head.hash, at_ms, key.key_id, "")
        return cls(head.chain, head.seq, head.hash, at_ms, key.key_id, key.sign(unsigned._message()))

    @property
    def head(self) -> Head:
        """The head this checkpoint states."""
        return Head(self.chain, self.seq, self.hash)

    def document(self) -> dict[str, Any]:
        """Return the checkpoint as JSON, as it stands in receipts, invoices and exports."""
        return {**self._statement(), "signature": self.signature}

    @classmethod
    def from_document(cls, document: Any) -> Checkpoint:
        """Return the checkpoint that `document()` wrote, without checking its signature.

        :raises DocumentMalformed: if fields are missing, superfluous or of the wrong type.
        """
        types = {"chain": str, "seq": int, "hash": str, "at_ms": int, "key_id": str, "signature": str}
        _require_fields("A checkpoint", document, types)
        return cls(**document)

    def check(self, keyring: Keyring) -> None:
        """Check the signature under a key that is trusted for this chain and entry.

        :raises KeyUnknown: if its key is not trusted there.
        :raises SignatureInvalid: if the signature does not fit.
        """
        key = keyring.for_chain(self.key_id, self.chain, self.seq, self.at_ms)
        key.verify(self._message(), self.signature)

    def _statement(self) -> dict[str, Any]:
        return {
            "chain": self.chain,
            "seq": self.seq,
            "hash": self.hash,
            "at_ms": self.at_ms,
            "key_id": self.key_id,
        }

    def _message(self) -> bytes:
        return _CHECKPOINT_CONTEXT + canonical_bytes(self._statement())


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """A receipt, invoice or lease: `body` of a `kind`, signed.

    When the body has a field `checkpoint` it is the document of a `Checkpoint` (`checkpoints`: a list of
    them); each is checked together with the document, and the document's key must be trusted for the entry
    that it names.
    """

    kind: str
    body: Mapping[str, Any]
    key_id: str
    signature: str

    @classmethod
    def sign(cls, kind: str, body: Mapping[str, Any], key: SigningKey) -> SignedDocument:
        """Return the signed document.

        :raises NotCanonical: if the body has no canonical form.
        """
        unsigned = cls(kind, body, key.key_id, "")
        return cls(kind, body, key.key_id, key.sign(unsigned._message()))

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint in the body, if it has one.

        :raises DocumentMalformed: if the field is there but is no checkpoint.
        """
        field = self.body.get("checkpoint")
        return None if field is None else Checkpoint.from_document(field)

    @property
    def places(self) -> tuple[Checkpoint, ...]:
        """Every checkpoint in the body, of its fields `checkpoint` and `checkpoints`.

        :raises DocumentMalformed: if a field is there but holds no checkpoint, or no list of them.
        """
        several = self.body.get("checkpoints", [])
        if not isinstance(several, list):
            raise DocumentMalformed("A document's checkpoints are a list.")
        one = self.checkpoint
        return (*([] if one is None else [one]), *(Checkpoint.from_document(item) for item in several))

    def document(self) -> dict[str, Any]:
        """Return the signed document as JSON."""
        return {"kind": self.kind, "body": self.body, "key_id": self.key_id, "signature": self.signature}

    @classmethod
    def from_document(cls, document: Any) -> SignedDocument:
        """Return the signed document that `document()` wrote, without checking its signature.

        :raises DocumentMalformed: if fields are missing, superfluous or of the wrong type.
        """
        types = {"kind": str, "body": dict, "key_id": str, "signature": str}
        _require_fields("A signed document", document, types)
        return cls(**document)

    def to_bytes(self) -> bytes:
        """Return the file form: one line of canonical JSON and a newline."""
        return canonical_bytes(self.document()) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> SignedDocument:
        """Return the signed document of a file written by `to_bytes`; no other spelling is read.

        :raises DocumentMalformed: if the file is cut, rewritten or something else.
        """
        if not data.endswith(b"\n"):
            raise DocumentMalformed("The signed document does not end in a newline: its tail was cut off.")
        try:
            return cls.from_document(parse_canonical(data[:-1]))
        except NotCanonical as error:
            raise DocumentMalformed(f"The signed document was changed or cut. {error}") from error

    def check(self, keyring: Keyring) -> None:
        """Check the signature, and the checkpoint inside if there is one.

        What a key that was rotated out signed must show when: it names an entry that was there before, and
        no time that its body states (`at_ms`, `..._at_ms`) is later. Whoever still holds such a key can
        repeat an old checkpoint and an old time; only the chain itself then shows that nothing of the kind
        was ever issued.

        :raises KeyUnknown: if a key is not trusted, or not for the checkpoint's entry, or not then.
        :raises SignatureInvalid: if a signature does not fit.
        :raises DocumentMalformed: if the body's checkpoint is none.
        """
        places = self.places
        keys = [keyring.current(self.key_id)] if not places else []
        for checkpoint in places:
            checkpoint.check(keyring)
            at_ms = max(checkpoint.at_ms, self._stated_ms())
            keys.append(keyring.for_chain(self.key_id, checkpoint.chain, checkpoint.seq, at_ms))
        keys[0].verify(self._message(), self.signature)

    def _stated_ms(self) -> int:
        """The latest time that the body states at its first level [ms]; 0 if it states none."""
        return max(
            (
                at_ms
                for name, at_ms in self.body.items()
                if (name == "at_ms" or name.endswith("_at_ms")) and type(at_ms) is int
            ),
            default=0,
        )

    def _message(self) -> bytes:
        return _DOCUMENT_CONTEXT + canonical_bytes(
            {"kind": self.kind, "body": self.body, "key_id": self.key_id}
        )


def _require_fields(what: str, document: Any, types: Mapping[str, type]) -> None:
    """Refuse a document with other fields, or values of other types, than these (a bool is no integer)."""
    if not isinstance(document, dict) or set(document) != set(types):
        raise DocumentMalformed(f"{what} has exactly the fields {', '.join(types)}.")
    for name, type_ in types.items():
        if type(document[name]) is not type_:
            raise DocumentMalformed(
                f"{what}'s {name} is of type {type(document[name]).__name__}, not {type_.__name__}."
            )
