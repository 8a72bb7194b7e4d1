"""The site's own key, turned by hand at the site: it needs no control and no network.

The agent there obeys a file in its home and answers with another. Look at ``agent.local_hold``.
"""

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bruk.cli import output
from bruk.cli.exits import FAILED
from bruk.cli.settings import settings
from bruk.model.errors import InvalidInput, NotFound
from bruk.model.name import check_name

if TYPE_CHECKING:
    from bruk.agent.local_hold import LocalAnswer

POLL_S = 0.2


def turn_off(ctx: typer.Context, site: str | None, reason: str, wait_s: int, *, json: bool) -> None:
    """Switch the site off and wait until its agent says that nothing is left.

    Args:
        wait_s: at most so long; 0 does not wait [s].

    Raises:
        InvalidInput, NotFound: no site is named, or none of that name is on this machine.
        OSError: the hold cannot be written.
    """
    from bruk.agent.local_hold import local_answer, raise_local_hold
    from bruk.assembly.clock import SystemClock

    home = _home(ctx, site)
    hold = raise_local_hold(home, getpass.getuser(), reason, SystemClock())
    if not json:
        output.say(f"Site {site} is off by hand; only '{_release(site)}' releases it.")

    answer: LocalAnswer | None = None
    complete = False
    end = time.monotonic() + wait_s
    while wait_s and not complete:
        answer = local_answer(home)
        if answer and answer.at_ms < hold.raised_at_ms:
            answer = None  # It is about an earlier turn of the key.
        complete = answer is not None and answer.generation >= hold.generation
        if complete or time.monotonic() >= end:
            break
        time.sleep(POLL_S)
    if json:
        output.show_json({"hold": hold, "complete": complete, "answer": answer})
    elif wait_s:
        _tell(answer, complete, wait_s)
    else:
        output.say("Its agent stops what runs; the same command without --no-wait says how much is left.")
    if wait_s and not complete:
        raise typer.Exit(FAILED)


def turn_on(ctx: typer.Context, site: str | None, reason: str, *, json: bool) -> None:
    """Release the site's own key.

    Raises:
        Conflict: the site is not off by hand.
        InvalidInput, NotFound, OSError: as :func:`turn_off`.
    """
    from bruk.agent.local_hold import release_local_hold
    from bruk.assembly.clock import SystemClock

    hold = release_local_hold(_home(ctx, site), getpass.getuser(), reason, SystemClock())
    output.answer({"hold": hold}, f"Site {site} is on again by hand.", json)


def _home(ctx: typer.Context, site: str | None) -> Path:
    if not site:
        raise InvalidInput("Which site? Name the one that this machine serves: --site NAME.")
    home = settings(ctx).home / "sites" / check_name(site, "site")
    if not home.is_dir():
        raise NotFound(
            f"This machine serves no site {site!r}: there is no folder {home}. Say it at the site itself, "
            "with 'bruk --home FOLDER off …' if Bruk's home is elsewhere there."
        )
    return home


def _release(site: str | None) -> str:
    return f"bruk on --local --site {site}"


def _tell(answer: "LocalAnswer | None", complete: bool, wait_s: int) -> None:
    """What the agent has answered; None: nothing since the key was turned."""
    if answer is None:
        output.note(
            f"The site's agent has not answered within {wait_s} s. If it is not running, what it started may "
            "still run: start 'bruk agent', which obeys the key first. The site stays off."
        )
    elif complete:
        output.say(f"Nothing is left: 0 processes ({answer.stopped} runs stopped).")
    else:
        left = f"{answer.processes_left} processes" if answer.processes_left != 1 else "1 process"
        output.note(
            f"After {wait_s} s {left} of runs are left; their grace goes on. The same command waits again."
        )
