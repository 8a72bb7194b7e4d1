"""Inputs on their way to a run: fetched by digest, checked, unpacked once, linked into its folder.

Nothing enters the cache whose digest was not computed from the bytes on this disk. A fetch that
broke off goes on where it stopped. Must never write outside the agent's home; ``wire.tree`` unpacks.
"""

import contextlib
import hashlib
import logging
import os
import re
import shutil
import threading
from collections.abc import Collection
from pathlib import Path

from bruk.agent.disk import check_segment, free_bytes, remove_tree
from bruk.agent.record import Folders
from bruk.agent.sync import ControlAway, Transport
from bruk.journal.disk import sync_folder
from bruk.model.artifact import ArtifactKind
from bruk.model.errors import BrukError, ErrorKind
from bruk.wire.agent import InputOrder, RunOrder
from bruk.wire.tree import unpack

log = logging.getLogger(__name__)
_DIGEST = re.compile(r"^[0-9a-f]{64}$")
_READ_BYTES = 1 << 20


class StageFailed(BrukError):
    """An input could not be brought here; the message says what to do.

    Attributes:
        passing: trying again may help.
    """

    code = "stage_failed"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self, message: str, passing: bool, **detail: object) -> None:
        super().__init__(message, **detail)
        self.passing = passing


class Stager:
    """Fetches into ``home/cache`` and links into runs' folders; safe to call from many threads."""

    def __init__(self, home: Path, transport: Transport, reserve_bytes: int) -> None:
        self._blobs = home / "cache" / "blobs"
        self._trees = home / "cache" / "trees"
        self._parts = home / "cache" / "parts"
        self._transport = transport
        self._reserve_bytes = reserve_bytes
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        for folder in (self._blobs, self._trees, self._parts):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def stage(self, order: RunOrder, folders: Folders, given_up: threading.Event | None = None) -> None:
        """Prepare all folders of a run and put its inputs into ``folders.data``. Repeatable.

        Args:
            given_up: once set, a fetch ends early; what it has is kept.

        Raises:
            StageFailed: an input cannot be had, is not what its digest says, or is unsafe; or
                the disk is full.
        """
        try:
            remove_tree(folders.data)
            for folder in (folders.outputs, folders.work, folders.temporary):
                remove_tree(folder)
                folder.mkdir(parents=True, mode=0o700)
            folders.checkpoints.mkdir(parents=True, exist_ok=True, mode=0o700)
            folders.data.mkdir()
            for item in order.inputs:
                self._stage_one(item, folders.data, given_up or threading.Event())
            folders.data.chmod(0o555)
        except StageFailed:
            raise
        except ControlAway as error:
            raise StageFailed(error.message, passing=True) from error
        except BrukError as error:
            raise StageFailed(f"inputs cannot be staged: {error.message}", passing=False) from error
        except OSError as error:
            raise StageFailed(
                f"inputs cannot be written here: {error}; make room on the disk", passing=True
            ) from error

    def evict(self, needed: Collection[str]) -> None:
        """Remove from the cache what no waiting run needs; runs keep their own links to it.

        Raises:
            OSError: something cannot be removed.
        """
        for place in (*self._trees.iterdir(), *self._blobs.iterdir(), *self._parts.iterdir()):
            digest = place.name.strip(".").removesuffix(".new")
            if digest in needed:
                continue
            log.info("making room: %s leaves the cache", digest)
            if place.is_dir():
                remove_tree(place)
            else:
                place.unlink()

    def _stage_one(self, item: InputOrder, data: Path, given_up: threading.Event) -> None:
        name = check_segment(item.name, "input")
        if not _DIGEST.match(item.digest):
            raise StageFailed(f"input {name!r} has no usable digest", passing=False)
        with self._lock(item.digest):
            if item.kind == ArtifactKind.TREE:
                self._link_tree(self._tree(item, given_up), data / name)
            else:
                _link(self._blob(item, given_up), data / name)

    def _lock(self, digest: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(digest, threading.Lock())

    def _tree(self, item: InputOrder, given_up: threading.Event) -> Path:
        """The unpacked tree, from the cache if it is there."""
        place = self._trees / item.digest
        if place.is_dir():
            return place
        draft = self._trees / f".{item.digest}.new"
        remove_tree(draft)
        try:
            with self._blob(item, given_up).open("rb") as file:
                unpack(file, draft, size_bytes_max=item.size_bytes, read_only=True)
        except BaseException:
            remove_tree(draft)
            raise
        draft.chmod(0o755)  # Only a writable folder can be renamed by its owner.
        os.rename(draft, place)
        place.chmod(0o555)
        sync_folder(self._trees)
        (self._blobs / item.digest).unlink(missing_ok=True)
        return place

    def _blob(self, item: InputOrder, given_up: threading.Event) -> Path:
        """The blob, from the cache if it is there."""
        place = self._blobs / item.digest
        if place.is_file() and place.stat().st_size == item.size_bytes:
            return place
        part = self._parts / item.digest
        self._fetch(item, part, given_up)
        part.chmod(0o444)
        os.rename(part, place)
        sync_folder(self._blobs)
        return place

    def _fetch(self, item: InputOrder, part: Path, given_up: threading.Event) -> None:
        have = part.stat().st_size if part.is_file() else 0
        if have > item.size_bytes:
            part.unlink()
            have = 0
        need = item.size_bytes - have + self._reserve_bytes
        if free_bytes(part.parent) < need:
            raise StageFailed(
                f"no room for input {item.name!r}: {need} bytes are needed on the site's disk; make room",
                passing=True,
            )
        if have < item.size_bytes or not have:
            with self._transport.fetch(item.digest, have) as fetched, part.open("ab") as file:
                file.truncate(fetched.offset)
                size = fetched.offset
                for block in fetched.blocks():
                    size += len(block)
                    file.write(block)
                    if size > item.size_bytes or given_up.is_set():
                        break  # The check says what is wrong with it.
                file.flush()
                os.fsync(file.fileno())
        self._check(item, part)

    def _check(self, item: InputOrder, part: Path) -> None:
        size = part.stat().st_size
        if size < item.size_bytes:
            raise StageFailed(
                f"input {item.name!r} broke off at {size} of {item.size_bytes} bytes", passing=True
            )
        if size > item.size_bytes or file_digest(part) != item.digest:
            part.unlink()
            raise StageFailed(
                f"input {item.name!r} is not what its digest {item.digest} says: it is damaged at control "
                "or on the way; put the artifact again",
                passing=True,
            )

    def _link_tree(self, source: Path, target: Path) -> None:
        target.mkdir()
        for folder, folders, files in os.walk(source):
            here = target / os.path.relpath(folder, source)
            for name in folders:
                (here / name).mkdir()
            for name in files:
                _link(Path(folder, name), here / name)
        for folder, _, _ in os.walk(target, topdown=False):
            Path(folder).chmod(0o555)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _link(source: Path, target: Path) -> None:
    """A hard link where the file system allows it, else a copy, with the same read-only mode."""
    with contextlib.suppress(OSError):
        os.link(source, target, follow_symlinks=False)
        return
    shutil.copyfile(source, target)
    target.chmod(source.stat().st_mode & 0o777)
