"""Seals values so that the database alone, or a copy of it, does not give them away.

Fernet (AES-128 in CBC mode with HMAC-SHA256, by the ``cryptography`` library) under a key of the home's own,
``keys/secrets.key``, made when the first value is sealed. What a value is about is sealed with it, so that it
opens nowhere else. A home without that key, as after a restore without private keys, opens nothing.
"""

import contextlib
import json
import os
import threading
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from bruk.journal.disk import sync_folder
from bruk.model.errors import BrukError, ErrorKind
from bruk.model.jsontext import parse_json


class SecretsUnreadable(BrukError):
    """The key of the secrets is missing or another one."""

    code = "secrets_unreadable"
    kind = ErrorKind.UNAVAILABLE


class Vault:
    """Seals and opens. Thread-safe."""

    def __init__(self, keys: Path) -> None:
        self._path = keys / "secrets.key"
        self._lock = threading.Lock()

    def seal(self, value: str, about: str) -> str:
        """The value as it may be stored.

        Raises:
            OSError: the key cannot be written.
            SecretsUnreadable: the key is no key.
        """
        with self._lock:
            if not self._path.exists():
                self._make()
            return self._key().encrypt(json.dumps([about, value]).encode()).decode()

    def open(self, sealed: str, about: str) -> str:
        """The value.

        Raises:
            SecretsUnreadable: it was sealed with another key, or about something else.
        """
        with self._lock:
            try:
                found = parse_json(self._key().decrypt(sealed.encode()))
            except InvalidToken:
                raise _unreadable(f"the value of {about} was sealed with another key") from None
        if not isinstance(found, list) or len(found) != 2 or found[0] != about:
            raise _unreadable(f"the value of {about} belongs to something else")
        return str(found[1])

    def _key(self) -> Fernet:
        try:
            return Fernet(self._path.read_bytes().strip())
        except FileNotFoundError:
            raise _unreadable(f"the key {self._path} is missing") from None
        except (OSError, ValueError) as error:
            raise _unreadable(f"the key {self._path} cannot be read: {error}") from error

    def _make(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}.new")
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(Fernet.generate_key() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self._path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
        sync_folder(self._path.parent)


def _unreadable(why: str) -> SecretsUnreadable:
    return SecretsUnreadable(f"{why}: put the key back from a backup with keys, or set the secrets anew")
