"""The file of a backup: a tar of plain files between a header and a signed manifest of their hashes.

The header comes first, so that a file of something else is known at once; the manifest last, so that
one that was cut off has none. Reading trusts nothing: no member may lie outside, be a link, come twice
or be missing, and nothing is believed before the manifest has been verified. Look next at ``take`` for
what is in it and at ``restore`` for what is made of it.
"""

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bruk.model.errors import BrukError, ErrorKind
from bruk.model.jsontext import parse_json
from bruk.seal import Keyring, SealError, SignedDocument

HEADER, MANIFEST = "bruk-backup.json", "manifest.json"
FORMAT = 1
KIND = "backup"
DATABASE = "bruk.sqlite3"
ROOTS = {DATABASE, "keys", "artifacts", "logs", "sites", "gateways"}
MANIFEST_BYTES_MAX = 512 * 2**20
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,254}")
_BLOCK_BYTES = 1 << 20


class BackupDamaged(BrukError):
    """A file is no backup, was cut, was altered, or is signed by a key that is not trusted."""

    code = "backup_damaged"
    kind = ErrorKind.INVALID


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of a backup."""

    size_bytes: int
    sha256: str


class Hashed:
    """Reads a file, at most so many bytes, and hashes what it reads."""

    def __init__(self, file: IO[bytes], size_bytes: int) -> None:
        self._file = file
        self._left = size_bytes
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        self._hash.update(data)
        return data

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


@dataclass
class Writer:
    """Writes an archive; ``files`` is what its manifest will say."""

    tar: tarfile.TarFile
    at_s: int
    files: dict[str, Kept] = field(default_factory=dict)

    def begin(self) -> None:
        self._add(HEADER, io.BytesIO(data := json.dumps({"bruk_backup": FORMAT}).encode()), len(data))

    def add(self, name: str, path: Path) -> Kept:
        """Add a file as long as it is now; one that grows meanwhile ends there.

        Raises:
            OSError: it cannot be read, or the archive not written.
        """
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            kept = self._add(name, file, size)
        self.files[name] = kept
        return kept

    def finish(self, manifest: SignedDocument) -> None:
        data = manifest.to_bytes()
        self._add(MANIFEST, io.BytesIO(data), len(data))

    def _add(self, name: str, file: IO[bytes], size: int) -> Kept:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, self.at_s
        hashed = Hashed(file, size)
        self.tar.addfile(member, hashed)
        return Kept(size, hashed.digest)


Sink = Callable[[str], Path | None]


def read(path: Path, pinned: Keyring | None, sink: Sink) -> tuple[SignedDocument, Keyring]:
    """Read a whole archive and return its manifest, verified, and the keys that vouch for its content.

    Args:
        pinned: the keys to trust, and those to which they handed over by statements in the archive; None
            takes the keys that the archive carries, which proves that it is whole and not who made it.
        sink: where the content of a member goes; None if it is only to be verified.

    Raises:
        BackupDamaged: something about it is not as it was written; what the sinks got is worth nothing.
        OSError: it cannot be read, or a sink not written.
    """
    try:
        reading = _Reading(path, pinned, sink)
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|", encoding="utf-8") as tar:
            found = reading.run(tar)
            reading.check_end(tar.offset)
            return found
    except (tarfile.TarError, EOFError, OverflowError, ValueError) as error:
        raise BackupDamaged(f"{path} is no backup of Bruk, or was cut off or altered: {error}") from error


class _Reading:
    def __init__(self, path: Path, pinned: Keyring | None, sink: Sink) -> None:
        self._path = path
        self._pinned = pinned
        self._sink = sink
        self._found: dict[str, Kept] = {}
        self._keys = b""

    def run(self, tar: tarfile.TarFile) -> tuple[SignedDocument, Keyring]:
        manifest: bytes | None = None
        for number, member in enumerate(tar):
            if manifest is not None:
                raise self._damaged(f"{member.name!r} stands behind its manifest")
            if not member.isreg():
                raise self._damaged(f"{member.name!r} is no plain file")
            content = tar.extractfile(member)
            assert content is not None, "a plain file has content"
            if number == 0:
                self._header(member, content)
            elif member.name == MANIFEST:
                if member.size > MANIFEST_BYTES_MAX:
                    raise self._damaged("its manifest is too large")
                manifest = content.read()
            else:
                self._take(member, content)
        if manifest is None:
            raise self._damaged("it has no manifest: it was cut off")
        return self._verified(manifest)

    def check_end(self, offset: int) -> None:
        """After the last member the format has zeros up to the end of a record, and nothing else."""
        with self._path.open("rb") as file:
            file.seek(offset)
            rest = file.read(2 * tarfile.RECORDSIZE)
            if rest.strip(b"\0") or file.read(1):
                raise self._damaged("something stands behind its end")
            # Two empty blocks end an archive.
            if len(rest) < 2 * tarfile.BLOCKSIZE or (offset + len(rest)) % tarfile.RECORDSIZE:
                raise self._damaged("it was cut off")

    def _damaged(self, what: str) -> BackupDamaged:
        return BackupDamaged(f"{self._path} cannot be used as a backup: {what}. Take another backup.")

    def _header(self, member: tarfile.TarInfo, content: IO[bytes]) -> None:
        said = parse_json(content.read(1000)) if member.name == HEADER and member.size < 1000 else None
        if not isinstance(said, dict) or "bruk_backup" not in said:
            raise self._damaged("it was not written by 'bruk backup'")
        if said["bruk_backup"] != FORMAT:
            raise self._damaged("its format is another version's; take the Bruk that wrote it")

    def _take(self, member: tarfile.TarInfo, content: IO[bytes]) -> None:
        name = member.name
        parts = name.split("/")
        if not all(_PART.fullmatch(part) for part in parts) or parts[0] not in ROOTS:
            raise self._damaged(f"{name!r} is no name that a file of a home can have")
        if name in self._found:
            raise self._damaged(f"{name!r} comes twice")
        hashed = Hashed(content, member.size)
        target = self._sink(name)
        size = _pour(hashed, target)
        if size != member.size:
            raise self._damaged(f"{name!r} was cut off")
        self._found[name] = Kept(size, hashed.digest)
        if name == "keys/public.json" and size < 2**20:
            self._keys = b"" if target is None else target.read_bytes()

    def _verified(self, data: bytes) -> tuple[SignedDocument, Keyring]:
        try:
            signed = SignedDocument.from_bytes(data)
            carried = Keyring.from_document(parse_json(self._keys))
            keyring = carried if self._pinned is None else self._pinned.following(carried.handovers)
            if signed.kind != KIND:
                raise self._damaged("its manifest is a document of another kind")
            signed.check(keyring)
        except SealError as error:
            raise self._damaged(f"its manifest cannot be trusted ({error.message})") from error
        try:
            said = {name: Kept(*item) for name, item in signed.body["files"].items()}
        except (KeyError, TypeError, AttributeError):
            raise self._damaged("its manifest does not list its files") from None
        for name in sorted({*said, *self._found}):
            if name not in self._found:
                raise self._damaged(f"{name!r} is missing")
            if name not in said:
                raise self._damaged(f"{name!r} is not in its manifest")
            if said[name] != self._found[name]:
                raise self._damaged(f"{name!r} was altered")
        return signed, keyring


def _pour(source: Hashed, target: Path | None) -> int:
    """Read to the end, into a new file of mode 0600 if one is named; how much it was [bytes]."""
    if target is None:
        return sum(len(block) for block in iter(lambda: source.read(_BLOCK_BYTES), b""))
    # The mode is the last folder's alone, so that each is made by itself.
    for folder in reversed([folder for folder in target.parents if not folder.exists()]):
        folder.mkdir(mode=0o700)
    size = 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while block := source.read(_BLOCK_BYTES):
            size += len(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return size
