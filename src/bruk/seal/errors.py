"""The errors of the seal room.

Each carries a stable `code` and the identifiers of what it is about. None is translated here: that happens
once, at the door (HTTP or exit status).
"""

from __future__ import annotations

from bruk.model.errors import BrukError, ErrorKind


class SealError(BrukError):
    """Base of every error raised by this room."""

    code = "seal_error"


class NotCanonical(SealError):
    """A document has no canonical form (it holds a float, say), or bytes are not in that form."""

    code = "not_canonical"
    kind = ErrorKind.INVALID


class ChainBroken(SealError):
    """An entry does not follow the one before it."""

    code = "chain_broken"

    def __init__(self, message: str, *, chain: str, seq: int) -> None:
        super().__init__(message, chain=chain, seq=seq)
        self.chain = chain
        self.seq = seq


class KeyFileExists(SealError):
    """A key file would have been overwritten."""

    code = "key_file_exists"
    kind = ErrorKind.CONFLICT


class KeyFileMissing(SealError):
    """There is no key file at the given path."""

    code = "key_file_missing"
    kind = ErrorKind.NOT_FOUND


class KeyFileUnsafe(SealError):
    """A key file or its folder is open to others than its owner."""

    code = "key_file_unsafe"
    kind = ErrorKind.CONFLICT


class KeyFileMalformed(SealError):
    """A key file, or the text of a public key, cannot be read as an Ed25519 key."""

    code = "key_file_malformed"
    kind = ErrorKind.INVALID


class KeyUnknown(SealError):
    """A signature names a key that is not pinned, or not for that stretch of the chain."""

    code = "key_unknown"
    kind = ErrorKind.FORBIDDEN

    def __init__(self, message: str, *, key_id: str) -> None:
        super().__init__(message, key_id=key_id)
        self.key_id = key_id


class HandoverForked(SealError):
    """Two hand-over statements of one key contradict each other: somebody else held the key."""

    code = "handover_forked"
    kind = ErrorKind.FORBIDDEN

    def __init__(self, message: str, *, key_id: str) -> None:
        super().__init__(message, key_id=key_id)
        self.key_id = key_id


class SignatureInvalid(SealError):
    """A signature does not fit the bytes it stands for."""

    code = "signature_invalid"
    kind = ErrorKind.FORBIDDEN

    def __init__(self, message: str, *, key_id: str) -> None:
        super().__init__(message, key_id=key_id)
        self.key_id = key_id


class DocumentMalformed(SealError):
    """A checkpoint, signed document, header or keyring has missing, superfluous or wrong fields."""

    code = "document_malformed"
    kind = ErrorKind.INVALID


class ExportUnreadable(SealError):
    """The file to verify cannot be opened or read."""

    code = "export_unreadable"
    kind = ErrorKind.NOT_FOUND
