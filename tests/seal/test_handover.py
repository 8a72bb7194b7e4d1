"""Signing keys hand over: whoever trusts one verifies all, and a stolen one gains nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bruk.seal import (
    Checkpoint,
    DocumentMalformed,
    Entry,
    Handover,
    HandoverForked,
    Head,
    Keyring,
    KeyUnknown,
    PinnedKey,
    SealError,
    SignatureInvalid,
    SignedDocument,
    SigningKey,
    empty_head,
    extend,
    verify_document,
    verify_export,
    write_export,
)

A, B, C, THIEF = (SigningKey.from_seed(bytes([number]) * 32) for number in (1, 2, 3, 9))
T0, T1, T2 = 1_000, 2_000, 3_000


def _chain(name: str, count: int) -> list[Entry]:
    head, found = empty_head(name), []
    for number in range(count):
        found.append(extend(head, {"n": number}))
        head = found[-1].head
    return found


AUDIT, LEDGER = _chain("audit", 9), _chain("ledger", 9)


def _head(entries: list[Entry], seq: int) -> Head:
    return entries[seq - 1].head if seq else empty_head(entries[0].chain)


def _heads(seq: int) -> list[Head]:
    return [_head(AUDIT, seq), _head(LEDGER, seq)]


A_TO_B = Handover.sign(A, B, T1, _heads(3))
B_TO_C = Handover.sign(B, C, T2, _heads(6), previous=A_TO_B.digest)
STATEMENTS = (A_TO_B, B_TO_C)


def _receipt(key: SigningKey, seq: int, at_ms: int, kind: str = "invoice", **body: object) -> SignedDocument:
    chain = AUDIT if kind == "switch-receipt" else LEDGER
    checkpoint = Checkpoint.sign(_head(chain, seq), at_ms, key).document()
    return SignedDocument.sign(kind, {"checkpoint": checkpoint, "issued_at_ms": at_ms, **body}, key)


def _holds(document: SignedDocument, ring: Keyring) -> bool:
    return verify_document(document, ring).ok


@pytest.mark.parametrize("pinned", [A, B, C], ids=["oldest", "middle", "newest"])
@pytest.mark.parametrize("order", [STATEMENTS, STATEMENTS[::-1]])
@pytest.mark.parametrize("kind", ["invoice", "switch-receipt"])
def test_what_each_key_signed_in_its_time_holds_whichever_is_pinned(
    pinned: SigningKey, order: tuple[Handover, ...], kind: str
) -> None:
    ring = Keyring.of([pinned.public_key]).following(order)
    for key, seq, at_ms in ((A, 2, 1_500), (A, 3, T1), (B, 3, T1), (B, 5, 2_500), (C, 6, T2), (C, 9, 9_000)):
        assert _holds(_receipt(key, seq, at_ms, kind), ring), (key, seq)


@pytest.mark.parametrize("pinned", [A, B, C], ids=["oldest", "middle", "newest"])
def test_what_a_retired_key_signs_afterwards_is_refused(pinned: SigningKey) -> None:
    ring = Keyring.of([pinned.public_key]).following(STATEMENTS)
    assert not _holds(_receipt(A, 4, 1_500), ring), "an entry that came after it"
    assert not _holds(_receipt(A, 3, T1 + 1), ring), "a time after it"
    assert not _holds(_receipt(B, 7, 2_500), ring)
    assert not _holds(SignedDocument.sign("gateway_lease", {"epoch": 1}, A), ring), "nothing shows when"
    assert _holds(SignedDocument.sign("gateway_lease", {"epoch": 1}, C), ring)


def test_a_document_with_several_checkpoints_is_held_to_each() -> None:
    """As a backup's manifest has them, which a key signed that is retired by now."""
    ring = Keyring.of([C.public_key]).following(STATEMENTS)

    def manifest(audit: int, ledger: int, at_ms: int = 1_500) -> SignedDocument:
        heads = (_head(AUDIT, audit), _head(LEDGER, ledger))
        several = [Checkpoint.sign(head, at_ms, A).document() for head in heads]
        return SignedDocument.sign("backup", {"made_at_ms": at_ms, "checkpoints": several}, A)

    assert _holds(manifest(3, 3), ring)
    assert not _holds(manifest(3, 4), ring)
    assert not _holds(manifest(4, 3), ring)
    assert not _holds(manifest(3, 3, T1 + 1), ring)
    assert not _holds(SignedDocument.sign("backup", {"checkpoints": []}, A), ring)
    with pytest.raises(DocumentMalformed):
        SignedDocument.sign("backup", {"checkpoints": "all"}, A).check(ring)


def test_an_old_checkpoint_in_a_new_document_does_not_make_it_old() -> None:
    """A thief of the retired key copies a true checkpoint out of an old receipt."""
    ring = Keyring.of([C.public_key]).following(STATEMENTS)
    true = _receipt(A, 2, 1_500).body["checkpoint"]
    for late in ({"issued_at_ms": 9_000}, {"at_ms": T1 + 1}, {"lease_ended_at_ms": 5_000}):
        forged = SignedDocument.sign("invoice", {"checkpoint": true, **late}, A)
        with pytest.raises(KeyUnknown):
            forged.check(ring)
    # What no signature can show: a document that says of itself that it is old.
    assert _holds(SignedDocument.sign("invoice", {"checkpoint": true, "issued_at_ms": 1_500}, A), ring)


@pytest.mark.parametrize("pinned", [A, B], ids=["old", "new"])
def test_a_revoked_key_is_believed_up_to_the_moment_of_the_theft_only(pinned: SigningKey) -> None:
    statement = Handover.sign(A, B, T1, _heads(5), until_ms=1_499, until_heads=_heads(2))
    ring = Keyring.of([pinned.public_key]).following([statement])
    assert _holds(_receipt(A, 2, 1_499), ring)
    assert not _holds(_receipt(A, 2, 1_500), ring)
    assert not _holds(_receipt(A, 3, 1_400), ring)
    assert _holds(_receipt(B, 5, T1), ring)


@pytest.mark.parametrize("pinned", [A, B, C], ids=["oldest", "middle", "newest"])
def test_an_export_carries_what_leads_to_its_key(tmp_path: Path, pinned: SigningKey) -> None:
    path = tmp_path / "audit.jsonl"
    write_export(path, AUDIT[-1].head, AUDIT, C, 9_000, STATEMENTS)
    ring = Keyring.of([pinned.public_key])
    known = [Checkpoint.sign(_head(AUDIT, 2), 1_500, A), Checkpoint.sign(_head(AUDIT, 5), 2_500, B)]
    report = verify_export(path, ring, known)
    assert report.ok, report.sentences()
    assert (report.key_id, report.checkpoints_compared) == (C.key_id, 2)
    assert verify_export(path, None, known).ok
    late = [Checkpoint.sign(_head(AUDIT, 5), 1_500, A)]
    assert not verify_export(path, ring, late).ok, "a checkpoint of an entry that came after its key"


def test_an_export_by_a_retired_key_holds_for_its_time_only(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    ring = Keyring.of([C.public_key]).following(STATEMENTS)
    write_export(path, _head(AUDIT, 3), AUDIT, A, 1_500)
    assert verify_export(path, ring).ok
    write_export(path, _head(AUDIT, 3), AUDIT, A, T1 + 1)
    assert not verify_export(path, ring).ok
    write_export(path, _head(AUDIT, 4), AUDIT, A, 1_500)
    assert not verify_export(path, ring).ok


def test_a_strangers_statements_lead_nowhere(tmp_path: Path) -> None:
    stranger = Handover.sign(THIEF, SigningKey.from_seed(b"\x08" * 32), T1, _heads(3))
    ring = Keyring.of([A.public_key])
    assert ring.following([stranger]) == ring
    path = tmp_path / "audit.jsonl"
    write_export(path, AUDIT[-1].head, AUDIT, THIEF, 9_000, [stranger])
    assert not verify_export(path, ring).ok


@pytest.mark.parametrize("mine", ["old_key", "new_key"])
def test_both_keys_must_have_signed(mine: str) -> None:
    """A thief signs as the one end; the other end never did: neither before nor behind a key is room."""
    claimed = replace(A_TO_B, **{mine: THIEF.public_key})  # type: ignore[arg-type]
    signature = THIEF.sign(claimed._message())
    forged = replace(claimed, old_signature=signature, new_signature=signature)
    with pytest.raises(SignatureInvalid):
        Keyring.of([A.public_key if mine == "new_key" else B.public_key]).following([forged])


@pytest.mark.parametrize(
    "change",
    [
        {"at_ms": T1 + 1},
        {"until_ms": T1 - 1},
        {"heads": tuple(_heads(4))},
        {"until_heads": tuple(_heads(2))},
        {"revoked": True},
        {"previous": "0" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_statement_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(SignatureInvalid):
        Keyring.of([A.public_key]).following([replace(A_TO_B, **change)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        Handover.sign(A, A, T1, _heads(3)),
        Handover.sign(A, B, T1, _heads(3), until_ms=T1 + 1, until_heads=_heads(3)),
        Handover.sign(A, B, T1, _heads(3), until_ms=T0, until_heads=_heads(4)),
        Handover.sign(A, B, T1, _heads(3), until_ms=T0, until_heads=_heads(2)[:1]),
        Handover.sign(A, B, T1, [*_heads(3), *_heads(2)]),
    ],
    ids=["to itself", "longer than it was used", "beyond its head", "another chain", "two heads"],
)
def test_a_statement_that_contradicts_itself_is_refused(wrong: Handover) -> None:
    with pytest.raises(DocumentMalformed):
        Keyring.of([A.public_key]).following([wrong])


def test_two_statements_of_one_key_are_a_theft_and_none_is_followed() -> None:
    fork = Handover.sign(A, THIEF, T1, _heads(3))
    for order in ([A_TO_B, fork], [fork, A_TO_B]):
        with pytest.raises(HandoverForked):
            Keyring.of([A.public_key]).following(order)
    known = Keyring.of([A.public_key]).following([A_TO_B])
    with pytest.raises(HandoverForked):
        known.following([fork])


def test_a_thief_of_a_retired_key_can_neither_go_on_with_it_nor_invent_one_before_it() -> None:
    """The thief holds B, which handed over to C; the verifier pinned C."""
    ring = Keyring.of([C.public_key])
    before = Handover.sign(THIEF, B, T1, _heads(3))
    after = Handover.sign(B, THIEF, T2, _heads(6), previous=A_TO_B.digest)
    followed = ring.following([B_TO_C, before])
    assert not _holds(_receipt(THIEF, 2, 1_500), followed)
    with pytest.raises(HandoverForked):
        ring.following([B_TO_C, after])
    assert not _holds(_receipt(THIEF, 9, 9_000), ring.following([after]))


def test_a_key_that_was_pinned_with_an_end_names_no_successor() -> None:
    ended = Keyring((PinnedKey(A.public_key, "ledger", 0, 3, T1),))
    followed = ended.following([Handover.sign(A, THIEF, T1, _heads(3))])
    assert not _holds(_receipt(THIEF, 9, 9_000), followed)
    assert _holds(_receipt(A, 3, T1), followed)


def test_a_statement_that_does_not_name_the_one_before_it_is_refused() -> None:
    unchained = Handover.sign(B, C, T2, _heads(6))
    with pytest.raises(HandoverForked):
        Keyring.of([A.public_key]).following([A_TO_B, unchained])


def test_a_ring_travels_with_its_statements(tmp_path: Path) -> None:
    ring = Keyring.of([C.public_key]).following(STATEMENTS)
    again = Keyring.from_document(json.loads(json.dumps(ring.document())))
    assert again.keys == ring.keys
    assert set(again.handovers) == set(STATEMENTS)
    for pinned in (A, B, C):
        assert _holds(_receipt(A, 2, 1_500), Keyring.of([pinned.public_key]).following(again.handovers))
    assert Keyring.from_document(again.document()) == again


def test_a_ring_written_before_keys_were_handed_over_is_read() -> None:
    old = [{"key": A.public_key.text, "chain": None, "from_seq": 0, "to_seq": None}]
    assert Keyring.from_document(old) == Keyring.of([A.public_key])


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {**A_TO_B.document(), "more": 1},
        {**A_TO_B.document(), "at_ms": "1"},
        {**A_TO_B.document(), "revoked": 0},
        {**A_TO_B.document(), "heads": []},
        {**A_TO_B.document(), "heads": [{"chain": "audit", "seq": True, "hash": ""}]},
        {**A_TO_B.document(), "new_key": "none"},
    ],
)
def test_what_is_no_statement_is_refused(document: object, tmp_path: Path) -> None:
    with pytest.raises(SealError):
        Handover.from_document(document)
