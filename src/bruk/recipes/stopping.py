"""Ends a text at the first stop string, without letting a part of it out before it is certain."""

from collections.abc import Sequence


class StopFilter:
    """Passes text on piece by piece, up to the first of the stop strings.

    Parameters
    ----------
    stops:
        The strings that end the text; they are not part of it.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """Take in a piece and return what can be passed on already."""
        if self.stopped:
            return ""
        self._held += text
        found = [at for at in (self._held.find(stop) for stop in self._stops) if at >= 0]
        if found:
            self.stopped = True
            passed, self._held = self._held[: min(found)], ""
            return passed
        kept = self._possible_start()
        passed, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        return passed

    def finish(self) -> str:
        """Return what was held back, once the text has ended without a stop string."""
        passed, self._held = self._held, ""
        return passed

    def _possible_start(self) -> int:
        """Length of the longest end of the held text that may be the start of a stop string."""
        longest = max((len(stop) for stop in self._stops), default=0) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stops):
                return length
        return 0
