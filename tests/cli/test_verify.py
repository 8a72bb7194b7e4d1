"""Verification at the command line: no server, exit status 8, the entry named."""

import json

import pytest

from bruk.seal import SignedDocument, SigningKey, empty_head, extend, write_export

KEY = SigningKey.from_seed(b"k" * 32)
OTHER = SigningKey.from_seed(b"o" * 32)


@pytest.fixture
def files(tmp_path):
    """An export of three entries, a receipt, and the key files of the right and of another operator."""
    head, entries = empty_head("audit"), []
    for number in range(3):
        entries.append(extend(head, {"action": f"step.{number}"}))
        head = entries[-1].head
    write_export(tmp_path / "audit.jsonl", head, entries, KEY, 1_000)
    write_export(tmp_path / "forged.jsonl", head, entries, OTHER, 1_000)
    receipt = SignedDocument.sign("switch-receipt", {"number": "rcpt_1"}, KEY)
    (tmp_path / "receipt.json").write_bytes(receipt.to_bytes())
    (tmp_path / "key.txt").write_text(KEY.public_key.text + "\n")
    (tmp_path / "ring.json").write_text(
        json.dumps([{"key": KEY.public_key.text, "chain": None, "from_seq": 0, "to_seq": None}])
    )
    (tmp_path / "other.txt").write_text(OTHER.public_key.text)
    return tmp_path


@pytest.mark.parametrize("key", ["key.txt", "ring.json"])
def test_what_is_whole_verifies(bruk, files, key):
    status, out, err = bruk("audit", "verify", str(files / "audit.jsonl"), "--key", str(files / key))
    assert (status, err) == (0, "")
    assert "3 entries" in out
    assert bruk("receipt", "verify", str(files / "receipt.json"), "--key", str(files / key))[0] == 0


def test_without_keys_an_export_is_only_known_to_be_whole(bruk, files):
    status, out, err = bruk("audit", "verify", str(files / "audit.jsonl"))
    assert status == 0
    assert "not who wrote it" in err
    assert "verified" in out


def test_the_keys_of_this_home_are_used_when_none_is_given(bruk, files):
    home = files / "home"
    (home / "keys").mkdir(parents=True)
    (home / "keys" / "public.json").write_text((files / "ring.json").read_text())
    assert bruk("receipt", "verify", str(files / "receipt.json"))[0] == 0
    status, _, err = bruk("audit", "verify", str(files / "forged.jsonl"))
    assert status == 8
    assert "not among the pinned keys" in err


@pytest.mark.parametrize("options", [["--key", "other.txt"], ["--pin", OTHER.key_id], ["--pin", "0" * 16]])
def test_another_key_fails(bruk, files, options):
    options = [str(files / option) if option.endswith(".txt") else option for option in options]
    for kind, name in (("audit", "audit.jsonl"), ("receipt", "receipt.json")):
        assert bruk(kind, "verify", str(files / name), *options)[0] == 8


def test_a_log_signed_again_with_another_key_fails_under_the_pin(bruk, files):
    assert bruk("audit", "verify", str(files / "audit.jsonl"), "--pin", KEY.key_id)[0] == 0
    status, _, err = bruk("audit", "verify", str(files / "forged.jsonl"), "--pin", KEY.key_id)
    assert status == 8
    assert "entry 3" in err
    whole = KEY.public_key.text
    assert bruk("receipt", "verify", str(files / "receipt.json"), "--pin", whole)[0] == 0


def test_every_changed_byte_of_an_export_is_found(bruk, files):
    data = bytearray((files / "audit.jsonl").read_bytes())
    for place in range(0, len(data), 97):
        changed = data[:]
        changed[place] ^= 1
        (files / "changed.jsonl").write_bytes(changed)
        status, _, err = bruk(
            "audit", "verify", str(files / "changed.jsonl"), "--key", str(files / "key.txt")
        )
        assert status == 8, place
        assert "FAILED at line" in err


def test_the_report_as_json_names_the_entry(bruk, files):
    lines = (files / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (files / "cut.jsonl").write_bytes(b"".join(lines[:3]))
    status, out, _ = bruk(
        "audit", "verify", str(files / "cut.jsonl"), "--key", str(files / "key.txt"), "--json"
    )
    report = json.loads(out)
    assert (status, report["verified"], report["problem"]["seq"]) == (8, False, 3)


def test_a_receipt_is_no_invoice(bruk, files):
    status, _, err = bruk("invoice", "verify", str(files / "receipt.json"), "--key", str(files / "key.txt"))
    assert status == 8
    assert "switch-receipt" in err


@pytest.mark.parametrize("content", ["", "nonsense", "[1]", "{", '{"keys": 3}', '[{"key": "ed25519:x"}]'])
def test_a_key_file_that_is_none_is_wrong_use(bruk, files, content):
    (files / "bad.txt").write_text(content)
    status, _, err = bruk("receipt", "verify", str(files / "receipt.json"), "--key", str(files / "bad.txt"))
    assert status == 2
    assert "Traceback" not in err


def test_files_that_are_not_there(bruk, files):
    assert bruk("receipt", "verify", str(files / "receipt.json"), "--key", str(files / "none"))[0] == 3
    assert bruk("receipt", "verify", str(files / "none.json"), "--key", str(files / "key.txt"))[0] == 3
    assert bruk("receipt", "verify", str(files / "receipt.json"), "--pin", "short")[0] == 2
