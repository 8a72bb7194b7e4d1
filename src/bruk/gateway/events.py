"""Server-sent events as bytes: cut a stream into events, and exchange the data inside one.

Source of the framing: WHATWG HTML, section 9.2
(https://html.spec.whatwg.org/multipage/server-sent-events.html). It must never change a line that is not
data: comments, ids and retry times go through as they came.
"""

from __future__ import annotations

import re

# An event ends with an empty line; a line ends with CR LF, LF or CR.
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\n\r\n|\r\n\n|\r\r(?!\n)")
DONE = b"[DONE]"


class EventTooLong(ValueError):
    """An event is longer than is held in memory."""


class Splitter:
    """Cuts what arrives into whole events, their empty line included."""

    def __init__(self, bytes_max: int) -> None:
        self._buffer = b""
        self._bytes_max = bytes_max

    def feed(self, data: bytes) -> list[bytes]:
        """The events that are whole now.

        Raises:
            EventTooLong: an event does not end within the bound.
        """
        # A new end may begin at most three bytes before what is new.
        search_from = max(0, len(self._buffer) - 3)
        buffer = self._buffer + data
        events, position = [], 0
        for match in _EVENT_END.finditer(buffer, search_from):
            events.append(buffer[position : match.end()])
            position = match.end()
        self._buffer = buffer[position:]
        if len(self._buffer) > self._bytes_max:
            raise EventTooLong(f"an event is longer than {self._bytes_max} bytes")
        return events

    def rest(self) -> bytes:
        """What stands behind the last whole event."""
        return self._buffer


def data_of(event: bytes) -> bytes | None:
    """The data of an event, its lines joined; None when it has none."""
    if event.startswith(b"data: ") and event.endswith(b"\n\n") and event.count(b"\n") == 2:
        return event[6:-2].rstrip(b"\r")
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def with_data(event: bytes, data: bytes) -> bytes:
    """The event with other data; every line that is not data stays as it came."""
    if event.startswith(b"data: ") and event.endswith(b"\n\n") and event.count(b"\n") == 2:
        return b"data: " + data + b"\n\n"
    lines, placed = [], False
    for line in event.splitlines(keepends=True):
        if not line.startswith(b"data:"):
            lines.append(line)
        elif not placed:
            ending = line[len(line.rstrip(b"\r\n")) :]
            space = b" " if line.startswith(b"data: ") else b""
            lines += [b"data:" + space + part + ending for part in data.split(b"\n")]
            placed = True
    return b"".join(lines)
