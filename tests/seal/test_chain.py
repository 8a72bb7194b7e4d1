"""Chains: what follows what."""

from dataclasses import replace

import pytest

from bruk.seal import (
    GENESIS_HASH,
    ChainBroken,
    DocumentMalformed,
    Entry,
    check_next,
    digest,
    empty_head,
    extend,
)


def test_the_hash_is_the_documented_formula() -> None:
    entry = extend(empty_head("audit"), {"who": "ada"})
    assert (entry.seq, entry.prev) == (1, GENESIS_HASH)
    assert entry.hash == digest({"chain": "audit", "seq": 1, "prev": "0" * 64, "body": {"who": "ada"}})


def test_entries_follow_each_other() -> None:
    head = empty_head("ledger")
    for number in range(5):
        head = check_next(head, extend(head, {"n": number}))
    assert head.seq == 5


def test_the_same_body_has_another_hash_in_another_chain() -> None:
    assert extend(empty_head("audit"), {}).hash != extend(empty_head("ledger"), {}).hash


@pytest.mark.parametrize(
    "change",
    [{"body": {"n": 2}}, {"seq": 3}, {"prev": "1" * 64}, {"hash": "1" * 64}, {"chain": "ledger"}],
)
def test_any_changed_field_breaks_the_chain_and_names_the_entry(change: dict[str, object]) -> None:
    head = extend(empty_head("audit"), {}).head
    entry = replace(extend(head, {"n": 1}), **change)  # type: ignore[arg-type]
    with pytest.raises(ChainBroken) as caught:
        check_next(head, entry)
    assert caught.value.seq == 2
    assert caught.value.detail == {"chain": "audit", "seq": 2}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"seq": True, "prev": "", "hash": "", "body": {}},
        {"seq": 1, "prev": "", "hash": "", "body": []},
    ],
)
def test_a_malformed_entry_is_refused(document: object) -> None:
    with pytest.raises(DocumentMalformed):
        Entry.from_document("audit", document)
