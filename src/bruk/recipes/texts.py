"""Reads a corpus: a folder (or one file) of text, source, JSON Lines or Parquet, split in two.

A corpus with sub-folders ``train`` and ``heldout`` is taken as it is. Otherwise whole top-level
packages and files are held out by a stable hash of their names; a corpus of one JSONL or Parquet
file is split by its records.

Malformed input is refused with the file and the line; nothing is skipped silently, except files
that are not text, which are counted.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .run import RecipeError
from .split import is_heldout

RECORD_SUFFIXES = frozenset({".jsonl", ".ndjson", ".parquet"})


@dataclass(frozen=True)
class Document:
    """One text of a corpus and the name it is known by: a path, or a path with a record number."""

    name: str
    text: str

    @property
    def size_bytes(self) -> int:
        """Length of the text in UTF-8 [bytes]."""
        return len(self.text.encode("utf-8"))


@dataclass(frozen=True)
class Corpus:
    """Both sides of a corpus, in a stable order."""

    train: tuple[Document, ...]
    heldout: tuple[Document, ...]
    left_out_files: int
    digest: str


def read_corpus(root: Path, text_field: str = "text", heldout_percent: int = 10) -> Corpus:
    """Read a corpus from a folder or from one file.

    Parameters
    ----------
    root:
        The folder or file.
    text_field:
        Field of JSONL records, or column of Parquet files, that holds the text.
    heldout_percent:
        Share of names held out where the corpus does not say [%].

    Raises
    ------
    RecipeError
        When the corpus is missing, malformed, or has an empty side.
    """
    if not root.exists():
        raise RecipeError(f"there is no corpus at {root}")
    if (root / "train").is_dir() and (root / "heldout").is_dir():
        train, skipped_train = _read_side(root / "train", text_field)
        heldout, skipped_heldout = _read_side(root / "heldout", text_field)
        skipped = skipped_train + skipped_heldout
    else:
        train, heldout, skipped = _read_and_split(root, text_field, heldout_percent)
    if not train:
        raise RecipeError(f"the corpus at {root} has no training text")
    return Corpus(tuple(train), tuple(heldout), skipped, _digest(train, heldout))


def _read_and_split(root: Path, field: str, percent: int) -> tuple[list[Document], list[Document], int]:
    documents, skipped = _read_side(root, field)
    tops = {document.name.split("#")[0].split("/")[0] for document in documents}
    by_record = len(tops) == 1
    sides: tuple[list[Document], list[Document]] = ([], [])
    for document in documents:
        key = document.name if by_record else document.name.split("#")[0].split("/")[0]
        sides[is_heldout(key, percent)].append(document)
    return *sides, skipped


def _read_side(root: Path, field: str) -> tuple[list[Document], int]:
    """Read every file below a folder in the order of their names."""
    base = root if root.is_dir() else root.parent
    paths = sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]
    documents: list[Document] = []
    skipped = 0
    for path in paths:
        name = path.relative_to(base).as_posix()
        if any(part.startswith(".") for part in path.relative_to(base).parts):
            continue
        if path.suffix in RECORD_SUFFIXES:
            records = _parquet(path, field) if path.suffix == ".parquet" else _jsonl(path, field)
            documents.extend(Document(f"{name}#{number}", text) for number, text in records)
        elif (text := _plain(path)) is None:
            skipped += 1
        elif text:
            documents.append(Document(name, text))
    return documents, skipped


def _plain(path: Path) -> str | None:
    """Return the text of a file, or None where it is not text."""
    content = path.read_bytes()
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _jsonl(path: Path, field: str) -> Iterator[tuple[int, str]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            where = f"{path}, line {number}"
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise RecipeError(f"{where}: not JSON: {error}") from error
            if not isinstance(record, dict) or not isinstance(record.get(field), str):
                raise RecipeError(f"{where}: the record has no text in a field {field!r}")
            try:
                record[field].encode("utf-8")
            except UnicodeEncodeError as error:
                raise RecipeError(f"{where}: field {field!r} is not valid Unicode") from error
            if record[field]:
                yield number, record[field]


def _parquet(path: Path, column: str) -> Iterator[tuple[int, str]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise RecipeError(f"{path}: reading Parquet needs the package pyarrow") from error
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            names = table.schema_arrow.names
            if column not in names:
                raise RecipeError(f"{path}: no column {column!r}; it has {', '.join(names)}")
            number = 0
            for batch in table.iter_batches(columns=[column]):
                for value in batch.column(0).to_pylist():
                    number += 1
                    if not isinstance(value, str):
                        raise RecipeError(f"{path}, row {number}: column {column!r} has no text")
                    if value:
                        yield number, value
    except (pyarrow.ArrowException, OSError) as error:
        raise RecipeError(f"{path}: not a readable Parquet file: {error}") from error


def _digest(train: list[Document], heldout: list[Document]) -> str:
    """SHA-256 over side, name and text of every document, in order."""
    digest = hashlib.sha256()
    for side, documents in (("train", train), ("heldout", heldout)):
        for document in documents:
            content = document.text.encode("utf-8")
            digest.update(f"{side}\0{document.name}\0{len(content)}\0".encode("utf-8", "replace"))
            digest.update(content)
    return f"sha256:{digest.hexdigest()}"
