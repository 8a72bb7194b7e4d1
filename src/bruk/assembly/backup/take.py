"""Taking a backup: the database first, then what it names, then what agents and gateways still hold.

In that order everything that the copied database names is there, and every journal is at least as new
as the database, so that a restored control gets again the usage it lacks. Bruk may run meanwhile.
Caches, folders of runs and checkpoints are left out; private keys and tokens are taken only if asked.
"""

import contextlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import bruk
from bruk.assembly.backup.archive import DATABASE, FORMAT, KIND, Writer
from bruk.assembly.home import Home
from bruk.control.proof import Proof, prove
from bruk.journal.disk import sync_folder
from bruk.journal.snapshot import snapshot
from bruk.model.clock import Clock
from bruk.model.errors import BrukError, Conflict, ErrorKind, InvalidInput
from bruk.seal import Checkpoint, Keyring, SignedDocument, SigningKey
from bruk.store import goods
from bruk.store.copy import copy_sqlite
from bruk.store.database import Database

# What stands beside the journal of an agent and a gateway and is worth keeping.
SITE_FILES = ("local_hold.json", "local_hold_ack.json")
GATEWAY_FILES = ("epoch", "control.pub")
DRAFT_PREFIX, DRAFT_SUFFIX = ".", ".unfinished"


class BackupFailed(BrukError):
    """The backup could not be written; an older one of that name is as it was."""

    code = "backup_failed"
    kind = ErrorKind.UNAVAILABLE


@dataclass
class Taken:
    """What a backup holds.

    Attributes:
        missing: digests that the database names and whose bytes are not in the home.
        damaged: digests whose bytes are not what they should be; they are in the backup as they are.
        checked: whether the records were verified (not for another version's schema).
    """

    file: Path
    made_at_ms: int
    with_keys: bool
    files: int = 0
    size_bytes: int = 0
    entries: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    checked: bool = True


def take(home: Home, target: Path, clock: Clock, *, with_keys: bool = False) -> Taken:
    """Write a backup of the home into a new file, or into a folder under a name with the time.

    Raises:
        InvalidInput: there is no home.
        Conflict: there is a file of that name.
        BackupFailed: the disk is full, or something cannot be read or written.
        StoreDamaged, RecordsBroken, JournalCorrupt: what is to be kept is damaged; nothing is written.
    """
    if not home.signing_key.is_file():
        raise InvalidInput(f"{home.path} is no home of Bruk: give one with --home")
    if not home.database_file.is_file():
        raise InvalidInput(
            f"{home.path} has no {DATABASE}. If its store is PostgreSQL, take 'pg_dump --format=custom' for "
            "it and keep the home's folder with any tool for files, keys and artifacts first of all."
        )
    now_ms = clock.now_ms()
    if target.is_dir():
        stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        target = target / f"bruk-{stamp}.tar"
    if os.path.lexists(target):
        raise Conflict(f"{target} exists already; choose another name, or move it away", path=str(target))
    draft = target.with_name(f"{DRAFT_PREFIX}{target.name}{DRAFT_SUFFIX}")
    try:
        with _workshop(draft):
            taken = _Taking(home, draft, clock, Taken(target, now_ms, with_keys)).run()
            os.replace(draft / "archive", target)
            sync_folder(target.parent)
            return taken
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise BackupFailed(
            f"the backup {target} could not be written ({where}{error.strerror or error}); nothing of it is "
            "left. Make room or choose another place, then try again."
        ) from error


@contextlib.contextmanager
def _workshop(draft: Path) -> Iterator[None]:
    """A folder beside the target that is gone afterwards; one that a killed backup left is removed first."""
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        yield
    finally:
        shutil.rmtree(draft, ignore_errors=True)


class _Taking:
    def __init__(self, home: Home, draft: Path, clock: Clock, taken: Taken) -> None:
        self._home = home
        self._draft = draft
        self._clock = clock
        self._taken = taken

    def run(self) -> Taken:
        taken = self._taken
        copy = self._draft / DATABASE
        copy_sqlite(self._home.database_file, copy)
        proof, named, schema = self._prove(copy)
        path = self._draft / "archive"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                writer = Writer(tar, taken.made_at_ms // 1000)
                writer.begin()
                writer.add(DATABASE, copy)
                copy.unlink()
                self._fill(writer, named)
                # Last of all, and the key before the ring: a rotation meanwhile puts them in this order.
                key = SigningKey.load(self._home.signing_key)
                self._add(writer, self._home.public_keys)
                writer.finish(self._manifest(writer, key, proof, schema))
            file.flush()
            os.fsync(file.fileno())
        taken.files, taken.size_bytes = len(writer.files), path.stat().st_size
        return taken

    def _prove(self, copy: Path) -> tuple[Proof | None, set[str], str]:
        """Verify the copy as a restore would; what it says of artifacts."""
        database = Database.open(f"sqlite:///{copy}")
        try:
            database.check()
            schema, newest = database.schema_versions()
            with database.read() as connection:
                named = goods.digests(connection)
                if schema != newest:
                    self._taken.checked = False
                    return None, named, str(schema)
                proof = prove(connection, Keyring.from_file(self._home.public_keys))
            self._taken.entries = {head.chain: head.seq for head in proof.heads}
            return proof, named, str(schema)
        finally:
            database.close()

    def _fill(self, writer: Writer, named: set[str]) -> None:
        home, taken = self._home, self._taken
        for digest in sorted(named):
            path = home.artifacts / digest[:2] / digest
            try:
                kept = writer.add(f"artifacts/{digest[:2]}/{digest}", path)
            except FileNotFoundError:
                taken.missing.append(digest)
                continue
            if kept.sha256 != digest:
                taken.damaged.append(digest)
        for path in sorted((home.logs / "runs").rglob("*")):
            if path.is_file() and not path.is_symlink():
                self._add(writer, path)
        for rooms, files in ((home.path / "sites", SITE_FILES), (home.path / "gateways", GATEWAY_FILES)):
            for folder in sorted(rooms.glob("*")):
                self._enforcer(writer, folder, (*files, "token") if taken.with_keys else files)
        if taken.with_keys:
            for path in sorted(home.keys.rglob("*")):
                if path.is_file() and path != home.public_keys:
                    self._add(writer, path)

    def _enforcer(self, writer: Writer, folder: Path, files: tuple[str, ...]) -> None:
        """An agent's or a gateway's journal, and what else of its folder is to be kept."""
        for name in files:
            if (folder / name).is_file():
                self._add(writer, folder / name)
        if not (folder / "journal" / "journal.json").is_file():
            return
        copy = self._draft / "journal"
        snapshot(folder / "journal", copy)
        for path in sorted(copy.iterdir()):
            writer.add(f"{folder.relative_to(self._home.path)}/journal/{path.name}", path)

    def _add(self, writer: Writer, path: Path) -> None:
        writer.add(str(path.relative_to(self._home.path)), path)

    def _manifest(self, writer: Writer, key: SigningKey, proof: Proof | None, schema: str) -> SignedDocument:
        taken = self._taken
        heads = proof.heads if proof else ()
        body = {
            "format": FORMAT,
            "made_at_ms": taken.made_at_ms,
            "bruk": bruk.__version__,
            "schema": schema,
            "with_keys": taken.with_keys,
            "checkpoints": [
                Checkpoint.sign(head, self._clock.now_ms(), key).document() for head in heads if head.seq
            ],
            "missing": taken.missing,
            "files": {name: [kept.size_bytes, kept.sha256] for name, kept in sorted(writer.files.items())},
        }
        return SignedDocument.sign(KIND, body, key)
