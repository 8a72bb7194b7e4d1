"""The console's own style and scripts, read once; the only files that it serves.

A request names one of them exactly, so that no path can lead elsewhere. The address carries a digest
of the content and may be kept by browsers for good.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    content: bytes
    media_type: str
    digest: str


@cache
def assets() -> dict[str, Asset]:
    """Name to file."""
    found = {}
    for file in (resources.files("bruk.console") / "static").iterdir():
        suffix = file.name[file.name.rfind(".") :]
        if suffix in _TYPES:
            content = file.read_bytes()
            found[file.name] = Asset(content, _TYPES[suffix], hashlib.sha256(content).hexdigest()[:16])
    return found


def address(name: str) -> str:
    """Where a page finds this file."""
    return f"/static/{name}?v={assets()[name].digest}"
