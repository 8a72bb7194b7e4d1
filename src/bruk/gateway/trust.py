"""Which of control's keys this gateway believes, as far as it has followed control's hand-overs.

It begins with the keys that were pinned when the gateway was set up. A new key counts only through a
statement that a key believed until then has signed, and from then on the old one signs no lease any more;
both are kept in the file of pinned keys, so that a restart does not go back. It must never take a key from
whoever merely answers in control's place. Look next at `seal.keyring` for the rules.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from bruk.seal import Keyring, SignedDocument, handovers_from

_LOG = logging.getLogger(__name__)


class ControlKeys:
    """The ring of control's keys; `file` is where it is kept, if anywhere."""

    def __init__(self, pinned: Keyring, file: Path | None = None) -> None:
        self.ring = pinned
        self._file = file

    def check(self, signed: SignedDocument, handovers: Sequence[object]) -> None:
        """Check a document of control's after following the statements that came with it.

        Statements are kept only when the document itself holds under the key that they lead to.

        Raises:
            SealError: a statement contradicts what is known, or a key that is not believed signed it.
        """
        ring = self.ring.following(handovers_from(handovers))
        signed.check(ring)
        if ring != self.ring:
            self.ring = ring
            self._keep()
            _LOG.warning("control's signing key was rotated: leases are signed by %s now", signed.key_id)

    def _keep(self) -> None:
        if self._file is None:
            return
        draft = self._file.with_name(f".{self._file.name}.new")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(self.ring.document(), file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self._file)
        except OSError as error:
            # What is pinned leads to the same key again after a restart.
            _LOG.error("control's keys could not be kept in %s: %s", self._file, error)
