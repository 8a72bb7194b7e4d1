"""What every command and step works with: the store, the clock, the signing key, the blobs.

``change`` is the one way to change anything: it opens the write transaction, appends the audit
entry in it, and wakes whoever waits for changes once it is committed.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bruk.control.blobs import BlobStore
from bruk.control.logs import LogStore
from bruk.control.planner import Planner
from bruk.control.skew import Skews
from bruk.control.streams import Streams
from bruk.control.uses import Uses
from bruk.control.vault import Vault
from bruk.model.clock import Clock
from bruk.model.egress import Destination
from bruk.model.errors import BrukError, ErrorKind, GateNotPassed
from bruk.model.ledger import AuditEntry
from bruk.model.tenant import Actor
from bruk.seal import Keyring, SigningKey
from bruk.store import records
from bruk.store import signing as signing_store
from bruk.store.database import Connection, Database

# What else is written with the next change, in its transaction: the door keeps there that a request
# was carried out, so that asking twice never does it twice.
WITH_CHANGE: ContextVar[Callable[[Connection], None] | None] = ContextVar("with_change", default=None)
_ASKED_ABOUT = (ErrorKind.FORBIDDEN, ErrorKind.EXHAUSTED, ErrorKind.UNAVAILABLE)


class Changes:
    """A version that rises with every change, and a way to wait for it."""

    def __init__(self) -> None:
        self.version = 1
        self.closed = False
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def bump(self) -> None:
        """Something changed; wakes every waiter. May be called from any thread."""
        with self._lock:
            self.version += 1
            waiting, self._waiting = self._waiting, set()
        for loop, event in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def close(self) -> None:
        """Wake every waiter, and let nobody wait any more: the process is about to end."""
        self.closed = True
        self.bump()

    async def wait_past(self, version: int, timeout_ms: int) -> int:
        """Return as soon as the version is past ``version``, or after ``timeout_ms`` [ms]."""
        entry = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            if self.version > version or self.closed:
                return self.version
            self._waiting.add(entry)
        try:
            await asyncio.wait_for(entry[1].wait(), timeout_ms / 1000)
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._waiting.discard(entry)
        return self.version


@dataclass
class Change:
    """A change in the making.

    Attributes:
        connection: the write transaction.
        now_ms: the one instant of everything in it [ms].
        target, detail: may be completed while the change is made; they go into the audit entry.
    """

    connection: Connection
    now_ms: int
    target: str
    detail: dict[str, Any] = field(default_factory=dict)


class Control:
    """Everything commands and steps share. One per process that runs control."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        key: SigningKey,
        keyring: Keyring,
        blobs: BlobStore,
        logs: LogStore,
        home: Path,
    ) -> None:
        self.database = database
        self.clock = clock
        self.key = key
        self.keyring = keyring
        # By the text of the public half; see ``signer``.
        self.signers = {key.public_key.text: key}
        self.rotating = threading.Lock()
        self.planner = Planner()
        self.vault = Vault(home / "keys")
        self.blobs = blobs
        self.logs = logs
        self.home = home
        self.changes = Changes()
        self.skews = Skews()
        self.uses = Uses()
        self.streams = Streams()
        self.gateway_url = ""
        # Ports of this machine's loopback at which control, its gateway and its database listen.
        self.doors: frozenset[int] = frozenset()
        # Servers that already run and may be attached to endpoints, as whoever runs this process allows.
        self.attachable: tuple[Destination, ...] = ()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the store."""
        with self.database.read() as connection:
            yield connection

    def signer(self, connection: Connection) -> SigningKey:
        """The key that signs what this view of the store shows.

        It is asked together with the chain's head, so that neither a change nor a view in the moment of
        a rotation is ever signed by a key whose word does not count there.
        """
        newest = signing_store.newest(connection)
        return self.key if newest is None else self.signers[newest.public_key]

    @contextmanager
    def change(self, actor: Actor, action: str, target: str, **detail: Any) -> Iterator[Change]:
        """One audited change: written whole with its audit entry, or not at all.

        A refusal leaves an audit entry of its own, after the change itself was rolled back; see
        ``refusals``. So a command asks whether its caller may do it inside of this.
        """
        with self.refusals(actor, action, target), self.database.write() as connection:
            change = Change(connection, self.clock.now_ms(), target, dict(detail))
            yield change
            records.append_audit(
                connection,
                _entry(change.now_ms, actor, action, change.target, "done", change.detail),
            )
            keep = WITH_CHANGE.get()
            if keep is not None:
                keep(connection)
        self.changes.bump()

    @contextmanager
    def refusals(self, actor: Actor, action: str, target: str) -> Iterator[None]:
        """Refusals in this block that an auditor would ask about leave an audit entry: not allowed,
        held, over budget, a gate not passed."""
        try:
            yield
        except BrukError as error:
            if error.kind in _ASKED_ABOUT or isinstance(error, GateNotPassed):
                self._audit_refusal(actor, action, target, error)
            raise

    def _audit_refusal(self, actor: Actor, action: str, target: str, error: BrukError) -> None:
        if error.code.startswith("store_"):
            return  # The store itself is away; there is nowhere to write it.
        with self.database.write() as connection:
            now_ms = self.clock.now_ms()
            detail = {"message": error.message}
            records.append_audit(connection, _entry(now_ms, actor, action, target, error.code, detail))

    def audit(self, connection: Connection, actor: Actor, action: str, target: str, **detail: Any) -> None:
        """Append an audit entry in a transaction that is open already (steps use this)."""
        records.append_audit(connection, _entry(self.clock.now_ms(), actor, action, target, "done", detail))


def _entry(
    now_ms: int, actor: Actor, action: str, target: str, outcome: str, detail: dict[str, Any]
) -> AuditEntry:
    return AuditEntry(0, now_ms, actor.kind, actor.id, action, target, outcome, detail)
