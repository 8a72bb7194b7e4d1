"""The outcome of a verification: whether it holds, where it does not, and what it does not prove.

This module must never call bad evidence good for want of something to compare; such wants are `notes`.
Look next at `verify`, which writes these reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bruk.seal.chain import Head
from bruk.seal.signed import Checkpoint

# Code of the problem that nothing can be said without keys to trust.
NO_KEYS = "no_keys"


class Trust(StrEnum):
    """Where the keys came from that a verification used."""

    PINNED = "pinned"  # The caller brought them: the report proves who signed.
    FILE = "file"  # The file brought them: the report proves only that the file agrees with itself.


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong and where: the line of the file (from 1) and the entry's number, where there is one."""

    code: str
    message: str
    line: int | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The outcome of a verification.

    `entries` counts those that were found good before the problem, if there is one. `notes` are sentences
    that a reader of the outcome must see beside it.
    """

    subject: str
    trust: Trust
    problem: Problem | None = None
    chain: str | None = None
    entries: int = 0
    head: Head | None = None
    checkpoint: Checkpoint | None = None
    key_id: str | None = None
    checkpoints_compared: int = 0
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything that was checked holds."""
        return self.problem is None

    def sentences(self) -> tuple[str, ...]:
        """Return the report as plain sentences, the outcome first."""
        if self.problem is not None:
            places = [f"line {self.problem.line}" if self.problem.line is not None else ""]
            places.append(f"entry {self.problem.seq}" if self.problem.seq is not None else "")
            place = ", ".join(part for part in places if part)
            verdict = "could not be checked" if self.problem.code == NO_KEYS else "FAILED"
            first = f"{self.subject} {verdict}{f' at {place}' if place else ''}: {self.problem.message}"
        elif self.chain is not None:
            first = (
                f"{self.subject} verified: {self.entries} entries of chain {self.chain}, signed by"
                f" key {self.key_id}."
            )
        else:
            first = f"{self.subject} verified: signed by key {self.key_id}."
        return (first, *self.notes)

    def document(self) -> dict[str, Any]:
        """Return the report as JSON."""
        problem = self.problem
        return {
            "subject": self.subject,
            "verified": self.ok,
            "trust": self.trust.value,
            "chain": self.chain,
            "entries": self.entries,
            "head_hash": self.head.hash if self.head else None,
            "key_id": self.key_id,
            "checkpoints_compared": self.checkpoints_compared,
            "problem": None
            if problem is None
            else {"code": problem.code, "message": problem.message, "line": problem.line, "seq": problem.seq},
            "notes": list(self.notes),
        }
