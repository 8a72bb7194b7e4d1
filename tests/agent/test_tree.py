"""Packing is deterministic; unpacking trusts nothing."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.conftest import tar_of

from bruk.agent.tree import UnsafeTree, pack, unpack


def special(kind: bytes, name: str = "x", linkname: str = "", size: int = 0) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tar_member("first", 1), io.BytesIO(b"1"))
        member = tar_member(name, size)
        member.type, member.linkname = kind, linkname
        archive.addfile(member)
    return target.getvalue()


def tar_member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def unpacked(tmp_path: Path, data: bytes, **limits: int) -> Path:
    (tmp_path / "in.tar").write_bytes(data)
    unpack(tmp_path / "in.tar", tmp_path / "out", **limits)
    return tmp_path / "out"


@pytest.mark.parametrize(
    "data",
    [
        tar_of(("/etc/passwd", b"x")),
        tar_of(("../escape", b"x")),
        tar_of(("a/../../escape", b"x")),
        tar_of(("a", "/etc/passwd")),
        tar_of(("a", ".."), ("a/escape", b"x")),
        tar_of(("a", b"1"), ("a", b"2")),
        tar_of(("a", b"1"), ("a/b", b"2")),
        tar_of(("", b"x")),
        special(tarfile.LNKTYPE, linkname="first"),
        special(tarfile.LNKTYPE, linkname="/etc/passwd"),
        special(tarfile.CHRTYPE),
        special(tarfile.BLKTYPE),
        special(tarfile.FIFOTYPE),
        special(tarfile.GNUTYPE_SPARSE),
        tar_of(("a", b"x" * 5000))[:1024],
        b"this is no archive at all" * 100,
    ],
    ids=[
        "absolute", "parent", "parent within", "symbolic link", "through a link", "twice", "file as folder",
        "no name", "hard link", "hard link out", "character device", "block device", "pipe", "sparse", "cut",
        "no archive",
    ],
)  # fmt: skip
def test_an_unsafe_archive_is_refused_and_nothing_leaves_the_folder(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnsafeTree):
        unpacked(tmp_path / "", data)
    assert {path.name for path in tmp_path.iterdir()} <= {"in.tar", "out"}
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeTree, match="more than 3"):
        unpacked(tmp_path, tar_of(*((f"f{i}", b"") for i in range(4))), members_max=3)


def test_a_member_that_claims_more_than_the_archive_has_is_refused(tmp_path: Path) -> None:
    header = tar_member("huge", 2**40).tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(UnsafeTree):
        unpacked(tmp_path, header + b"x" * 1024)


def test_a_huge_header_is_not_read_into_memory(tmp_path: Path) -> None:
    header = tar_member("pax", 2**33)
    header.type = tarfile.XHDTYPE
    path = tmp_path / "in.tar"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT))
    os.truncate(path, 2**33 + 4096)
    with pytest.raises(UnsafeTree, match="too large"):
        unpack(path, tmp_path / "out")


def test_what_was_packed_comes_back(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "empty").mkdir()
    (source / "deep" / "er" / "data").write_bytes(b"\0\1" * 1000)
    (source / ("long" * 40)).write_bytes(b"long name")
    (source / "überall").write_text("ä")
    (source / "run.sh").write_text("true")
    (source / "run.sh").chmod(0o755)
    pack(source, tmp_path / "in.tar")
    unpack(tmp_path / "in.tar", tmp_path / "out")
    for path in source.rglob("*"):
        copy = tmp_path / "out" / path.relative_to(source)
        assert copy.is_dir() == path.is_dir()
        if path.is_file():
            assert copy.read_bytes() == path.read_bytes()
            assert copy.stat().st_mode & 0o777 == (0o555 if path.name == "run.sh" else 0o444)
    pack(tmp_path / "out", tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "in.tar").read_bytes()


names = st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=3).map("/".join)


@given(files=st.dictionaries(names, st.binary(max_size=20), max_size=6), data=st.data())
def test_equal_folders_have_equal_bytes(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], data: st.DataObject
) -> None:
    files = {name: body for name, body in files.items() if not any(o.startswith(name + "/") for o in files)}
    packed = []
    for order in (list(files), data.draw(st.permutations(list(files)))):
        base = tmp_path_factory.mktemp("tree")
        (base / "in").mkdir()
        for name in order:
            (base / "in" / name).parent.mkdir(parents=True, exist_ok=True)
            (base / "in" / name).write_bytes(files[name])
        pack(base / "in", base / "out.tar")
        packed.append((base / "out.tar").read_bytes())
    assert packed[0] == packed[1]


def test_links_within_become_content_and_links_out_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "real").write_bytes(b"weights")
    (source / "latest").symlink_to("sub/real")
    pack(source, tmp_path / "in.tar")
    unpack(tmp_path / "in.tar", tmp_path / "out")
    assert (tmp_path / "out" / "latest").read_bytes() == b"weights"
    (tmp_path / "secret").write_text("token")
    for target in ("../secret", str(tmp_path / "secret"), "sub", "loop"):
        link = source / "loop"
        link.symlink_to(target)
        with pytest.raises((UnsafeTree, OSError)):
            pack(source, tmp_path / "refused.tar")
        link.unlink()
    os.mkfifo(source / "pipe")
    with pytest.raises(UnsafeTree, match="neither"):
        pack(source, tmp_path / "refused.tar")
