"""A home as one file, and back: ``take`` writes it while Bruk runs, ``restore`` makes a home of it.

``archive`` is the file itself. It must never put in place what was not verified.
"""

from bruk.assembly.backup.restore import Verified, check, restore
from bruk.assembly.backup.take import Taken, take

__all__ = ["Taken", "Verified", "check", "restore", "take"]
