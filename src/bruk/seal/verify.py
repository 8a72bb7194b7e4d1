"""Offline verification of exports and signed documents: what `bruk audit verify FILE` calls.

It needs a file and, to prove who wrote it, pinned public keys; no server, no database, no clock. It reads a
line at a time and keeps none. It must never raise for evidence that is bad, only for a file that cannot be
read: bad evidence is a `VerifyReport` that names the line and the entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from bruk.seal.canonical import parse_canonical, sha256_hex
from bruk.seal.chain import Entry, Head, check_next, empty_head
from bruk.seal.errors import ChainBroken, DocumentMalformed, ExportUnreadable, SealError
from bruk.seal.export import EXPORT_KIND, EXPORT_VERSION, LINE_BYTES_MAX
from bruk.seal.handover import handovers_from
from bruk.seal.keyring import Keyring
from bruk.seal.keys import PublicKey
from bruk.seal.report import NO_KEYS, Problem, Trust, VerifyReport
from bruk.seal.signed import Checkpoint, SignedDocument

# Exports of version 1 carry no hand-over statements.
_HEADER_FIELDS = {
    1: {"export", "chain", "keys", "exported_at_ms", "count"},
    EXPORT_VERSION: {"export", "chain", "keys", "handovers", "exported_at_ms", "count"},
}
_DOCUMENT_BYTES_MAX = 64 * 1024 * 1024


def verify_export(
    path: Path, pinned_keys: Keyring | None, known_checkpoints: Sequence[Checkpoint] = ()
) -> VerifyReport:
    """Verify an exported chain, streaming, and name the first line and entry at which it fails.

    Found are: a changed byte anywhere, a tail cut off at any place, lines swapped, repeated, removed or
    added, a signature under a key that is not pinned, and, through checkpoints known from receipts and
    invoices, an export that is whole but older than what is known, or another history.

    :param pinned_keys: the keys trusted beforehand; None takes those of the file, which proves inner
        consistency only.
    :param known_checkpoints: checkpoints taken from receipts or invoices; those of other chains are not
        compared.
    :raises ExportUnreadable: if the file cannot be opened or read.
    """
    try:
        with path.open("rb") as file:
            return _ExportCheck(str(path.name), file, pinned_keys, known_checkpoints).run()
    except OSError as error:
        raise ExportUnreadable(f"{path} cannot be read: {error.strerror or error}.") from error


def verify_document(document: SignedDocument, pinned_keys: Keyring | None) -> VerifyReport:
    """Verify a receipt, invoice or lease, and the checkpoint inside it if there is one.

    A document does not carry its public key, so without pinned keys nothing can be proved and the report says
    so.
    """
    subject = f"{document.kind} document"
    if pinned_keys is None:
        message = (
            f"it is signed by key {document.key_id}, which it does not carry, and none was given to trust."
            " Give the operator's, which you got by a way that you trust, with --key FILE or --pin KEY."
        )
        return VerifyReport(subject, Trust.FILE, Problem(NO_KEYS, message), key_id=document.key_id)
    report = VerifyReport(subject, Trust.PINNED, key_id=document.key_id)
    try:
        document.check(pinned_keys)
        return replace(report, checkpoint=document.checkpoint)
    except SealError as error:
        return replace(report, problem=Problem(error.code, str(error)))


def verify_document_file(path: Path, pinned_keys: Keyring | None) -> VerifyReport:
    """Verify a signed document's file (one canonical line, see `SignedDocument.to_bytes`).

    :raises ExportUnreadable: if the file cannot be opened or read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_DOCUMENT_BYTES_MAX + 1)
    except OSError as error:
        raise ExportUnreadable(f"{path} cannot be read: {error.strerror or error}.") from error
    trust = Trust.FILE if pinned_keys is None else Trust.PINNED
    if len(data) > _DOCUMENT_BYTES_MAX:
        message = f"The file is longer than {_DOCUMENT_BYTES_MAX} bytes and is no signed document."
        return VerifyReport(path.name, trust, Problem("document_malformed", message, line=1))
    try:
        document = SignedDocument.from_bytes(data)
    except SealError as error:
        return VerifyReport(path.name, trust, Problem(error.code, str(error), line=1))
    report = verify_document(document, pinned_keys)
    return replace(report, subject=f"{path.name} ({document.kind})")


class _Failure(Exception):
    """Ends a check; carries the problem to the report."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _ExportCheck:
    """One pass over one export: header, entries, trailer, and nothing after it."""

    def __init__(
        self,
        subject: str,
        file: BinaryIO,
        pinned_keys: Keyring | None,
        known_checkpoints: Iterable[Checkpoint],
    ) -> None:
        self._file = file
        self._pinned_keys = pinned_keys
        self._known = tuple(known_checkpoints)
        self._line = 0
        trust = Trust.FILE if pinned_keys is None else Trust.PINNED
        notes: tuple[str, ...] = ()
        if pinned_keys is None:
            notes = (
                "No pinned keys were given: the keys came from the file itself, so this proves only that"
                " the file is"
                " consistent with itself, not who wrote it.",
            )
        self._report = VerifyReport(subject, trust, notes=notes)

    def run(self) -> VerifyReport:
        try:
            self._check()
        except _Failure as failure:
            return replace(self._report, problem=failure.problem)
        return self._report

    def _check(self) -> None:
        header_line = self._read_line(missing="The file is empty.", seq=None)
        header = self._header(self._parse(header_line, seq=None))
        chain, count = header["chain"], header["count"]
        self._report = replace(self._report, chain=chain)
        keyring = self._keyring(header)
        expected = self._expected_hashes(chain, keyring)
        head = self._entries(chain, count, expected)
        self._trailer(header_line, head, keyring)
        self._newest_known(head, expected)

    def _entries(self, chain: str, count: int, expected: dict[int, str]) -> Head:
        head = empty_head(chain)
        for seq in range(1, count + 1):
            line = self._read_line(
                missing=f"The file ends before entry {seq} of {count}: its tail was cut off.", seq=seq
            )
            document = self._parse(line, seq=seq)
            if isinstance(document, dict) and "kind" in document:
                self._fail(
                    "chain_broken",
                    f"Entry {seq} of {count} is missing: the closing line stands in its place.",
                    seq,
                )
            try:
                head = check_next(head, Entry.from_document(chain, document))
            except (ChainBroken, DocumentMalformed) as error:
                self._fail(error.code, str(error), seq)
            if expected.get(seq, head.hash) != head.hash:
                self._fail(
                    "checkpoint_contradicted", f"Entry {seq} is not the one a known checkpoint names.", seq
                )
            self._report = replace(self._report, entries=seq, head=head)
        return head

    def _trailer(self, header_line: bytes, head: Head, keyring: Keyring) -> None:
        line = self._read_line(
            missing="The closing line with the signed checkpoint is missing: the tail was cut off.",
            seq=head.seq,
        )
        try:
            trailer = SignedDocument.from_document(self._parse(line, seq=head.seq))
            if trailer.kind != EXPORT_KIND or set(trailer.body) != {"checkpoint", "header_sha256"}:
                raise DocumentMalformed(
                    "The closing line is no checkpoint of an export; lines were added or changed."
                )
            checkpoint = trailer.checkpoint
            assert checkpoint is not None
            trailer.check(keyring)
        except SealError as error:
            self._fail(error.code, str(error), head.seq)
        if checkpoint.head != head:
            self._fail(
                "chain_broken",
                "The signed checkpoint names another head than the file's last entry.",
                head.seq,
            )
        if trailer.body["header_sha256"] != sha256_hex(header_line):
            self._line = 1
            self._fail("header_changed", "The header was changed: its hash is not the signed one.", None)
        self._report = replace(self._report, head=head, checkpoint=checkpoint, key_id=checkpoint.key_id)
        if self._file.read(1):
            self._line += 1
            self._fail(
                "trailing_bytes",
                "Something follows the closing line; lines were added or repeated.",
                head.seq,
            )

    def _expected_hashes(self, chain: str, keyring: Keyring) -> dict[int, str]:
        """Check the known checkpoints of this chain and return the hash each names, by entry number."""
        expected: dict[int, str] = {}
        others = 0
        for checkpoint in self._known:
            if checkpoint.chain != chain:
                others += 1
                continue
            try:
                checkpoint.check(keyring)
            except SealError as error:
                raise _Failure(
                    Problem(error.code, f"A known checkpoint cannot be used. {error}", seq=checkpoint.seq)
                ) from error
            if expected.setdefault(checkpoint.seq, checkpoint.hash) != checkpoint.hash:
                message = (
                    f"Two known checkpoints contradict each other about entry {checkpoint.seq}: two"
                    " histories were signed."
                )
                raise _Failure(Problem("checkpoint_contradicted", message, seq=checkpoint.seq))
        notes = self._report.notes
        if others:
            notes = (*notes, f"{others} known checkpoints belong to other chains and were not compared.")
        self._report = replace(self._report, checkpoints_compared=len(self._known) - others, notes=notes)
        return expected

    def _newest_known(self, head: Head, expected: dict[int, str]) -> None:
        newest = max(expected, default=0)
        if newest > head.seq:
            self._fail(
                "entries_missing",
                f"The export ends with entry {head.seq}, but a known checkpoint proves entries up to"
                f" {newest}:"
                f" entries {head.seq + 1} to {newest} are missing. It is older than what is known, or was"
                " cut.",
                head.seq + 1,
            )

    def _header(self, document: Any) -> dict[str, Any]:
        version = document.get("export") if isinstance(document, dict) else None
        if type(version) is not int or set(document) != _HEADER_FIELDS.get(version):
            self._fail(
                "document_malformed", "The first line is no header of an export of this version.", None
            )
        header: dict[str, Any] = document
        integers = (header["exported_at_ms"], header["count"])
        if any(type(value) is not int for value in integers) or header["count"] < 0:
            self._fail(
                "document_malformed", "The header's exported_at_ms and count are no integers from 0 on.", None
            )
        keys = header["keys"]
        if not isinstance(header["chain"], str) or not header["chain"] or not isinstance(keys, list):
            self._fail("document_malformed", "The header's chain is no name, or its keys are no list.", None)
        return header

    def _keyring(self, header: dict[str, Any]) -> Keyring:
        """The pinned keys, else the file's, with those to which its hand-over statements lead."""
        try:
            pinned = self._pinned_keys
            if pinned is None:
                pinned = Keyring.of(PublicKey.from_text(str(text)) for text in header["keys"])
            statements = header.get("handovers", [])
            if not isinstance(statements, list):
                raise DocumentMalformed("The header's handovers are no list.")
            return pinned.following(handovers_from(statements))
        except SealError as error:
            self._fail(error.code, str(error), None)

    def _read_line(self, missing: str, seq: int | None) -> bytes:
        self._line += 1
        line = self._file.readline(LINE_BYTES_MAX + 1)
        if not line:
            self._fail("truncated", missing, seq)
        if not line.endswith(b"\n"):
            long = len(line) > LINE_BYTES_MAX
            text = (
                f"is longer than {LINE_BYTES_MAX} bytes"
                if long
                else "has no end: the file was cut off within it"
            )
            self._fail("line_too_long" if long else "truncated", f"The line {text}.", seq)
        return line[:-1]

    def _parse(self, line: bytes, seq: int | None) -> Any:
        try:
            return parse_canonical(line)
        except SealError as error:
            self._fail(error.code, str(error), seq)

    def _fail(self, code: str, message: str, seq: int | None) -> NoReturn:
        raise _Failure(Problem(code, message, self._line, seq))
