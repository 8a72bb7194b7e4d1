"""When credentials and keys were last used, without a write for each request.

Requests only note it in memory; at most once in ``PERIOD_MS`` all that is new is written, in one
transaction. A crash loses what was noted since. A session's idle end looks here first, so that it does
not depend on what is written. Look next at ``access``.
"""

import threading
from typing import TYPE_CHECKING

from bruk.store import people

if TYPE_CHECKING:
    from bruk.control.control import Control

PERIOD_MS = 60_000


class Uses:
    """The newest use of each credential and each API key that is not written yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credentials: dict[str, int] = {}
        self._keys: dict[str, int] = {}
        self._written_at_ms = -PERIOD_MS

    def credential(self, identifier: str, at_ms: int) -> None:
        """A session or a token was used [ms]."""
        with self._lock:
            self._credentials[identifier] = max(at_ms, self._credentials.get(identifier, 0))

    def key(self, identifier: str, at_ms: int) -> None:
        """An API key was used, here or at a gateway [ms]."""
        with self._lock:
            self._keys[identifier] = max(at_ms, self._keys.get(identifier, 0))

    def last_of(self, identifier: str, written_ms: int | None) -> int | None:
        """When a credential was used last: of what is written and what is noted, the newer [ms]."""
        with self._lock:
            noted_ms = self._credentials.get(identifier)
        return max((at_ms for at_ms in (written_ms, noted_ms) if at_ms is not None), default=None)

    def last_of_key(self, identifier: str, written_ms: int | None) -> int | None:
        """As ``last_of``, of an API key [ms]."""
        with self._lock:
            noted_ms = self._keys.get(identifier)
        return max((at_ms for at_ms in (written_ms, noted_ms) if at_ms is not None), default=None)

    def write(self, control: "Control", *, at_once: bool = False) -> bool:
        """Write what was noted, unless that was done within the period; True if anything was.

        Raises:
            BrukError: the store cannot be written; nothing is forgotten, and the next turn tries again.
        """
        now_ms = control.clock.monotonic_ms()
        with self._lock:
            noted = dict(self._credentials), dict(self._keys)
            if not any(noted) or (not at_once and now_ms - self._written_at_ms < PERIOD_MS):
                return False
        with control.database.write() as connection:
            for identifier, at_ms in noted[0].items():
                people.credential_used(connection, identifier, at_ms)
            for identifier, at_ms in noted[1].items():
                people.key_used(connection, identifier, at_ms)
        with self._lock:
            self._written_at_ms = now_ms
            for kept, written in zip((self._credentials, self._keys), noted, strict=True):
                for identifier, at_ms in written.items():
                    if kept.get(identifier) == at_ms:
                        del kept[identifier]
        return True
