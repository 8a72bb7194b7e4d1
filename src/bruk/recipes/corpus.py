"""Collects the running Python's standard library as a corpus: real text that every machine has.

Whole top-level modules and packages go to one side of the split, so that nothing of a held-out
package is seen in training. Tests, generated tables and anything that names this machine are left
out. This module must never import PyTorch: it is run before a job, by light processes too.

Look next at :mod:`bruk.recipes.texts`, which reads any corpus, this one included.
"""

import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .split import is_heldout

HELDOUT_PERCENT = 10
SPLIT_SALT = "stdlib/"

# Character tables, generated documentation, a program with its own tests, and what an operating
# system's packages put beside the library: none of it is the library's source.
LEFT_OUT_TOP = frozenset({"encodings", "pydoc_data", "idlelib", "test", "ensurepip", "lib2to3"})
LEFT_OUT_ANYWHERE = frozenset({"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"})


@dataclass(frozen=True)
class Collected:
    """What was collected: counts of modules and bytes on both sides of the split."""

    train_modules: int
    heldout_modules: int
    train_bytes: int
    heldout_bytes: int


def library_modules(library: Path) -> Iterator[tuple[str, Path]]:
    """Yield ``(top-level name, path)`` of each source file of a standard library, in order."""
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).parts
        top = parts[0].removesuffix(".py")
        generated = top.startswith(("_sysconfigdata", "config-"))
        if generated or top in LEFT_OUT_TOP or LEFT_OUT_ANYWHERE.intersection(parts):
            continue
        yield top, path


def collect(destination: Path, library: Path | None = None) -> Collected:
    """Copy the standard library's source into ``destination/train`` and ``destination/heldout``.

    Files that are not valid UTF-8 are left out. Files of an earlier collection are replaced.

    Parameters
    ----------
    destination:
        Folder to fill; it is created.
    library:
        Folder of the library; the running Python's when not given.

    Raises
    ------
    FileNotFoundError
        When the library has no source files, as in a stripped or zipped installation.
    """
    library = library or Path(sysconfig.get_path("stdlib"))
    counts = {"train": [0, 0], "heldout": [0, 0]}
    for side in counts:
        shutil.rmtree(destination / side, ignore_errors=True)
        (destination / side).mkdir(parents=True)
    for top, path in library_modules(library):
        text = path.read_bytes()
        try:
            text.decode("utf-8")
        except UnicodeDecodeError:
            continue
        side = "heldout" if is_heldout(top, HELDOUT_PERCENT, SPLIT_SALT) else "train"
        target = destination / side / path.relative_to(library)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text)
        counts[side][0] += 1
        counts[side][1] += len(text)
    if not counts["train"][0] or not counts["heldout"][0]:
        raise FileNotFoundError(
            f"{library} holds too few Python source files to make a corpus; "
            "use an installation of Python with its standard library as source files"
        )
    return Collected(
        train_modules=counts["train"][0],
        heldout_modules=counts["heldout"][0],
        train_bytes=counts["train"][1],
        heldout_bytes=counts["heldout"][1],
    )


def main(arguments: list[str]) -> int:
    """Run ``python -m bruk.recipes.corpus OUT_DIR``; the exit status is returned."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m bruk.recipes.corpus OUT_DIR", file=sys.stderr)
        return 2
    try:
        done = collect(Path(arguments[0]))
    except OSError as error:
        print(f"bruk corpus: {error}", file=sys.stderr)
        return 2
    print(
        f"train: {done.train_modules} modules, {done.train_bytes} bytes; "
        f"held out: {done.heldout_modules} modules, {done.heldout_bytes} bytes"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
