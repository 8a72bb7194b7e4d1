"""Which whole packages and files are held out from training: one stable rule for every corpus.

The rule looks at a name alone, so that the same package falls on the same side on every machine,
in every order and in every version of a corpus. It must never look at content.
"""

import hashlib


def is_heldout(name: str, percent: int, salt: str = "") -> bool:
    """Whether the whole top-level package or file of this name is held out.

    Parameters
    ----------
    name:
        Name of the package, file or record.
    percent:
        Share of names that is held out [%], 0 to 100.
    salt:
        Names one family of corpora, so that families are split independently.
    """
    assert 0 <= percent <= 100, "the share held out is a percentage"
    digest = hashlib.sha256((salt + name).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % 100 < percent
