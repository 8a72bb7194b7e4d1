"""Control's own copy of artifacts: bytes by their SHA-256, written whole or not at all."""

import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from bruk.model.errors import BrukError, ErrorKind, InvalidInput, NotFound

CHUNK_BYTES = 1 << 20


class DiskFull(BrukError):
    """There is no space left for the bytes; nothing of them was kept."""

    code = "disk_full"
    kind = ErrorKind.UNAVAILABLE


class BlobTooLarge(BrukError):
    """More bytes than may be uploaded at once."""

    code = "blob_too_large"
    kind = ErrorKind.INVALID


class BlobStore:
    """Bytes under ``folder/ab/abcdef…``. Safe for threads; a crash leaves only temporary files."""

    def __init__(self, folder: Path, size_bytes_max: int = 1 << 40) -> None:
        self.folder = folder
        self.size_bytes_max = size_bytes_max
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in self._incoming.iterdir():
            leftover.unlink(missing_ok=True)

    def path(self, digest: str) -> Path:
        """Where the bytes of this digest are, or would be.

        Raises:
            InvalidInput: it is no SHA-256 in lower-case hex.
        """
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise InvalidInput("a digest is 64 lower-case hex digits (SHA-256)")
        return self.folder / digest[:2] / digest

    def has(self, digest: str) -> bool:
        """Whether the bytes are here."""
        return self.path(digest).is_file()

    def size_bytes(self, digest: str) -> int:
        """How many bytes are here under a digest that is here [bytes]."""
        return self.path(digest).stat().st_size

    def open(self, digest: str) -> BinaryIO:
        """The bytes, to read.

        Raises:
            NotFound: they are not here.
        """
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise NotFound(f"there are no bytes with the digest {digest}", what="blob", id=digest) from None

    def read(self, digest: str, limit_bytes: int) -> bytes:
        """All the bytes of a small blob.

        Raises:
            NotFound: they are not here.
            BlobTooLarge: there are more than ``limit_bytes`` [bytes].
        """
        with self.open(digest) as file:
            data = file.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise BlobTooLarge(f"the artifact {digest} has more than {limit_bytes} bytes")
        return data

    def put(self, name: str, chunks: Iterable[bytes], expected: str | None = None) -> tuple[str, int]:
        """Store the bytes and return their digest and size [bytes].

        Args:
            name: unique name of this upload, for the temporary file.
            expected: the digest that the bytes must have.

        Raises:
            InvalidInput: the bytes do not have the expected digest.
            BlobTooLarge: there are more than may be uploaded.
            DiskFull: there is no space for them.
        """
        temporary = self._incoming / name
        digest = hashlib.sha256()
        size = 0
        try:
            with temporary.open("xb") as file:
                for chunk in chunks:
                    size += len(chunk)
                    if size > self.size_bytes_max:
                        raise BlobTooLarge(f"an artifact may have at most {self.size_bytes_max} bytes")
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            found = digest.hexdigest()
            if expected is not None and found != expected:
                raise InvalidInput(
                    f"the bytes sent have the digest {found}, not {expected}: send them again", digest=found
                )
            final = self.path(found)
            final.parent.mkdir(exist_ok=True, mode=0o700)
            temporary.replace(final)
            return found, size
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull("the disk is full; nothing was kept. Free space and send it again") from error
            raise
        finally:
            temporary.unlink(missing_ok=True)

    def remove(self, digest: str) -> None:
        """Drop the bytes, if they are here."""
        self.path(digest).unlink(missing_ok=True)
