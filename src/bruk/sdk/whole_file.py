"""Files that appear whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bruk.model.errors import Conflict, InvalidInput


@contextmanager
def written_whole(path: Path, *, replace: bool = False) -> Iterator[BinaryIO]:
    """A file beside ``path`` that takes its place when the block ends well, and vanishes otherwise.

    The file has mode 0600.

    Raises:
        Conflict: ``path`` exists and ``replace`` is False, or it is a folder.
        InvalidInput: it cannot be written there; the message says why.
    """
    if path.is_dir() or (not replace and os.path.lexists(path)):
        raise Conflict(f"{path} exists already; choose another name or remove it", path=str(path))
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                os.replace(draft, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(draft)
                raise
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror or error}", path=str(path)) from None
