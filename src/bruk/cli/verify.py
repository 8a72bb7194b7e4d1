"""Offline verification at the command line: keys in, a report out, exit status 8 when it fails."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bruk.cli import output
from bruk.cli.exits import NOT_VERIFIED
from bruk.cli.settings import settings
from bruk.model.errors import InvalidInput, NotFound
from bruk.model.jsontext import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from bruk.seal import Checkpoint, Keyring, PublicKey, VerifyReport

KeyOption = Annotated[
    Path | None,
    typer.Option("--key", help="File with the operator's public key, or a list of them, from a trusted way."),
]
PinOption = Annotated[
    str | None,
    typer.Option("--pin", help="The one key to trust: its id (16 hexadecimal digits) or ed25519:..."),
]
HandoversOption = Annotated[
    Path | None,
    typer.Option(
        "--handovers",
        help="A keyring whose hand-over statements lead from the trusted key to others; not trusted itself.",
    ),
]
_KEY_ID = re.compile(r"[0-9a-f]{16}")
READ_BYTES_MAX = 8 * 1024 * 1024


def export(
    ctx: typer.Context,
    file: Path,
    key_file: Path | None,
    pin: str | None,
    checkpoints_in: list[Path],
    json: bool,
    handovers: Path | None = None,
) -> None:
    """Verify an exported chain and end with the fitting exit status."""
    from bruk.seal import verify_export

    keyring = _keyring(ctx, key_file, pin, lambda: _keys_in_header(file), handovers)
    known = [_checkpoint(path) for path in checkpoints_in]
    _report(verify_export(file, keyring, known), json)


def document(
    ctx: typer.Context,
    file: Path,
    kind: str,
    key_file: Path | None,
    pin: str | None,
    json: bool,
    handovers: Path | None = None,
) -> None:
    """Verify a sealed document of a kind and end with the fitting exit status."""
    from dataclasses import replace

    from bruk.seal import Problem, SignedDocument, verify_document_file

    report = verify_document_file(file, _keyring(ctx, key_file, pin, list, handovers))
    if report.ok:
        found = SignedDocument.from_bytes(file.read_bytes()).kind
        if found != kind:
            wrong = Problem("document_malformed", f"It is of kind {found!r}, not {kind!r}.")
            report = replace(report, problem=wrong)
    _report(report, json)


def save_document(found: dict[str, Any], path: Path) -> None:
    """Write a sealed document to a file in the canonical form that verification reads.

    Raises:
        InvalidInput: it is no sealed document, or the file cannot be written.
    """
    from bruk.sdk.whole_file import written_whole
    from bruk.seal import SignedDocument

    with written_whole(path, replace=True) as file:
        file.write(SignedDocument.from_document(found).to_bytes())


def _report(report: "VerifyReport", json: bool) -> None:
    if json:
        output.show_json(report.document())
    else:
        first, *notes = report.sentences()
        (output.say if report.ok else output.note)(first)
        for sentence in notes:
            output.note(sentence)
    if not report.ok:
        raise typer.Exit(NOT_VERIFIED)


def _keyring(
    ctx: typer.Context,
    key_file: Path | None,
    pin: str | None,
    carried: "Callable[[], list[PublicKey]]",
    handovers: Path | None,
) -> "Keyring | None":
    """The keys to trust: those of the file given, else those that this home has pinned, else none; with a
    pin, the one of them (or of those that the evidence carries) that it names. From these on, hand-over
    statements are followed: of the file given for that, and of the ring in which the pinned key was found."""
    from bruk.seal import Keyring, PublicKey

    source = key_file or next((path for path in _pinned_at(settings(ctx).home) if path.is_file()), None)
    ring = None if source is None else keyring_of(source)
    statements = [*(ring.handovers if ring else ())]
    if handovers is not None:
        statements += keyring_of(handovers).handovers
    if pin is None:
        if source is not None and key_file is None:
            output.note(f"Checked against the keys in {source}; --key takes another operator's.")
        return None if ring is None else ring.following(statements)
    if pin.startswith("ed25519:"):
        return Keyring.of([PublicKey.from_text(pin)]).following(statements)
    if not _KEY_ID.fullmatch(pin):
        raise InvalidInput(f"--pin {pin!r} is neither 16 hexadecimal digits nor a key like ed25519:...")
    known = [item.public_key for item in ring.keys] if ring else []
    known += [key for item in statements for key in (item.old_key, item.new_key)]
    matching = [key for key in [*known, *([] if key_file else carried())] if key.key_id == pin]
    # Where nobody has that key, nothing is trusted, and verification fails and says by whom it was signed.
    return Keyring.of(matching[:1]).following(statements)


def _pinned_at(home: Path) -> list[Path]:
    """Where a home keeps the public keys of its control."""
    return [home / "keys" / "public.json", *sorted(home.glob("gateways/*/control.pub"))]


def keyring_of(path: Path) -> "Keyring":
    """The public keys in a file: one key's text a line, a keyring, or what '/keys/public' answers.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it holds no public keys.
    """
    from bruk.seal import Keyring, PublicKey

    text = _text_of(path)
    if text.lstrip().startswith(("[", "{", '"')):
        try:
            parsed = parse_json(text)
        except ValueError as error:
            raise InvalidInput(f"{path} is not JSON: {error}") from None
        while isinstance(parsed, dict):
            parsed = parsed.get("keys", parsed.get("items", []))
        return Keyring.from_document(parsed if isinstance(parsed, list) else [parsed])
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InvalidInput(
            f"{path} holds no public key. Take the operator's keys/public.json, or what "
            "/api/v1/keys/public answers."
        )
    return Keyring.of(PublicKey.from_text(line) for line in lines)


def _keys_in_header(file: Path) -> "list[PublicKey]":
    """The keys that an export names in its first line; trusted only as far as the pinned id goes."""
    from bruk.model.errors import BrukError
    from bruk.seal import PublicKey, handovers_from

    try:
        with file.open("rb") as opened:
            header = parse_json(opened.readline(READ_BYTES_MAX))
        found = [PublicKey.from_text(text) for text in header["keys"]]
        for item in handovers_from(header.get("handovers", [])):
            found += [item.old_key, item.new_key]
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BrukError):
        # Verification itself says what is wrong with the file.
        return []


def _checkpoint(path: Path) -> "Checkpoint":
    """The checkpoint inside a receipt or an invoice."""
    from bruk.seal import SignedDocument

    checkpoint = SignedDocument.from_bytes(_text_of(path).encode("utf-8")).checkpoint
    if checkpoint is None:
        raise InvalidInput(
            f"{path} does not say how long the log was when it was signed; take a receipt or an invoice"
        )
    return checkpoint


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(READ_BYTES_MAX).decode("utf-8")
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from None
