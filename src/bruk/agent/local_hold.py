"""The site's own key: a file in the agent's home that a person at the site writes.

It needs no control and no network. While it stands the agent stops everything and launches
nothing; control sees it and cannot release it. ``bruk off --local`` calls ``raise_local_hold``,
then waits for the agent's answer with ``local_answer``. A file that cannot be read counts as a
standing hold: when in doubt the site stays off.
"""

import contextlib
import dataclasses
import errno
import json
from dataclasses import dataclass
from pathlib import Path

from bruk.agent.disk import write_durably
from bruk.model.clock import Clock
from bruk.model.errors import BrukError, Conflict
from bruk.model.jsontext import parse_json
from bruk.model.switch import Hold, HoldScope
from bruk.wire import codec

HOLD_FILE = "local_hold.json"
ANSWER_FILE = "local_hold_ack.json"
# Room for a hold, and for what the agent notes of the runs that it then stops.
RESERVE_FILE = "reserve"
RESERVE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """What the agent has carried out of the local hold.

    Attributes:
        generation: of the local key; at least that of the hold once nothing of it is left.
        processes_left: living processes of runs, over all descendants.
        stopped: runs that ended because of it.
    """

    generation: int
    processes_left: int
    stopped: int
    at_ms: int


def raise_local_hold(home: Path, by: str, reason: str, clock: Clock) -> Hold:
    """Switch the site off by hand; a hold that stands already stays as it is.

    Args:
        home: the agent's home; its folder's name is the site's.

    Raises:
        OSError: the file cannot be written.
    """
    latest = _latest(home)
    if latest is not None and latest.released_at_ms is None:
        return latest
    hold = Hold(
        id=clock.new_id("hold"),
        scope=HoldScope.LOCAL,
        target=home.name,
        generation=_generation(latest) + 1,
        raised_by=by,
        raised_at_ms=clock.now_ms(),
        reason=reason,
    )
    _write(home, hold)
    return hold


def keep_reserve(home: Path) -> None:
    """Set room aside in which the site can still be switched off by hand when its disk is full.

    Where there is no room for that now, a later start has it.
    """
    reserve = home / RESERVE_FILE
    if not reserve.exists():
        with contextlib.suppress(OSError):
            write_durably(reserve, bytes(RESERVE_BYTES))


def _write(home: Path, hold: Hold) -> None:
    """Write the hold, in the room that was set aside if there is no other.

    Raises:
        OSError: it cannot be written.
    """
    data = json.dumps(codec.dump(hold)).encode()
    try:
        write_durably(home / HOLD_FILE, data)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        (home / RESERVE_FILE).unlink(missing_ok=True)
        write_durably(home / HOLD_FILE, data)


def release_local_hold(home: Path, by: str, reason: str, clock: Clock) -> Hold:
    """Switch the site on again by hand; work resumes when control orders it.

    Raises:
        Conflict: no local hold stands.
        OSError: the file cannot be written.
    """
    latest = _latest(home)
    if latest is None or latest.released_at_ms is not None:
        raise Conflict(
            f"no local hold stands at site {home.name}; there is nothing to release", site=home.name
        )
    released = dataclasses.replace(
        latest,
        released_by=by,
        released_at_ms=clock.now_ms(),
        released_generation=latest.generation + 1,
        reason="; ".join(part for part in (latest.reason, reason) if part),
    )
    _write(home, released)
    return released


def standing_local_hold(home: Path) -> Hold | None:
    """The local hold that stands, or None."""
    latest = _latest(home)
    return latest if latest is not None and latest.released_at_ms is None else None


def local_answer(home: Path) -> LocalAnswer | None:
    """The agent's last answer, or None while it has given none."""
    try:
        return codec.load(LocalAnswer, parse_json((home / ANSWER_FILE).read_bytes()))
    except (OSError, ValueError, BrukError):
        return None


def write_local_answer(home: Path, answer: LocalAnswer) -> None:
    """Give the agent's answer; called by the agent alone.

    Raises:
        OSError: the file cannot be written.
    """
    write_durably(home / ANSWER_FILE, json.dumps(codec.dump(answer)).encode())


def local_key(home: Path) -> tuple[Hold | None, int]:
    """The local hold that stands, or None, and the key's newest generation: of the hold, or of its
    release. Both of one look, for the file may change between two."""
    latest = _latest(home)
    standing = latest if latest is not None and latest.released_at_ms is None else None
    return standing, _generation(latest)


def _generation(hold: Hold | None) -> int:
    if hold is None:
        return 0
    return hold.released_generation if hold.released_generation is not None else hold.generation


def _latest(home: Path) -> Hold | None:
    try:
        data = (home / HOLD_FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        return _unreadable(home, str(error))
    try:
        return codec.load(Hold, parse_json(data))
    except (ValueError, BrukError) as error:
        return _unreadable(home, str(error))


def _unreadable(home: Path, why: str) -> Hold:
    return Hold(
        id="hold_unreadable",
        scope=HoldScope.LOCAL,
        target=home.name,
        generation=1,
        raised_by="unknown",
        raised_at_ms=0,
        reason=f"{HOLD_FILE} cannot be read ({why}); remove the file to release",
    )
