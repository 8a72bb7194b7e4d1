"""A folder as one deterministic file, and back.

The packed form is an uncompressed pax tar: sorted names, times 0, owners 0, modes 0644 and 0755,
regular files and folders only; so equal folders have equal digests. Unpacking trusts nothing: it
writes only below its target and refuses whatever is not a plain file or folder.
"""

import io
import os
import stat
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

from bruk.model.errors import InvalidInput

MEMBERS_MAX = 500_000
_HEADER_BYTES_MAX = 1 << 20
_COPY_BYTES = 1 << 20


class UnsafeTree(InvalidInput):
    """An archive, or a folder to be packed, holds something that may not be in a tree."""

    code = "tree_unsafe"


def pack(folder: Path, target: Path) -> None:
    """Pack a folder whose writers have all ended.

    A link to a regular file of the same folder becomes that file's content; any other link is
    refused, for it would carry out what the run was not asked for.

    Raises:
        UnsafeTree: a link leads out, or something is neither a file nor a folder.
        OSError: reading or writing failed; the target may be incomplete.
    """
    root = folder.resolve(strict=True)
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(_below(root), key=lambda path: path.relative_to(root).as_posix()):
            name = path.relative_to(root).as_posix()
            real = inside(path, root)
            status = real.lstat()
            member = tarfile.TarInfo(name)
            if stat.S_ISDIR(status.st_mode):
                if path.is_symlink():
                    raise UnsafeTree(
                        f"{name!r} is a link to a folder; write plain files and folders", name=name
                    )
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            elif stat.S_ISREG(status.st_mode):
                member.size = status.st_size
                member.mode = 0o755 if status.st_mode & 0o100 else 0o644
                with open_regular(real) as file:
                    archive.addfile(member, file)
            else:
                raise UnsafeTree(f"{name!r} is neither a file nor a folder", name=name)


def inside(path: Path, root: Path) -> Path:
    """The real place of ``path`` if that lies in ``root``, links resolved.

    Raises:
        UnsafeTree: it leads out of ``root``.
        OSError: it does not exist, or links go in a circle.
    """
    try:
        real = path.resolve(strict=True)
    except RuntimeError as error:  # Python before 3.13 says so of links in a circle.
        raise UnsafeTree(f"{path.name!r} is a link in a circle", name=path.name) from error
    if real != root and root not in real.parents:
        raise UnsafeTree(
            f"{path.name!r} is a link out of the folder; write plain files and folders", name=path.name
        )
    return real


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file for reading, never through a link in its last component.

    Raises:
        UnsafeTree: it is something else.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnsafeTree(f"{path.name!r} is not a regular file", name=path.name)
    return os.fdopen(descriptor, "rb")


def unpack(archive: Path, target: Path, members_max: int = MEMBERS_MAX) -> None:
    """Unpack into a new folder; files become 0444 or 0555, folders 0555.

    Raises:
        UnsafeTree: an absolute name, ``..``, a link, a device, a name twice, a sparse file, too
            many members or a damaged archive; the target is then incomplete and must be removed.
        OSError: writing failed.
    """
    target.mkdir(parents=True)
    folders = [target]
    limit = archive.stat().st_size
    with archive.open("rb") as raw:
        try:
            with tarfile.open(fileobj=_Bounded(raw), mode="r:") as tar:
                for count, member in enumerate(tar, start=1):
                    if count > members_max:
                        raise UnsafeTree(f"the archive has more than {members_max} members")
                    _unpack_member(tar, member, target, folders, limit)
                    tar.members = []  # type: ignore[attr-defined]  # Millions of them would fill memory.
        except tarfile.TarError as error:
            raise UnsafeTree(f"the archive is damaged: {error}") from error
    for folder in reversed(folders):
        folder.chmod(0o555)


def _below(root: Path) -> list[Path]:
    found: list[Path] = []
    for folder, folders, files in os.walk(root, followlinks=False):
        found += [Path(folder, name) for name in (*folders, *files)]
        if len(found) > MEMBERS_MAX:
            raise UnsafeTree(f"the folder has more than {MEMBERS_MAX} members; pack them into fewer files")
    return found


def _unpack_member(
    tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, folders: list[Path], limit: int
) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or not name.parts or ".." in name.parts or "\0" in member.name:
        raise UnsafeTree(f"the name {member.name!r} leads out of the tree", name=member.name)
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise UnsafeTree(f"{member.name!r} is a link, a device or a sparse file", name=member.name)
    path = target.joinpath(*name.parts)
    try:
        for parent in reversed(path.relative_to(target).parents):
            _make_folder(target / parent, folders)
        if member.isdir():
            _make_folder(path, folders)
            return
        if member.size > limit:
            raise UnsafeTree(f"{member.name!r} claims more bytes than the archive has", name=member.name)
        source = tar.extractfile(member)
        assert source is not None, "a regular member has content"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except (FileExistsError, NotADirectoryError) as error:
        raise UnsafeTree(f"the name {member.name!r} comes twice", name=member.name) from error
    with os.fdopen(descriptor, "wb") as file:
        while block := source.read(_COPY_BYTES):
            file.write(block)
        os.fchmod(file.fileno(), 0o555 if member.mode & 0o100 else 0o444)


def _make_folder(path: Path, folders: list[Path]) -> None:
    # The target was made fresh and no links are ever made in it, so a folder here is a folder.
    if not path.is_dir():
        path.mkdir()
        folders.append(path)


class _Bounded(io.RawIOBase):
    """Refuses the huge reads by which a hostile header would fill the memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > max(_HEADER_BYTES_MAX, _COPY_BYTES):
            raise tarfile.ReadError(f"a header of {size} bytes is too large")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
