"""How many event streams are open, in all and by whom: each holds a connection and wakes at every change."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from bruk.model.errors import BrukError, ErrorKind
from bruk.model.tenant import Actor

STREAMS_MAX = 500
# Of one person or key: more than anybody looks at, and few enough that nobody keeps the others out.
STREAMS_EACH_MAX = 50


class TooManyStreams(BrukError):
    """More event streams are open than this process keeps at once, in all or for one caller."""

    code = "too_many_streams"
    kind = ErrorKind.UNAVAILABLE


class Streams:
    """The event streams of one process that are open now. Used by one event loop alone."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._open.total()

    def require(self, actor: Actor) -> None:
        """Whether one more may be opened.

        Raises:
            TooManyStreams: it may not.
        """
        if len(self) >= STREAMS_MAX:
            raise TooManyStreams("too many pages and streams are open at once; try again in a while")
        if self._open[actor.id] >= STREAMS_EACH_MAX:
            raise TooManyStreams(f"you have {STREAMS_EACH_MAX} streams open at once; close some")

    @contextmanager
    def opened(self, actor: Actor) -> Iterator[None]:
        """Count one while it is open."""
        self._open[actor.id] += 1
        try:
            yield
        finally:
            self._open[actor.id] -= 1
            self._open += Counter()  # Forget who has none.
