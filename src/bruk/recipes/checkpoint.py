"""Checkpoints that are either whole or not there: written aside, flushed to disk, then renamed.

Each file is a header, the SHA-256 of what follows, and a ``torch.save`` archive of plain data. A
file cut short or changed fails its digest and is passed over for the one before it. Archives are
read with ``weights_only=True``, so that a checkpoint can never run code.
"""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

MAGIC = b"BRUKCKP1"
DIGEST_BYTES = 32
KEPT = 2


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step lies."""
    return folder / f"step-{step:09d}.ckpt"


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write a checkpoint atomically and remove all but the newest ones.

    Parameters
    ----------
    folder:
        The run's checkpoint folder.
    step:
        Steps taken when the state was as given.
    state:
        Tensors, numbers, strings, and containers of them.

    Raises
    ------
    OSError
        When the disk refuses; the earlier checkpoints are untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getbuffer()
    target = checkpoint_path(folder, step)
    aside = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        with aside.open("wb") as file:
            file.write(MAGIC)
            file.write(hashlib.sha256(payload).digest())
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    _flush_folder(folder)
    for old in _newest_first(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    for debris in folder.glob("step-*.tmp"):
        # A process that was killed while it wrote leaves its part behind.
        debris.unlink(missing_ok=True)
    return target


def load_checkpoint(folder: Path, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Load the newest whole checkpoint, or None where there is none.

    Parameters
    ----------
    folder:
        The run's checkpoint folder.
    say:
        Called with a sentence for each checkpoint that had to be passed over.
    """
    for path in _newest_first(folder):
        try:
            return _read(path)
        except (OSError, ValueError, RuntimeError) as error:
            say(f"{path.name} is not a whole checkpoint and is passed over: {error}")
    return None


def _read(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    header = len(MAGIC) + DIGEST_BYTES
    if not content.startswith(MAGIC) or len(content) < header:
        raise ValueError("its header is missing")
    payload = memoryview(content)[header:]
    if hashlib.sha256(payload).digest() != content[len(MAGIC) : header]:
        raise ValueError("its content does not match its digest")
    state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    return state


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.ckpt"), reverse=True)


def _flush_folder(folder: Path) -> None:
    """Flush the folder itself, so that the rename outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
