"""The deterministic tar: the same folder gives the same bytes, and unpacking trusts nothing."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.wire.tars import member, tar_of

from bruk.wire.tree import UnsafeTree, pack, safe_name, unpack

NAMES = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="/\0"), min_size=1, max_size=40
).filter(lambda name: name not in {".", ".."} and len(name.encode()) <= 120)
FOLDERS = st.recursive(
    st.tuples(st.binary(max_size=300), st.booleans()),
    lambda inner: st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


def build(folder: Path, content: dict) -> None:
    folder.mkdir()
    for name, value in content.items():
        if isinstance(value, dict):
            build(folder / name, value)
        else:
            (folder / name).write_bytes(value[0])
            (folder / name).chmod(0o755 if value[1] else 0o640)


def read_back(folder: Path) -> dict:
    return {
        path.name: read_back(path)
        if path.is_dir()
        else (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in folder.iterdir()
    }


def packed(folder: Path) -> bytes:
    file = io.BytesIO()
    pack(folder, file)
    return file.getvalue()


def special(kind: bytes, linkname: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(member("first", 1), io.BytesIO(b"1"))
        tar.addfile(member("x", kind=kind, linkname=linkname))
    return file.getvalue()


def header_only(made: tarfile.TarInfo) -> bytes:
    return made.tobuf(tarfile.GNU_FORMAT)


@given(FOLDERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_folder_comes_back_as_it_was_and_packs_the_same_everywhere(tmp_path_factory, content):
    place = tmp_path_factory.mktemp("tree")
    build(place / "one", content)
    build(place / "two", dict(reversed(content.items())))
    os.utime(place / "two", (1, 1))
    data = packed(place / "one")
    assert data == packed(place / "two")
    unpack(io.BytesIO(data), place / "back")
    assert read_back(place / "back") == content


def test_the_digest_of_a_folder_never_changes(tmp_path):
    """Stored artifacts are named by it: another digest would make every one of them new."""
    build(
        tmp_path / "folder",
        {"a": {"x": (b"1", False)}, "a-b": (b"2", True), "a.c": {}, "é": {"Ω" * 60: (b"3" * 999, False)}},
    )
    digest = hashlib.sha256(packed(tmp_path / "folder")).hexdigest()
    assert digest == "b1db4a3296bd79fb2bd1c768acd2e85ed79304cce92f3697ddeb88b39fee6b3a"


def test_read_only_takes_every_write_bit_and_packs_the_same_again(tmp_path):
    build(
        tmp_path / "in", {"deep": {"er": {"data": (b"\0\1" * 1000, False)}}, "empty": {}, "run": (b"", True)}
    )
    data = packed(tmp_path / "in")
    unpack(io.BytesIO(data), tmp_path / "out", read_only=True)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*")}
    assert modes == {"deep": 0o555, "er": 0o555, "data": 0o444, "empty": 0o555, "run": 0o555}
    assert packed(tmp_path / "out") == data


@pytest.mark.parametrize(
    "data",
    [
        tar_of(("/etc/passwd", b"x")),
        tar_of(("../escape", b"x")),
        tar_of(("a/../../escape", b"x")),
        tar_of(("a//b", b"x")),
        tar_of(("./a", b"x")),
        tar_of(("a/..", None)),
        tar_of(("", b"x")),
        tar_of(("a", "/etc/passwd")),
        tar_of(("a", ".."), ("a/escape", b"x")),
        tar_of(("a", b"1"), ("a", b"2")),
        tar_of(("a", b"1"), ("a/b", b"2")),
        special(tarfile.LNKTYPE, "first"),
        special(tarfile.LNKTYPE, "/etc/passwd"),
        special(tarfile.CHRTYPE),
        special(tarfile.BLKTYPE),
        special(tarfile.FIFOTYPE),
        special(tarfile.GNUTYPE_SPARSE),
        header_only(member("huge", 2**40)) + b"x" * 1024,
        header_only(member("backwards", -512)) + b"x" * 1024,
        tar_of(("a", b"x" * 5000))[:1024],
        tar_of(("a", b"x" * 2000))[:900],
        b"this is no archive at all" * 100,
        b"",
    ],
    ids=[
        "absolute", "parent", "parent within", "empty part", "dot", "ends in parent", "no name",
        "symbolic link", "through a link", "twice", "file as folder", "hard link", "hard link out",
        "character device", "block device", "pipe", "sparse", "huge", "negative", "cut", "cut in a block",
        "no archive", "nothing",
    ],
)  # fmt: skip
def test_an_unsafe_archive_is_refused_and_nothing_leaves_the_folder(tmp_path, data):
    with pytest.raises(UnsafeTree):
        unpack(io.BytesIO(data), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]


def test_a_name_that_comes_twice_leaves_the_first(tmp_path):
    with pytest.raises(UnsafeTree, match="twice"):
        unpack(io.BytesIO(tar_of(("a", b"1"), ("a", b"2"))), tmp_path / "in")
    assert (tmp_path / "in" / "a").read_bytes() == b"1"


def test_headers_upon_headers_are_refused(tmp_path):
    """A reader that follows them by calling itself would run out of its stack."""
    extended = header_only(member("pax", kind=tarfile.XHDTYPE)) * 5000
    with pytest.raises(UnsafeTree, match="damaged"):
        unpack(io.BytesIO(extended), tmp_path / "out")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_huge_header_is_not_read_into_memory(tmp_path, kind):
    path = tmp_path / "in.tar"
    path.write_bytes(header_only(member("long", 2**33 - 1, kind)))
    os.truncate(path, 2**33 + 4096)
    with path.open("rb") as file, pytest.raises(UnsafeTree, match="too large"):
        unpack(file, tmp_path / "out")


@given(st.integers(0, 1023), st.binary(min_size=1, max_size=12))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bytes_give_a_tree_or_one_clear_error(tmp_path_factory, place, change):
    whole = tar_of(("a" * 120, b"x" * 700), ("b", None), ("b/c", b"y"))
    out = tmp_path_factory.mktemp("tree") / "out"
    try:
        unpack(io.BytesIO(whole[:place] + change + whole[place + len(change) :]), out)
    except UnsafeTree:
        return
    assert all(path.is_file() or path.is_dir() for path in out.rglob("*"))


def test_limits_on_members_and_size_hold(tmp_path):
    two = tar_of(("a", b"12345"), ("b", b"12345"))
    with pytest.raises(UnsafeTree, match="more than 1 members"):
        unpack(io.BytesIO(two), tmp_path / "one", members_max=1)
    with pytest.raises(UnsafeTree, match="larger than 9 bytes"):
        unpack(io.BytesIO(two), tmp_path / "two", size_bytes_max=9)


def test_no_set_user_id_survives(tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        made = member("a")
        made.mode = 0o6777
        tar.addfile(made)
    file.seek(0)
    unpack(file, tmp_path / "in")
    assert (tmp_path / "in" / "a").stat().st_mode & 0o7000 == 0


def test_what_stands_already_is_not_written_into(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError):
        unpack(io.BytesIO(tar_of(("a", b"1"))), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_links_within_become_content_and_links_out_are_refused(tmp_path):
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "real").write_bytes(b"weights")
    (source / "sub" / "real").chmod(0o755)
    (source / "latest").symlink_to("sub/real")
    unpack(io.BytesIO(packed(source)), tmp_path / "out")
    assert (tmp_path / "out" / "latest").read_bytes() == b"weights"
    assert (tmp_path / "out" / "latest").stat().st_mode & 0o100
    assert not (tmp_path / "out" / "latest").is_symlink()
    (tmp_path / "secret").write_text("token")
    for target in ("../../secret", str(tmp_path / "secret"), "..", "loop", "nothing"):
        link = source / "sub" / "loop"
        link.symlink_to(target)
        with pytest.raises((UnsafeTree, OSError), match="sub/loop"):
            packed(source)
        link.unlink()


def test_what_is_no_file_and_no_folder_is_not_packed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnsafeTree, match="neither"):
        packed(tmp_path)
    with pytest.raises(UnsafeTree, match="no folder"):
        packed(tmp_path / "pipe")


@pytest.mark.parametrize("change", [b"longer than before", b""], ids=["grows", "shrinks"])
def test_a_file_that_changes_while_it_is_packed_is_named(tmp_path, change):
    (tmp_path / "log").write_bytes(b"before")

    class Changing(io.BytesIO):
        """Writes to the source once its header is out."""

        def write(self, data, /):
            with (tmp_path / "log").open("r+b") as log:
                log.truncate(0)
                log.write(change)
            return super().write(data)

    with pytest.raises(UnsafeTree, match="'log' changed while it was packed"):
        pack(tmp_path, Changing())


def test_a_name_that_is_not_unicode_is_refused(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_bytes(b"")
    with pytest.raises(UnsafeTree, match="not Unicode"):
        packed(tmp_path)


def test_safe_names_are_plain_paths():
    assert safe_name("a/b.c/ d") == "a/b.c/ d"
    with pytest.raises(UnsafeTree):
        safe_name("a\0b")
