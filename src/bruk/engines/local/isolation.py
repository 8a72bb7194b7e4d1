"""What keeps a run apart from others on this machine, and whether that works here.

``none``: a run is only a process of the operator's user, and the scheduler keeps tenants apart
instead. ``sandbox``: see ``sandbox``.
"""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bruk.engines.base import Launch
from bruk.engines.local import sandbox

NONE, SANDBOX, AUTO = "none", "sandbox", "auto"
CHOICES = (AUTO, NONE, SANDBOX)
BWRAP = "bwrap"
TRY_TIMEOUT_S = 20


class NoIsolation(Exception):
    """The isolation that was asked for does not work on this machine."""


def settled(choice: str) -> str:
    """Where bubblewrap is if runs are kept in sandboxes, else empty: what a configuration's choice
    means on this machine, tried once.

    Raises:
        NoIsolation: the sandbox was demanded and does not work; says why and what to do.
    """
    assert choice in CHOICES, f"isolation is one of {', '.join(CHOICES)}, not {choice!r}"
    if choice == NONE:
        return ""
    path = shutil.which(BWRAP) or ""
    why = _why_not(path)
    if not why:
        return path
    if choice == AUTO:
        return ""
    raise NoIsolation(
        f"runs cannot be kept in a sandbox on this machine: {why}. Install the package bubblewrap and "
        "allow user namespaces, or choose the isolation 'none' or 'auto'"
    )


def misplaced(launch: Launch, private: Iterable[Path]) -> str:
    """What of a launch would show a run what is not its own, as a sentence; empty if nothing.

    Args:
        private: folders of the platform. A run may be shown nothing around them, and within them
            only what it may write and what lies in its own folder.
    """
    own = launch.folder.resolve()
    for each in (*launch.writable, *launch.readable, launch.workdir):
        shown = each.resolve()
        for secret in private:
            if secret.is_relative_to(shown):
                return f"the folder {each} holds the platform's own folder {secret}"
            theirs = shown.is_relative_to(secret) and not shown.is_relative_to(own)
            if theirs and not any(each.is_relative_to(folder) for folder in launch.writable):
                return f"the folder {each} lies in the platform's own folder {secret} and not in the run's"
    return ""


def _why_not(path: str) -> str:
    """Why sandboxes do not work here; empty if a tiny one does."""
    if not path:
        return "there is no bwrap (bubblewrap) on the search path"
    try:
        done = subprocess.run(
            sandbox.empty(path),
            capture_output=True,
            text=True,
            timeout=TRY_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"bwrap cannot be run ({error})"
    if done.returncode == 0:
        return ""
    return f"bwrap answers {done.stderr.strip()[:300] or f'with status {done.returncode}'!r}"
