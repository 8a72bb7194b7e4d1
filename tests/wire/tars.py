"""Tars made by hand, sound and not, for tests of whatever unpacks them."""

import io
import tarfile


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, linkname: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = size, kind, linkname
    return made


def tar_of(*members: tuple[str, bytes | str | None]) -> bytes:
    """A tar with these names: bytes are a file, None is a folder, text is a symbolic link."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            if content is None:
                tar.addfile(member(name, kind=tarfile.DIRTYPE))
            elif isinstance(content, str):
                tar.addfile(member(name, kind=tarfile.SYMTYPE, linkname=content))
            else:
                tar.addfile(member(name, len(content)), io.BytesIO(content))
    return file.getvalue()
