"""From a backup to a home that comes up: verified, opened, proved, and only then put in its place.

Everything is done in a folder beside the home, which takes its name in one step at the end; what fails
before leaves nothing. A restored control is older than the agents and gateways that go on elsewhere:
its lease epochs and its switch are raised past whatever they may have heard, so that they follow it.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bruk.assembly.backup import archive
from bruk.assembly.backup.archive import DATABASE, BackupDamaged
from bruk.assembly.home import Home
from bruk.control.proof import Proof, RecordsBroken, accounts_that_differ, prove
from bruk.control.switch import GENERATION
from bruk.journal.journal import KEEP_BYTES, Journal
from bruk.model.clock import Clock
from bruk.model.errors import BrukError, Conflict, ErrorKind
from bruk.model.ledger import AuditEntry
from bruk.model.tenant import SYSTEM
from bruk.seal import Checkpoint, Keyring, SignedDocument
from bruk.store import counters, records
from bruk.store.database import Database

# More than any control gives out between a backup and its restore.
AHEAD = 10**9


class RestoreFailed(BrukError):
    """The home could not be written; nothing of it is left."""

    code = "restore_failed"
    kind = ErrorKind.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found in a backup, and verified.

    Attributes:
        entries: of each chain, all verified.
        documents: receipts and invoices that verify and agree with the chains.
        pinned: whether against keys from elsewhere, not those of the backup itself.
        waiting: usage records in journals that were not in the ledger yet, or are there for the second
            time; control tells them apart.
        missing: digests of artifacts whose bytes were gone when it was made.
    """

    file: Path
    made_at_ms: int
    version: str
    with_keys: bool
    pinned: bool
    files: int
    entries: dict[str, int]
    documents: int
    waiting: int
    missing: list[str]


def check(file: Path, pinned: Keyring | None) -> Verified:
    """Verify a backup and everything in it as a restore would; leaves nothing.

    Raises:
        BackupDamaged, RecordsBroken, StoreDamaged, JournalCorrupt: it is not as it was written.
        RestoreFailed: the temporary folder has no room for its database.
    """
    with _no_room("a temporary folder"), tempfile.TemporaryDirectory(prefix="bruk-check-") as name:
        return _unpack(file, pinned, Path(name), only_records=True)[0]


def restore(file: Path, home: Home, clock: Clock, pinned: Keyring | None) -> Verified:
    """Make a home of a backup.

    Raises:
        Conflict: there is something at the home's place.
        RestoreFailed: the disk is full or cannot be written.
        BackupDamaged, RecordsBroken, StoreDamaged, JournalCorrupt: the backup is not as it was written.
    """
    place = home.path
    if os.path.lexists(place) and (not place.is_dir() or place.is_symlink() or any(place.iterdir())):
        raise Conflict(
            f"{place} is not empty. A restore writes a new home: give another with --home, or move this one "
            "away first.",
            path=str(place),
        )
    draft = place.with_name(f".{place.name}.restoring")
    with _no_room(str(place)):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        try:
            verified, manifest = _unpack(file, pinned, draft)
            _raise_past_all(draft, clock, manifest)
            for folder in ("keys", "artifacts", "logs", "sites", "gateways"):
                (draft / folder).mkdir(mode=0o700, exist_ok=True)
            os.replace(draft, place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return verified


@contextlib.contextmanager
def _no_room(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RestoreFailed(
            f"the backup could not be written to {where} ({error.strerror or error}); nothing of it is left. "
            "Make room, then try again."
        ) from error


def _unpack(
    file: Path, pinned: Keyring | None, draft: Path, *, only_records: bool = False
) -> tuple[Verified, SignedDocument]:
    """Write a backup's files into a folder, and verify them; only what verification needs if so asked."""

    def sink(name: str) -> Path | None:
        if only_records and name.startswith(("artifacts/", "logs/")):
            return None
        return draft / name

    manifest, keyring = archive.read(file, pinned, sink)
    body = manifest.body
    if DATABASE not in body["files"]:
        raise BackupDamaged(f"{file} cannot be used as a backup: it holds no database")
    known = tuple(Checkpoint.from_document(item) for item in body["checkpoints"])
    proof = _open(draft / DATABASE, keyring, known)
    waiting = 0
    for folder in sorted(path.parent for path in draft.glob("*/*/journal/journal.json")):
        with Journal.open(folder, new_id="never", keep_bytes=KEEP_BYTES) as journal:
            waiting += journal.report.records_waiting
    verified = Verified(
        file=file,
        made_at_ms=body["made_at_ms"],
        version=body["bruk"],
        with_keys=body["with_keys"],
        pinned=pinned is not None,
        files=len(body["files"]),
        entries={head.chain: head.seq for head in proof.heads},
        documents=proof.documents,
        waiting=waiting,
        missing=list(body["missing"]),
    )
    return verified, manifest


def _open(file: Path, keyring: Keyring, known: tuple[Checkpoint, ...]) -> Proof:
    database = Database.open(f"sqlite:///{file}")
    try:
        database.check()
        if not database.known_schema():
            raise BackupDamaged("the backup is of a newer version of Bruk; restore it with that version")
        database.migrate()
        with database.read() as connection:
            proof = prove(connection, keyring, known)
            different = accounts_that_differ(connection)
        if different:
            project, (account, ledger) = next(iter(different.items()))
            raise RecordsBroken(
                f"the account of {project} says {account} micro-euro and the ledger {ledger}: one is wrong",
                project=project,
            )
        return proof
    finally:
        database.close()


def _raise_past_all(draft: Path, clock: Clock, manifest: SignedDocument) -> None:
    database = Database.open(f"sqlite:///{draft / DATABASE}")
    try:
        with database.write() as connection:
            counters.raise_(connection, GENERATION, AHEAD)
            counters.raise_all(connection, "epoch/", AHEAD)
            detail = {"made_at_ms": manifest.body["made_at_ms"], "key_id": manifest.key_id}
            records.append_audit(
                connection,
                AuditEntry(0, clock.now_ms(), SYSTEM.kind, SYSTEM.id, "home.restore", "home", "done", detail),
            )
    finally:
        database.close()
