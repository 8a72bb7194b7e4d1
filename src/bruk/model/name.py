"""Names that people give to things, and what makes them legal.

A *name* is part of addresses, file paths and command lines, so it is short and plain; free text
with any Unicode goes into a ``display_name``.
"""

import re

from bruk.model.errors import InvalidInput

NAME_PATTERN = r"^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$"
_NAME = re.compile(NAME_PATTERN)
DISPLAY_NAME_LENGTH_MAX = 200


def check_name(name: str, what: str = "name") -> str:
    """Return ``name`` if it is legal.

    Raises:
        InvalidInput: it is not 1 to 63 of ``a-z 0-9 . -`` beginning and ending with a letter or
            digit, or it contains ``..``.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise InvalidInput(
            f"{what} {name!r} is not usable: take 1 to 63 of a-z, 0-9, '-' and '.', "
            "beginning and ending with a letter or a digit",
            field=what,
        )
    return name
