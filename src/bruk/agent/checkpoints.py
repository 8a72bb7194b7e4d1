"""Checkpoints that outlive their runs at this site, and when they go.

A workload's checkpoints stay as long as another attempt may need them. Only control knows when none
will: the agent names, again and again, the workloads whose folder it keeps and that have no run
here, and removes those that control calls closed. Must never remove what a known run may write to.
"""

import logging
from collections.abc import Collection
from concurrent.futures import Executor, Future
from pathlib import Path

from bruk.agent.disk import remove_tree
from bruk.wire.agent import SCOPES_MAX

log = logging.getLogger(__name__)


class Checkpoints:
    """The folders ``home/work/SCOPE``; a scope is a workload's identity."""

    def __init__(self, home: Path, background: Executor) -> None:
        self._work = home / "work"
        self._background = background
        self._removals: dict[str, Future[None]] = {}
        self._asked_up_to = ""

    def without_runs(self, known: Collection[str]) -> list[str]:
        """Scopes to ask control about, at most ``SCOPES_MAX``; where there are more, each gets its turn.

        Args:
            known: scopes of all runs that the agent knows.
        """
        try:
            kept = sorted(place.name for place in self._work.iterdir() if place.name not in known)
        except OSError:
            return []  # Nothing was ever kept, or the disk is away and the next exchange asks.
        if len(kept) > SCOPES_MAX:
            kept = [name for name in kept if name > self._asked_up_to] or kept
        kept = kept[:SCOPES_MAX]
        self._asked_up_to = kept[-1] if kept else ""
        return kept

    def release(self, done: Collection[str], known: Collection[str]) -> None:
        """Remove, in the background, the folders of the workloads that are done.

        Args:
            known: scopes of all runs that the agent knows or has just been ordered; they stay.
        """
        self._removals = {name: task for name, task in self._removals.items() if not task.done()}
        kept = {place.name for place in self._work.iterdir()} if self._work.is_dir() else set()
        # Only names that a listing gave are ever removed, so no answer can lead out of the home.
        for name in kept & set(done) - set(known) - set(self._removals):
            self._removals[name] = self._background.submit(self._remove, name)

    def _remove(self, name: str) -> None:
        try:
            remove_tree(self._work / name)
            log.info("the workload %s is closed: its checkpoints are removed here", name)
        except OSError as error:
            log.error("the checkpoints of %s cannot be removed: %s; the agent tries again", name, error)
