"""The deterministic tar: the same folder gives the same bytes, and unpacking trusts nothing."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bruk.agent import tree as agents_tree
from bruk.model.errors import InvalidInput
from bruk.sdk import tree

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
    tree.pack(folder, file)
    return file.getvalue()


@given(FOLDERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_folder_comes_back_as_it_was_and_packs_the_same_everywhere(tmp_path_factory, content):
    place = tmp_path_factory.mktemp("tree")
    build(place / "one", content)
    build(place / "two", dict(reversed(content.items())))
    os.utime(place / "two", (1, 1))
    data = packed(place / "one")
    assert data == packed(place / "two")
    tree.unpack(io.BytesIO(data), place / "back")
    assert read_back(place / "back") == content


def test_agents_and_people_pack_a_folder_into_the_same_bytes(tmp_path):
    folder = tmp_path / "folder"
    build(
        folder, {"a": {"x": (b"1", False)}, "a-b": (b"2", True), "a.c": {}, "é": {"Ω": (b"3" * 999, False)}}
    )
    agents_tree.pack(folder, tmp_path / "agents.tar")
    assert packed(folder) == (tmp_path / "agents.tar").read_bytes()


def tar_of(*members: tarfile.TarInfo, content: bytes = b"") -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    file.seek(0)
    return file


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a/../../out", "a//b", "./a", "a/.."])
def test_a_name_outside_the_folder_is_refused(tmp_path, name):
    with pytest.raises(InvalidInput, match="outside"):
        tree.unpack(tar_of(tarfile.TarInfo(name)), tmp_path / "in")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(tmp_path, kind):
    member = tarfile.TarInfo("member")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(InvalidInput, match="neither a file nor a folder"):
        tree.unpack(tar_of(member), tmp_path / "in")
    assert not os.path.lexists(tmp_path / "in" / "member")


def test_a_name_that_comes_twice_is_refused_and_the_first_stays(tmp_path):
    with pytest.raises(InvalidInput, match="exists"):
        tree.unpack(tar_of(tarfile.TarInfo("a"), tarfile.TarInfo("a"), content=b"x"), tmp_path / "in")
    assert (tmp_path / "in" / "a").read_bytes() == b"x"


def test_limits_on_members_and_size_hold(tmp_path):
    two = tar_of(tarfile.TarInfo("a"), tarfile.TarInfo("b"), content=b"12345")
    with pytest.raises(InvalidInput, match="more than 1 members"):
        tree.unpack(two, tmp_path / "one", members_max=1)
    two.seek(0)
    with pytest.raises(InvalidInput, match="larger than 9 bytes"):
        tree.unpack(two, tmp_path / "two", size_bytes_max=9)


def test_no_set_user_id_survives(tmp_path):
    member = tarfile.TarInfo("a")
    member.mode = 0o6777
    tree.unpack(tar_of(member), tmp_path / "in")
    assert (tmp_path / "in" / "a").stat().st_mode & 0o7000 == 0


def test_a_damaged_tar_is_refused(tmp_path):
    whole = tar_of(tarfile.TarInfo("a"), content=b"x" * 2000).getvalue()
    for data in (b"no tar at all" * 100, whole[:900]):
        with pytest.raises(InvalidInput, match="damaged"):
            tree.unpack(io.BytesIO(data), tmp_path / f"in{len(data)}")


def test_what_no_artifact_may_hold_is_not_packed(tmp_path):
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(InvalidInput, match="no links"):
        packed(tmp_path)
    (tmp_path / "link").unlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="neither a file nor a folder"):
        packed(tmp_path)


def test_a_name_that_is_not_unicode_is_refused(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_bytes(b"")
    with pytest.raises(InvalidInput, match="not Unicode"):
        packed(tmp_path)
