"""What an agent says of its site, made sound before it is kept.

An agent speaks for runs, and for people at its site: a text of theirs is cut here and not refused, because no
exchange may stop for it. What the agent itself says is bounded in its shapes (``wire.agent``).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, cast

from bruk.model.switch import Hold, HoldScope
from bruk.wire import codec
from bruk.wire.fields import JSON_INTEGER_MAX, LABEL_LENGTH_MAX, sound_json

_REPLICA = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]):([1-9][0-9]{3,4})\Z")
# Ports below are the system's own (RFC 6335, section 6).
PORT_MIN, PORT_MAX = 1024, 65_535
# Lengths [characters].
SAID_LENGTH_MAX = 2000
PROGRESS_FIELDS_MAX = 64
PROGRESS_TEXT_MAX = 500


def kept(said: str, characters_max: int) -> str:
    """A text as it can be kept: whatever a run brings its agent to say, the others go on."""
    return said[:characters_max].replace("\0", "\ufffd").encode(errors="replace").decode()


def replica_address(said: str, doors: Collection[int]) -> str:
    """Where a replica is reached, as its agent says; empty if that is no place where one can be.

    A gateway sends tenants' prompts there. A site of this machine has its replicas on its loopback, at
    a port that any user may take, and nowhere else; whatever else an agent names is not called.

    Args:
        doors: ports where this cloud's own processes listen; no replica is there.
    """
    found = _REPLICA.match(said)
    sound = found is not None and PORT_MIN <= int(found[1]) <= PORT_MAX and int(found[1]) not in doors
    return said if sound else ""


def sound_progress(line: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A progress line as it can be kept and shown: a loss that is not a number becomes null, and what is too
    long is cut."""

    def sound(value: object) -> object:
        if isinstance(value, str):
            return kept(value, PROGRESS_TEXT_MAX)
        try:
            return sound_json(value)
        except ValueError:
            return None

    if line is None:
        return None
    some = list(line.items())[:PROGRESS_FIELDS_MAX]
    return {kept(name, PROGRESS_TEXT_MAX): sound(value) for name, value in some}


def local_hold(said: Hold | None, site: str) -> dict[str, object] | None:
    """The site's own key as its agent reports it; whatever it says, it is over that site alone."""
    if said is None or said.released_at_ms is not None:
        return None
    hold = replace(
        said,
        id=kept(said.id, LABEL_LENGTH_MAX),
        scope=HoldScope.LOCAL,
        target=site,
        generation=count(said.generation),
        raised_by=kept(said.raised_by, LABEL_LENGTH_MAX),
        raised_at_ms=count(said.raised_at_ms),
        reason=kept(said.reason, SAID_LENGTH_MAX),
        released_by=None,
        released_generation=None,
    )
    return cast(dict[str, object], codec.dump(hold))


def count(number: int) -> int:
    """A number within what every JSON reader keeps exactly; below it, 0."""
    return min(max(0, number), JSON_INTEGER_MAX)
