"""A folder as one file: the deterministic, uncompressed pax tar that an artifact of kind ``tree`` is.

The same names and bytes give the same tar on every machine: names sorted, times, owners and all
modes but the execute bit forgotten. Only regular files and folders exist in it. Unpacking trusts
nothing: it refuses absolute paths, ``..``, links, devices, names that come twice, and more or larger
members than it was told to take.
"""

import os
import stat
import tarfile
from pathlib import Path
from typing import BinaryIO, NoReturn

from bruk.model.errors import InvalidInput

MEMBERS_MAX = 1_000_000
SIZE_BYTES_MAX = 2**42


def pack(folder: Path, file: BinaryIO) -> None:
    """Write the tar of everything below a folder.

    Raises:
        InvalidInput: the folder holds a link, a device or a name that is not Unicode, or changes
            while it is read.
    """
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for name, path in _members(folder):
            status = path.lstat()
            member = tarfile.TarInfo(name)
            if stat.S_ISDIR(status.st_mode):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(member)
            elif stat.S_ISREG(status.st_mode):
                member.mode = 0o755 if status.st_mode & 0o100 else 0o644
                member.size = status.st_size
                try:
                    with path.open("rb") as content:
                        tar.addfile(member, content)
                        grown = bool(content.read(1))
                except OSError as error:
                    raise InvalidInput(f"{path} cannot be packed: {error.strerror or error}") from None
                if grown:
                    raise InvalidInput(f"{path} grew while it was packed; pack it when nothing writes there")
            else:
                raise InvalidInput(
                    f"{path} is neither a file nor a folder; an artifact holds no links and no devices. "
                    "Remove it or put what it points to in its place"
                )


def unpack(
    file: BinaryIO, folder: Path, *, members_max: int = MEMBERS_MAX, size_bytes_max: int = SIZE_BYTES_MAX
) -> None:
    """Write the members of a tar below a folder, which must be empty or new.

    Raises:
        InvalidInput: the tar is damaged, or a member is none that :func:`pack` writes. What was
            written until then stays: unpack into a folder of its own and move that.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size_bytes = 0
    try:
        with tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="strict") as tar:
            for count, member in enumerate(tar, start=1):
                if count > members_max:
                    raise InvalidInput(f"the tree has more than {members_max} members")
                size_bytes += member.size
                if size_bytes > size_bytes_max:
                    raise InvalidInput(f"the tree is larger than {size_bytes_max} bytes")
                _write(tar, member, folder / safe_name(member.name))
    except (tarfile.TarError, UnicodeError, EOFError) as error:
        raise InvalidInput(f"the tree is damaged: {error}") from None
    except OSError as error:
        raise InvalidInput(f"the tree cannot be unpacked into {folder}: {error.strerror or error}") from None


def safe_name(name: str) -> str:
    """Return a member's name if it stays below the folder.

    Raises:
        InvalidInput: it is absolute, or has an empty, ``.`` or ``..`` part or a null byte.
    """
    if "\0" in name or any(part in {"", ".", ".."} for part in name.split("/")):
        raise InvalidInput(f"the tree holds the member {name!r}, which would lie outside of it; refused")
    return name


def _members(folder: Path) -> list[tuple[str, Path]]:
    """Every path below a folder by its name in the tree, sorted; links are not followed."""
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder")
    found: list[tuple[str, Path]] = []
    for parent, folders, files in os.walk(folder, onerror=_unreadable):
        for name in (*folders, *files):
            path = Path(parent, name)
            try:
                name.encode("utf-8")
            except UnicodeEncodeError:
                raise InvalidInput(
                    f"{parent} holds the name {name!r}, which is not Unicode; rename it"
                ) from None
            found.append((path.relative_to(folder).as_posix(), path))
        if len(found) > MEMBERS_MAX:
            raise InvalidInput(f"{folder} has more than {MEMBERS_MAX} members; pack them into fewer files")
    return sorted(found)


def _unreadable(error: OSError) -> NoReturn:
    raise InvalidInput(f"{error.filename} cannot be packed: {error.strerror}") from None


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.isdir():
        path.mkdir(mode=0o755)
        return
    if not member.isreg() or member.issparse():
        raise InvalidInput(f"the tree holds {member.name!r}, which is neither a file nor a folder; refused")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Modes come from the tree's own two, never from what a stranger wrote: no set-user-id survives.
    mode = 0o755 if member.mode & 0o100 else 0o644
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    content = tar.extractfile(member)
    assert content is not None, "a regular member has content"
    left = member.size
    with os.fdopen(descriptor, "wb") as out:
        while left:
            piece = content.read(min(left, 1 << 20))
            if not piece:
                raise InvalidInput(f"the tree is damaged: it ends within {member.name!r}")
            out.write(piece)
            left -= len(piece)
