"""Exports: whole ones verify, and everything done to one is found and named."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bruk.seal import (
    ChainBroken,
    Checkpoint,
    Entry,
    ExportUnreadable,
    Keyring,
    PinnedKey,
    SealError,
    SigningKey,
    Trust,
    canonical_bytes,
    empty_head,
    extend,
    verify_export,
    write_export,
)

KEY = SigningKey.from_seed(b"\x01" * 32)
OTHER = SigningKey.from_seed(b"\x02" * 32)
RING = Keyring.of([KEY.public_key])
AT_MS = 1_700_000_000_000
COUNT = 6

in_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def chain_of(count: int, name: str = "audit", word: str = "did") -> list[Entry]:
    head, entries = empty_head(name), []
    for number in range(count):
        entries.append(extend(head, {"n": number, "what": f"{word} €"}))
        head = entries[-1].head
    return entries


ENTRIES = chain_of(COUNT)


def export(path: Path, entries: list[Entry], key: SigningKey = KEY, at_ms: int = AT_MS) -> bytes:
    write_export(path, entries[-1].head, entries, key, at_ms)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return export(tmp_path_factory.mktemp("export") / "audit.jsonl", ENTRIES)


def problem_of(
    path: Path, data: bytes, known: tuple[Checkpoint, ...] = (), ring: Keyring | None = RING
) -> tuple:
    path.write_bytes(data)
    report = verify_export(path, ring, known)
    assert report.problem is not None, "the change was not found"
    assert not report.ok
    return report.problem.code, report.problem.line, report.problem.seq


def test_a_whole_export_verifies(path: Path) -> None:
    export(path, ENTRIES)
    report = verify_export(path, RING)
    assert report.ok
    assert (report.entries, report.chain, report.trust) == (COUNT, "audit", Trust.PINNED)
    assert report.head == ENTRIES[-1].head
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(json.dumps(report.document()))["verified"] is True


def test_an_empty_chain_exports_and_verifies(path: Path) -> None:
    write_export(path, empty_head("audit"), [], KEY, AT_MS)
    assert verify_export(path, RING).ok


def test_without_pinned_keys_the_report_says_what_it_does_not_prove(path: Path) -> None:
    export(path, ENTRIES)
    report = verify_export(path, None)
    assert report.ok
    assert report.trust is Trust.FILE
    assert any("keys came from the file itself" in sentence for sentence in report.sentences())


@in_folder
@given(position=st.integers(0), mask=st.integers(1, 255))
def test_any_flipped_byte_is_found(path: Path, data: bytes, position: int, mask: int) -> None:
    changed = bytearray(data)
    changed[position % len(data)] ^= mask
    problem_of(path, bytes(changed))


def test_every_byte_counts_also_without_pinned_keys(path: Path, data: bytes) -> None:
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0x01
        line = data[:position].count(b"\n") + 1
        code, found_line, seq = problem_of(path, bytes(changed), ring=None)
        # A changed key or count of the header may only come to light at the closing line, or at the first
        # line.
        if 1 < line <= COUNT + 1:
            assert (found_line, seq) == (line, line - 1), (code, position)


def test_every_truncation_is_found_and_names_the_entry(path: Path, data: bytes) -> None:
    for length in range(len(data)):
        _, line, seq = problem_of(path, data[:length])
        assert line == data[:length].count(b"\n") + 1
        assert seq == (min(line - 1, COUNT) if line > 1 else None)


@in_folder
@given(st.permutations(range(COUNT + 2)))
def test_any_permutation_of_lines_is_found(path: Path, data: bytes, order: list[int]) -> None:
    assume(order != sorted(order))
    lines = data.splitlines(keepends=True)
    problem_of(path, b"".join(lines[index] for index in order))


@in_folder
@given(st.lists(st.integers(0, COUNT + 1), max_size=12))
def test_any_other_choice_of_lines_is_found(path: Path, data: bytes, chosen: list[int]) -> None:
    assume(chosen != list(range(COUNT + 2)))
    lines = data.splitlines(keepends=True)
    problem_of(path, b"".join(lines[index] for index in chosen))


def test_the_entry_is_named_for_lines_removed_repeated_and_swapped(path: Path, data: bytes) -> None:
    lines = data.splitlines(keepends=True)
    removed = lines[:3] + lines[4:]
    assert problem_of(path, b"".join(removed)) == ("chain_broken", 4, 3)
    repeated = [*lines[:4], lines[3], *lines[4:]]
    assert problem_of(path, b"".join(repeated)) == ("chain_broken", 5, 4)
    swapped = [*lines[:2], lines[3], lines[2], *lines[4:]]
    assert problem_of(path, b"".join(swapped)) == ("chain_broken", 3, 2)
    without_tail = [*lines[:-2], lines[-1]]
    assert problem_of(path, b"".join(without_tail)) == ("chain_broken", COUNT + 1, COUNT)
    without_trailer = lines[:-1]
    assert problem_of(path, b"".join(without_trailer)) == ("truncated", COUNT + 2, COUNT)
    assert problem_of(path, data + b"\n") == ("trailing_bytes", COUNT + 3, COUNT)


def test_a_header_rewritten_to_fit_a_cut_tail_is_found(path: Path, data: bytes) -> None:
    lines = data.splitlines(keepends=True)
    header = json.loads(lines[0])
    header["count"] = COUNT - 2
    shorter = [canonical_bytes(header) + b"\n", *lines[1 : COUNT - 1], lines[-1]]
    assert problem_of(path, b"".join(shorter)) == ("chain_broken", COUNT, COUNT - 2)


def test_a_changed_time_in_the_header_is_found_at_line_1(path: Path, data: bytes) -> None:
    lines = data.splitlines(keepends=True)
    header = {**json.loads(lines[0]), "exported_at_ms": AT_MS + 1}
    assert problem_of(path, canonical_bytes(header) + b"\n" + b"".join(lines[1:])) == (
        "header_changed",
        1,
        None,
    )


@in_folder
@given(st.integers(1, COUNT), st.text(max_size=5))
def test_a_rewritten_and_re_signed_export_fails_under_pinned_keys(path: Path, count: int, word: str) -> None:
    forged = export(path, chain_of(count, word=word), key=OTHER)
    code, line, _ = problem_of(path, forged)
    assert (code, line) == ("key_unknown", count + 2)
    path.write_bytes(forged)
    assert verify_export(path, None).ok, "it is consistent with itself, which is all that it proves"


def test_a_re_signed_export_that_names_the_pinned_key_fails(path: Path) -> None:
    forged = export(path, chain_of(3, word="never"), key=OTHER)
    renamed = forged.replace(OTHER.key_id.encode(), KEY.key_id.encode())
    renamed = renamed.replace(OTHER.public_key.text.encode(), KEY.public_key.text.encode())
    assert problem_of(path, renamed)[0] == "signature_invalid"


def test_an_older_valid_export_is_refuted_by_a_later_receipt(path: Path) -> None:
    older = export(path, ENTRIES[:4])
    known = Checkpoint.sign(ENTRIES[-1].head, AT_MS + 9, KEY)
    assert problem_of(path, older, (known,)) == ("entries_missing", 6, 5)
    path.write_bytes(older)
    assert (
        verify_export(path, RING, (Checkpoint.sign(ENTRIES[2].head, AT_MS, KEY),)).checkpoints_compared == 1
    )


def test_another_history_under_the_right_key_is_refuted_by_a_receipt(path: Path) -> None:
    known = Checkpoint.sign(ENTRIES[2].head, AT_MS, KEY)
    rewritten = export(path, ENTRIES[:2] + _continue(ENTRIES[1], 4))
    assert problem_of(path, rewritten, (known,)) == ("checkpoint_contradicted", 4, 3)
    both = (known, Checkpoint.sign(replace(ENTRIES[2].head, hash="1" * 64), AT_MS, KEY))
    assert problem_of(path, rewritten, both)[0] == "checkpoint_contradicted"


def _continue(entry: Entry, count: int) -> list[Entry]:
    entries, head = [], entry.head
    for number in range(count):
        entries.append(extend(head, {"other": number}))
        head = entries[-1].head
    return entries


def test_a_known_checkpoint_must_itself_be_genuine(path: Path, data: bytes) -> None:
    forged = Checkpoint.sign(ENTRIES[-1].head, AT_MS, OTHER)
    assert problem_of(path, data, (forged,)) == ("key_unknown", None, COUNT)


def test_checkpoints_of_other_chains_are_not_compared_and_the_report_says_so(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    report = verify_export(path, RING, (Checkpoint.sign(chain_of(9, "ledger")[-1].head, AT_MS, KEY),))
    assert report.ok
    assert report.checkpoints_compared == 0
    assert "other chains" in report.notes[0]


def test_a_rotated_key_holds_for_its_stretch_only(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert verify_export(path, Keyring((PinnedKey(KEY.public_key, "audit", 0, COUNT),))).ok
    early = Keyring((PinnedKey(KEY.public_key, "audit", 0, COUNT - 1),))
    assert problem_of(path, data, ring=early)[0] == "key_unknown"
    elsewhere = Keyring((PinnedKey(KEY.public_key, "ledger"),))
    assert problem_of(path, data, ring=elsewhere)[0] == "key_unknown"


def test_a_broken_chain_is_never_signed(path: Path) -> None:
    broken = [*ENTRIES[:2], replace(ENTRIES[2], body={"n": "changed"}), *ENTRIES[3:]]
    with pytest.raises(ChainBroken) as caught:
        write_export(path, ENTRIES[-1].head, broken, KEY, AT_MS)
    assert caught.value.seq == 3
    with pytest.raises(ChainBroken):
        write_export(path, ENTRIES[-1].head, ENTRIES[:3], KEY, AT_MS)
    assert list(path.parent.iterdir()) == []


def test_entries_beyond_the_stated_head_are_left_out(path: Path) -> None:
    write_export(path, ENTRIES[2].head, ENTRIES, KEY, AT_MS)
    assert verify_export(path, RING).entries == 3


def test_an_entry_too_long_for_a_line_is_refused_before_it_is_signed(path: Path) -> None:
    entry = extend(empty_head("audit"), {"text": "x" * (4 * 1024 * 1024)})
    with pytest.raises(SealError, match="longer"):
        write_export(path, entry.head, [entry], KEY, AT_MS)


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b"\x00" * 100,
        b"x" * (5 * 1024 * 1024),
        b"[" * 100_000 + b"\n",
    ],
)
def test_something_else_is_reported_not_raised(path: Path, junk: bytes) -> None:
    _, line, seq = problem_of(path, junk)
    assert (line, seq) == (1, None)


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    for wrong in (tmp_path / "none", tmp_path):
        with pytest.raises(ExportUnreadable, match="cannot be read"):
            verify_export(wrong, RING)


def test_memory_does_not_grow_with_the_export(path: Path) -> None:
    def peak_bytes(count: int) -> int:
        export(path, chain_of(count))
        tracemalloc.start()
        assert verify_export(path, RING).entries == count
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak_bytes(4000) < peak_bytes(200) + 100_000
