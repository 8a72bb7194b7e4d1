"""Checkpoints and signed documents, and their verification."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bruk.seal import (
    Checkpoint,
    DocumentMalformed,
    ExportUnreadable,
    Keyring,
    KeyUnknown,
    PinnedKey,
    SignatureInvalid,
    SignedDocument,
    SigningKey,
    Trust,
    empty_head,
    extend,
    verify_document,
    verify_document_file,
)

KEY = SigningKey.from_seed(b"\x01" * 32)
OTHER = SigningKey.from_seed(b"\x02" * 32)
RING = Keyring.of([KEY.public_key])
HEAD = extend(empty_head("audit"), {"n": 1}).head
CHECKPOINT = Checkpoint.sign(HEAD, 1_700_000_000_000, KEY)
RECEIPT = SignedDocument.sign("switch_receipt", {"left": 0, "checkpoint": CHECKPOINT.document()}, KEY)


def test_a_checkpoint_travels_and_verifies() -> None:
    again = Checkpoint.from_document(CHECKPOINT.document())
    assert again == CHECKPOINT
    assert again.head == HEAD
    again.check(RING)


@pytest.mark.parametrize("field", ["chain", "seq", "hash", "at_ms"])
def test_a_changed_checkpoint_fails(field: str) -> None:
    document = CHECKPOINT.document()
    document[field] = document[field] + 1 if isinstance(document[field], int) else document[field] + "0"
    with pytest.raises(SignatureInvalid):
        Checkpoint.from_document(document).check(RING)


def test_a_checkpoint_by_another_key_fails() -> None:
    with pytest.raises(KeyUnknown):
        Checkpoint.sign(HEAD, 1, OTHER).check(RING)


@pytest.mark.parametrize(
    "document", [None, {}, {**CHECKPOINT.document(), "seq": True}, {**CHECKPOINT.document(), "x": 1}]
)
def test_a_malformed_checkpoint_is_refused(document: object) -> None:
    with pytest.raises(DocumentMalformed):
        Checkpoint.from_document(document)


def test_a_signature_for_one_purpose_does_not_serve_another() -> None:
    statement = {key: value for key, value in CHECKPOINT.document().items() if key != "signature"}
    with pytest.raises(SignatureInvalid):
        SignedDocument("checkpoint", statement, KEY.key_id, CHECKPOINT.signature).check(RING)


def test_a_document_verifies_with_its_checkpoint() -> None:
    report = verify_document(RECEIPT, RING)
    assert report.ok
    assert report.trust is Trust.PINNED
    assert report.checkpoint == CHECKPOINT
    assert SignedDocument.from_bytes(RECEIPT.to_bytes()) == RECEIPT


def test_without_pinned_keys_a_document_proves_nothing_and_the_report_says_so() -> None:
    report = verify_document(RECEIPT, None)
    assert not report.ok
    assert "could not be checked: it is signed by key" in report.sentences()[0]
    assert "FAILED" not in report.sentences()[0]


def test_a_document_signed_by_another_key_fails() -> None:
    report = verify_document(SignedDocument.sign("invoice", RECEIPT.body, OTHER), RING)
    assert report.problem is not None
    assert report.problem.code == "key_unknown"


def test_a_forged_checkpoint_inside_a_rightly_signed_document_fails() -> None:
    forged = {**CHECKPOINT.document(), "seq": 99}
    report = verify_document(SignedDocument.sign("invoice", {"checkpoint": forged}, KEY), RING)
    assert report.problem is not None
    assert report.problem.code == "signature_invalid"
    broken = verify_document(SignedDocument.sign("invoice", {"checkpoint": "none"}, KEY), RING)
    assert broken.problem is not None
    assert broken.problem.code == "document_malformed"


def test_a_key_rotated_out_signs_no_new_receipt_but_its_old_ones_hold() -> None:
    ring = Keyring((PinnedKey(KEY.public_key, "audit", 0, 1), PinnedKey(OTHER.public_key, "audit", 2)))
    assert verify_document(RECEIPT, ring).ok
    later = extend(HEAD, {"n": 2}).head
    body = {"checkpoint": Checkpoint.sign(later, 2, OTHER).document()}
    assert verify_document(SignedDocument.sign("switch_receipt", body, OTHER), ring).ok
    late = verify_document(SignedDocument.sign("switch_receipt", body, KEY), ring)
    assert late.problem is not None
    assert late.problem.code == "key_unknown"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(RECEIPT.to_bytes()) - 1), st.integers(1, 255))
def test_any_flipped_byte_of_a_document_file_fails(tmp_path: Path, position: int, mask: int) -> None:
    data = bytearray(RECEIPT.to_bytes())
    data[position] ^= mask
    path = tmp_path / "receipt.json"
    path.write_bytes(data)
    assert not verify_document_file(path, RING).ok


def test_any_truncation_of_a_document_file_fails(tmp_path: Path) -> None:
    data = RECEIPT.to_bytes()
    path = tmp_path / "receipt.json"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        report = verify_document_file(path, RING)
        assert report.problem is not None
        assert report.problem.line == 1
    path.write_bytes(data)
    assert verify_document_file(path, RING).ok
    path.write_bytes(data + data)
    assert not verify_document_file(path, RING).ok


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ExportUnreadable, match=r"none\.json"):
        verify_document_file(tmp_path / "none.json", RING)
