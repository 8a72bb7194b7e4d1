"""Keys: files that only the owner reads, short texts, and rings that know rotation."""

import os
import subprocess
from pathlib import Path

import pytest

from bruk.seal import (
    DocumentMalformed,
    KeyFileExists,
    KeyFileMalformed,
    KeyFileMissing,
    KeyFileUnsafe,
    Keyring,
    KeyUnknown,
    PinnedKey,
    PublicKey,
    SignatureInvalid,
    SigningKey,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "audit.pem"


def test_a_saved_key_is_private_and_signs_the_same(path: Path) -> None:
    key = SigningKey.generate()
    previous = os.umask(0)
    try:
        key.save(path)
    finally:
        os.umask(previous)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == [path.name]
    assert SigningKey.load(path).sign(b"x") == key.sign(b"x")


def test_a_key_is_never_overwritten(path: Path) -> None:
    SigningKey.generate().save(path)
    before = path.read_bytes()
    with pytest.raises(KeyFileExists):
        SigningKey.generate().save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_a_key_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    SigningKey.generate().save(path)
    path.chmod(mode)
    with pytest.raises(KeyFileUnsafe, match="chmod 600"):
        SigningKey.load(path)


def test_a_folder_open_to_others_is_refused(path: Path) -> None:
    key = SigningKey.generate()
    key.save(path)
    path.parent.chmod(0o777)
    with pytest.raises(KeyFileUnsafe, match="chmod 700"):
        SigningKey.load(path)
    with pytest.raises(KeyFileUnsafe):
        key.save(path.with_name("other.pem"))


def test_a_link_a_folder_and_nothing_are_no_key_files(path: Path) -> None:
    SigningKey.generate().save(path)
    link = path.with_name("link.pem")
    link.symlink_to(path)
    with pytest.raises(KeyFileUnsafe):
        SigningKey.load(link)
    with pytest.raises(KeyFileUnsafe):
        SigningKey.load(path.parent)
    with pytest.raises(KeyFileMissing):
        SigningKey.load(path.with_name("none.pem"))


def test_every_truncation_of_a_key_file_is_malformed(path: Path) -> None:
    SigningKey.generate().save(path)
    pem = path.read_bytes()
    for length in range(0, len(pem) - 1, 7):
        path.write_bytes(pem[:length])
        with pytest.raises(KeyFileMalformed):
            SigningKey.load(path)


def test_a_key_of_another_kind_is_malformed(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    SigningKey.generate().save(path)
    other = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        other.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(KeyFileMalformed, match="another kind"):
        SigningKey.load(path)


def test_the_first_vector_of_rfc_8032() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = SigningKey.from_seed(seed)
    assert key.public_key.raw.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    key.public_key.verify(b"", key.sign(b""))


def test_public_keys_travel_as_text() -> None:
    public_key = SigningKey.generate().public_key
    assert PublicKey.from_text(public_key.text) == public_key
    assert len(public_key.text) == 51
    assert len(public_key.key_id) == 16


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 43, "ed25519:" + "é" * 43])
def test_other_texts_are_no_public_keys(text: str) -> None:
    with pytest.raises(KeyFileMalformed):
        PublicKey.from_text(text)


def test_a_second_spelling_of_a_key_or_signature_is_refused() -> None:
    # 43 characters carry 258 bits for 256, so the last character has spellings that decode alike.
    key = SigningKey.from_seed(b"\x01" * 32)
    text = key.public_key.text
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]
    with pytest.raises(KeyFileMalformed):
        PublicKey.from_text(twin)
    signature = key.sign(b"m")
    for other in (signature[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1], signature + "=", "", "é"):
        with pytest.raises(SignatureInvalid):
            key.public_key.verify(b"m", other)


def test_the_private_key_never_shows(path: Path) -> None:
    key = SigningKey.from_seed(b"\x07" * 32)
    assert repr(key) == f"SigningKey(key_id={key.key_id!r})"


def test_a_ring_knows_rotation() -> None:
    old, new = SigningKey.generate(), SigningKey.generate()
    ring = Keyring(
        (
            PinnedKey(old.public_key, "audit", 0, 9),
            PinnedKey(new.public_key, "audit", 10),
            PinnedKey(old.public_key, "ledger"),
        )
    )
    assert ring.for_chain(old.key_id, "audit", 9) == old.public_key
    assert ring.for_chain(new.key_id, "audit", 10) == new.public_key
    assert ring.for_chain(old.key_id, "ledger", 99) == old.public_key
    for key_id, seq in ((old.key_id, 10), (new.key_id, 9), ("0" * 16, 1)):
        with pytest.raises(KeyUnknown):
            ring.for_chain(key_id, "audit", seq)
    assert Keyring.from_document(ring.document()) == ring


@pytest.mark.parametrize(
    "document",
    [None, {}, [1], [{}], [{"key": 1}], [{"key": "x", "until": 1}], [{"key": "x", "from_seq": "1"}]],
)
def test_a_malformed_ring_is_refused(document: object) -> None:
    with pytest.raises(DocumentMalformed):
        Keyring.from_document(document)


def test_openssl_reads_the_key_file(path: Path) -> None:
    SigningKey.generate().save(path)
    try:
        shown = subprocess.run(
            ["openssl", "pkey", "-in", path, "-noout", "-text"], capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    assert "ED25519" in shown.stdout
