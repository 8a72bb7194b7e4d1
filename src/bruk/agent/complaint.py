"""Troubles that last are logged when they begin and now and then, not with every step."""

import logging

_AGAIN_MS = 60_000


class Complaints:
    """Remembers what was said about what, and when."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said: dict[str, tuple[str, int]] = {}

    def say(self, about: str, trouble: object, now_ms: int) -> None:
        """Log a trouble, unless the same was said of the same thing within a minute."""
        text = str(trouble)
        said, at_ms = self._said.get(about, ("", now_ms))
        if text != said or now_ms - at_ms >= _AGAIN_MS:
            self._log.error("%s: %s", about, text)
            self._said[about] = (text, now_ms)

    def forget(self, about: str) -> None:
        """It is over."""
        self._said.pop(about, None)
