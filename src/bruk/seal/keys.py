"""Ed25519 keys: made, and kept in files that only their owner reads.

A private key lies in a PKCS#8 PEM file of mode 0600 in a folder of mode 0700. A public key travels as the
short text `ed25519:` and 43 characters of base64url. A key's id is the first 16 hexadecimal digits of the
SHA-256 of its 32 public bytes; an id only finds a key, it never proves anything.

This module must never overwrite a key, log one, or accept a key file that others could have read.
Sources: RFC 8032 (Ed25519), RFC 5958 and RFC 8410 (its PKCS#8 form). Look next at `keyring` for whom to
trust, and at `signed` for what is signed.
"""

from __future__ import annotations

import base64
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bruk.seal.canonical import sha256_hex
from bruk.seal.errors import (
    KeyFileExists,
    KeyFileMalformed,
    KeyFileMissing,
    KeyFileUnsafe,
    SignatureInvalid,
)

_TEXT_PREFIX = "ed25519:"
_KEY_FILE_BYTES_MAX = 4096


def encode_base64url(data: bytes) -> str:
    """Return base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Return the bytes of unpadded base64url; only the one canonical spelling is read.

    :raises ValueError: for any other text.
    """
    data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if encode_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key [32 bytes]."""

    raw: bytes

    @property
    def text(self) -> str:
        """The key as short text, `ed25519:` and 43 characters."""
        return _TEXT_PREFIX + encode_base64url(self.raw)

    @property
    def key_id(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the key."""
        return sha256_hex(self.raw)[:16]

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """Return the key that `text` spells.

        :raises KeyFileMalformed: if it is no such text.
        """
        try:
            if not text.startswith(_TEXT_PREFIX):
                raise ValueError("no prefix")
            raw = decode_base64url(text[len(_TEXT_PREFIX) :])
            if len(raw) != 32:
                raise ValueError("wrong length")
        except ValueError as error:
            raise KeyFileMalformed(
                f"{text[:80]!r} is no public key. One looks like {_TEXT_PREFIX} followed by 43 characters"
                " of base64url."
            ) from error
        return cls(raw)

    def verify(self, message: bytes, signature: str) -> None:
        """Check a base64url signature over the message.

        :raises SignatureInvalid: if it does not fit or is malformed.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(decode_base64url(signature), message)
        except (InvalidSignature, ValueError) as error:
            raise SignatureInvalid(
                f"The signature under key {self.key_id} does not fit what was signed: the content or the"
                " signature"
                " was changed.",
                key_id=self.key_id,
            ) from error


class SigningKey:
    """An Ed25519 private key. Its text never appears in a representation, an error or a log."""

    __slots__ = ("_private", "public_key")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = PublicKey(
            private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        )

    def __repr__(self) -> str:
        return f"SigningKey(key_id={self.key_id!r})"

    @property
    def key_id(self) -> str:
        """The id of this key's public half."""
        return self.public_key.key_id

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new key from the operating system's randomness, which no clock or seed reproduces."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """Return the key that this seed [32 bytes] determines; for simulations and tests only."""
        assert len(seed) == 32, "an Ed25519 seed has 32 bytes"
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, message: bytes) -> str:
        """Return the base64url signature over the message."""
        return encode_base64url(self._private.sign(message))

    def save(self, path: Path) -> None:
        """Write the key to a new file of mode 0600, atomically and durably.

        The folder is created with mode 0700 when it is missing.

        :raises KeyFileExists: if the file is there already; it is left as it was.
        :raises KeyFileUnsafe: if the folder is open to others.
        :raises OSError: if the disk refuses; then no key file is left behind.
        """
        folder = path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_open_folder(folder, 0o077)
        pem = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        draft = folder / f".{path.name}.{os.getpid()}.new"
        draft.unlink(missing_ok=True)
        descriptor = os.open(
            draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            # A link fails where a rename would silently replace an existing key.
            os.link(draft, path)
        except FileExistsError as error:
            raise KeyFileExists(
                f"{path} exists already. Move the old key away before making a new one."
            ) from error
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(folder)
        _sync_folder(folder.parent)

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Read a key file.

        :raises KeyFileMissing: if there is none.
        :raises KeyFileUnsafe: if it is a link, is not ours, can be read by others, or lies where others can
            write.
        :raises KeyFileMalformed: if it holds no unencrypted Ed25519 private key in PEM.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError as error:
            raise KeyFileMissing(f"There is no key file at {path}.") from error
        except OSError as error:
            raise KeyFileUnsafe(f"{path} cannot be opened as a key file: {error.strerror}.") from error
        try:
            _refuse_open_file(path, os.fstat(descriptor))
            _refuse_open_folder(path.parent, 0o022)
            pem = os.read(descriptor, _KEY_FILE_BYTES_MAX)
        finally:
            os.close(descriptor)
        try:
            private = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyFileMalformed(
                f"{path} holds no unencrypted private key in PEM. Restore it from a copy."
            ) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyFileMalformed(f"{path} holds a key of another kind than Ed25519.")
        return cls(private)


def _refuse_open_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileUnsafe(f"{path} is no regular file.")
    if status.st_mode & 0o077 or status.st_uid != os.geteuid():
        raise KeyFileUnsafe(
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o} and owner {status.st_uid}; a private key"
            " must be"
            " readable by its owner alone. Others may have read it: prefer a new key, or run chmod 600."
        )


def _refuse_open_folder(folder: Path, forbidden_bits: int) -> None:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & forbidden_bits:
        raise KeyFileUnsafe(
            f"The folder {folder} has mode {mode:04o}, open to others. Run chmod 700 {folder}."
        )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
