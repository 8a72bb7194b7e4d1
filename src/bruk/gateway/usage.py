"""What one request used, as the journal keeps it and as control is told: `wire.gateway.UsageRecord` without
the number, which is the journal's to give.

Written once for every request, so that it is a bare dataclass and goes on to control as the text that the
journal has. It must have that record's fields, which a test sees to. Look next at `book`.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson


@dataclass(slots=True)
class Used:
    """See `wire.gateway.UsageRecord`."""

    request: str
    at_ms: int
    from_ms: int
    key: str
    project: str
    model: str
    endpoint: str
    run: str
    site: str
    tokens_in: int
    tokens_out: int
    price_in_microeur: int
    price_in_version: int
    price_out_microeur: int
    price_out_version: int
    status: str
    estimated: bool


def packed(used: Used) -> bytes:
    """As the journal keeps it: a JSON object."""
    return orjson.dumps(used)


def unpacked(data: bytes) -> Used:
    """What was packed. It was written here, and the journal's checksum has vouched for it."""
    return Used(**orjson.loads(data))


def numbered(seq: int, data: bytes) -> bytes:
    """A packed record as control is told of it, with its number in the journal."""
    return b'{"seq":%d,%s' % (seq, data[1:])
