"""A folder as one file: the deterministic, uncompressed pax tar that an artifact of kind ``tree`` is.

The same names and bytes give the same tar on every machine, whoever packs it: names sorted, times
and owners 0, regular files and folders only. Of a mode the execute bit alone is kept, so two modes
exist for files and one for folders (``file_mode``, ``FOLDER_MODE``). Unpacking trusts nothing: it
writes only below its target and takes nothing that ``pack`` does not write. Must never follow a
link out of the folder, nor make one.
"""

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

from bruk.model.errors import InvalidInput

MEMBERS_MAX = 1_000_000
SIZE_BYTES_MAX = 2**42
FOLDER_MODE = 0o755
_READ_ONLY = 0o555
_BLOCK_BYTES = 1 << 20


class UnsafeTree(InvalidInput):
    """An archive, or a folder to be packed, holds something that may not be in a tree."""

    code = "tree_unsafe"


def file_mode(mode: int) -> int:
    """The mode that a tree keeps for a file: 0755 if its owner may execute it, else 0644."""
    return 0o755 if mode & stat.S_IXUSR else 0o644


def pack(folder: Path, file: BinaryIO, *, size_bytes_max: int = SIZE_BYTES_MAX) -> None:
    """Write the tar of everything below a folder that nobody writes to meanwhile.

    A link to a regular file of the same folder becomes that file's content; any other link is
    refused, for it would carry out what nobody asked for.

    Args:
        size_bytes_max: most that its files may hold together [bytes], holes and what is linked many
            times counted as the content that they become.

    Raises:
        UnsafeTree: something in it is no file, folder or link within, has a name that is not
            Unicode, changes while it is read, or they are too large.
        OSError: reading or writing failed; what was written until then is no tar.
    """
    if not folder.is_dir():
        raise UnsafeTree(f"{folder} is no folder")
    root = folder.resolve(strict=True)
    left_bytes = size_bytes_max
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for name, path in sorted(_below(root)):
            member = tarfile.TarInfo(name)
            if path.is_dir() and not path.is_symlink():
                member.type, member.mode = tarfile.DIRTYPE, FOLDER_MODE
                tar.addfile(member)
            else:
                _pack_file(tar, member, _real(path, root), left_bytes)
                left_bytes -= member.size
            tar.members = []  # type: ignore[attr-defined]  # A million of them would fill the memory.


def inside(path: Path, root: Path) -> Path:
    """The real place of ``path`` if that lies in the resolved folder ``root``.

    Raises:
        UnsafeTree: it leads out of ``root``, or links go in a circle.
        OSError: it does not exist, or cannot be looked at.
    """
    try:
        real = path.resolve(strict=True)
    except RuntimeError:  # Python before 3.13 says so of links in a circle.
        raise _bad_link(path, root, "a link in a circle; remove it") from None
    if real != root and root not in real.parents:
        raise _bad_link(path, root, "a link out of the folder; put what it points to in its place")
    return real


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, never through a link in its last component.

    Raises:
        UnsafeTree: it is something else.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnsafeTree(f"{path.name!r} is neither a file nor a folder; remove it", name=path.name)
    return os.fdopen(descriptor, "rb")


def unpack(
    file: BinaryIO,
    folder: Path,
    *,
    members_max: int = MEMBERS_MAX,
    size_bytes_max: int = SIZE_BYTES_MAX,
    read_only: bool = False,
) -> None:
    """Write the members of a tar into a new folder.

    Args:
        size_bytes_max: most that its files may hold together [bytes].
        read_only: take every write bit away once all is written: 0444 and 0555.

    Raises:
        UnsafeTree: the tar is damaged, or a member is none that :func:`pack` writes: an absolute
            name, ``..``, a link, a device, a name twice, too many or too large. What was written
            until then stays: unpack into a folder of its own, and remove that.
        OSError: the folder exists, or writing failed.
    """
    folder.mkdir(parents=True)
    folders = [folder]
    size_bytes = 0
    with (
        _damage_told(),
        tarfile.open(fileobj=_Bounded(file), mode="r:", encoding="utf-8", errors="strict") as tar,
    ):
        for count, member in enumerate(tar, start=1):
            tar.members = []  # type: ignore[attr-defined]  # A million of them would fill the memory.
            if count > members_max:
                raise UnsafeTree(f"the tree has more than {members_max} members")
            if member.size < 0:
                raise tarfile.ReadError(f"{member.name!r} has {member.size} bytes")
            size_bytes += member.size
            if size_bytes > size_bytes_max:
                raise UnsafeTree(f"the tree is larger than {size_bytes_max} bytes")
            _write(tar, member, folder, folders, read_only)
    if read_only:
        for made in reversed(folders):
            made.chmod(FOLDER_MODE & _READ_ONLY)


def safe_name(name: str) -> str:
    """Return a member's name if it stays below the folder.

    Raises:
        UnsafeTree: it is absolute, or has an empty, ``.`` or ``..`` part or a null byte.
    """
    if "\0" in name or any(part in {"", ".", ".."} for part in name.split("/")):
        raise UnsafeTree(f"the name {name!r} is no plain path below the folder; refused", name=name)
    return name


def _below(root: Path) -> Iterator[tuple[str, Path]]:
    """Every path below a folder with its name in the tree; links are not followed."""
    count = 0
    for parent, folders, files in os.walk(root, onerror=_unreadable):
        for name in (*folders, *files):
            path = Path(parent, name)
            try:
                name.encode("utf-8")
            except UnicodeEncodeError:
                raise UnsafeTree(
                    f"{parent} holds the name {name!r}, which is not Unicode; rename it"
                ) from None
            count += 1
            if count > MEMBERS_MAX:
                raise UnsafeTree(f"{root} has more than {MEMBERS_MAX} members; pack them into fewer files")
            yield path.relative_to(root).as_posix(), path


def _real(path: Path, root: Path) -> Path:
    try:
        real = inside(path, root)
    except FileNotFoundError:
        raise _bad_link(path, root, "a link to nothing, or went while it was packed; remove it") from None
    if real.is_dir():
        raise _bad_link(path, root, "a link to a folder; put the folder in its place")
    return real


def _bad_link(path: Path, root: Path, what: str) -> UnsafeTree:
    name = os.path.relpath(path, root)
    return UnsafeTree(f"{name!r} is {what}", name=name)


def _unreadable(error: OSError) -> NoReturn:
    raise error


def _pack_file(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, left_bytes: int) -> None:
    with open_regular(path) as content:
        status = os.fstat(content.fileno())
        member.size, member.mode = status.st_size, file_mode(status.st_mode)
        if member.size > left_bytes:
            raise UnsafeTree(
                f"{member.name!r} has {member.size} bytes where {left_bytes} are left: holes, and a file"
                " linked more than once, count as what they become",
                name=member.name,
            )
        try:
            tar.addfile(member, content)
            changed = bool(content.read(1))
        except OSError as error:
            if error.errno is not None:
                raise
            changed = True  # The archive's way to say that the file ended early.
    if changed:
        raise UnsafeTree(
            f"{member.name!r} changed while it was packed; pack it when nothing writes there",
            name=member.name,
        )


@contextmanager
def _damage_told() -> Iterator[None]:
    """Make one error of the many that a damaged or hostile tar raises in its reader."""
    try:
        yield
    except (tarfile.TarError, ValueError, EOFError, OverflowError, RecursionError) as error:
        raise UnsafeTree(f"the tree is damaged: {error}; upload it again") from None


def _write(
    tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, folders: list[Path], read_only: bool
) -> None:
    name = safe_name(member.name)
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise UnsafeTree(f"the tree holds {name!r}, which is neither a file nor a folder; refused", name=name)
    path = target / name
    try:
        for parent in reversed(path.relative_to(target).parents):
            _make_folder(target / parent, folders)
        if member.isdir():
            _make_folder(path, folders)
            return
        source = tar.extractfile(member)
        assert source is not None, "a regular member has content"
        # Modes come from the tree's own, never from what a stranger wrote: no set-user-id survives.
        mode = file_mode(member.mode)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except (FileExistsError, NotADirectoryError):
        raise UnsafeTree(f"the tree holds the name {name!r} twice; refused", name=name) from None
    with os.fdopen(descriptor, "wb") as out:
        while block := source.read(_BLOCK_BYTES):
            out.write(block)
        if read_only:
            os.fchmod(out.fileno(), mode & _READ_ONLY)


def _make_folder(path: Path, folders: list[Path]) -> None:
    # The target was made fresh and no links are ever made in it, so a folder here is a folder.
    if not path.is_dir():
        path.mkdir(mode=FOLDER_MODE)
        folders.append(path)


class _Bounded(io.RawIOBase):
    """Refuses the huge reads by which a hostile header would fill the memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _BLOCK_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes is too large")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
