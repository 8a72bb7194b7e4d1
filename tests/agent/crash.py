"""Crash points of the agent: everything it does that lasts, under the name of who does it.

The points are not listed by hand. ``in_source`` reads from the code who writes; ``Points`` meets writes while
an agent works, and lets it die there: whatever is raised then passes through everything, and until ``revive``
nothing more is written, as by a process that has been killed.
"""

import ast
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.agent.conftest import Control

import bruk
from bruk.engines.mock import MockEngine
from bruk.journal import Journal

SOURCE = Path(bruk.__file__).parent
AGENT = SOURCE / "agent"
SIDES = ("before", "midway", "after")
# What lasts: files of the site, the engine's own doings, what control takes.
WRITES: list[tuple[Any, str]] = [
    *((os, name) for name in ("rename", "replace", "link")),
    *((shutil, name) for name in ("rmtree", "copyfile")),
    *((Path, name) for name in ("mkdir", "unlink")),
    *((Journal, name) for name in ("append_durable_sync", "acknowledge")),
    *((MockEngine, name) for name in ("launch", "stop", "forget")),
    *((Control, name) for name in ("hand_over", "ship")),
]
WRITING = re.compile(
    r"^(os\.(rename|replace|link)|shutil\.(rmtree|copyfile)|write_durably|remove_tree)$"
    r"|\.(mkdir|unlink|append_durable_sync|save|end)$"
    r"|_journal\.acknowledge$|engine\.(stop|forget)$|transport\.(hand_over|ship)$"
)
# These write for others: the point bears the name of who called them.
HANDS = {
    "agent.agent.submit",
    "agent.course.end",
    "agent.course.save",
    "agent.disk.remove_tree",
    "agent.disk.write_durably",
    "agent.record.remove",
    "agent.record.save",
    "agent.standing.save",
}


class Crash(BaseException):
    """The agent was killed here."""


def in_source() -> set[str]:
    """Every function of the agent that writes something, or has one of ``HANDS`` do it."""
    found = set()
    for path in sorted(AGENT.glob("*.py")):
        module = f"agent.{path.stem}"
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(_writes(function)):
                found.add(f"{module}.{function.name}")
    return found - HANDS


def _writes(function: ast.AST) -> Iterator[bool]:
    calls = [ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)]
    return (bool(WRITING.search(call)) for call in calls)


def _caller() -> str:
    """The function of the agent's that has something written; empty if it is not the agent that writes."""
    frame: FrameType | None = sys._getframe(2)
    near = True
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.parent == AGENT:
            name = f"agent.{path.stem}.{frame.f_code.co_name}"
            if name not in HANDS:
                return name
        elif near:
            return ""  # A library's own business, such as a folder above the one that was asked for.
        near = False
        frame = frame.f_back
    return ""


class Points:
    """Meets every point; ``wanted`` says of each, by name, number since ``begin`` and side: die?."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wanted: Callable[[str, int, str], bool] = lambda *_: False
        self.met: list[str] = []
        self.launches: Counter[str] = Counter()
        self.died_at = ""
        self._count = 0
        for owner, name in WRITES:
            monkeypatch.setattr(owner, name, self._over(owner, name))
        self._journals: list[Journal] = []
        opening = Journal.open

        def opened(*arguments: Any, **named: Any) -> Journal:
            self._journals.append(opening(*arguments, **named))
            return self._journals[-1]

        monkeypatch.setattr(Journal, "open", opened)

    def _over(self, owner: Any, name: str) -> Callable[..., Any]:
        original = getattr(owner, name)

        def act(*arguments: Any, **named: Any) -> Any:
            writer = _caller()
            if not writer:
                return original(*arguments, **named)
            point, number = self._meet(f"{writer} {name}")
            self._pass(point, number, "before")
            if name == "rmtree":
                self._half(point, number, Path(arguments[0]))
            if name == "launch":
                self.launches[arguments[1].run] += 1
            done = original(*arguments, **named)
            self._pass(point, number, "after")
            return done

        return act

    def _half(self, point: str, number: int, folder: Path) -> None:
        """Die when only a part of a folder is gone: its first file, as a listing comes."""
        files = [path for path in sorted(folder.rglob("*")) if not path.is_dir() or path.is_symlink()]
        if files and self.wanted(point, number, "midway"):
            os.unlink(files[0])
            self.died_at = f"midway {point}"
            raise Crash(self.died_at)

    def begin(self) -> None:
        """Another act begins."""
        self._count = 0

    def revive(self) -> None:
        """Another agent writes from now on; the kernel has taken the dead one's locks."""
        while self._journals:
            self._journals.pop().close()
        self.died_at = ""
        self._count = 0

    def _meet(self, name: str) -> tuple[str, int]:
        if self.died_at:
            raise Crash(self.died_at)
        self.met.append(name)
        self._count += 1
        return name, self._count

    def _pass(self, name: str, number: int, side: str) -> None:
        if self.died_at or self.wanted(name, number, side):
            self.died_at = self.died_at or f"{side} {name}"
            raise Crash(self.died_at)
