"""Crash points: every write of control, before and after it, under the name of who writes.

The points are not listed by hand. ``in_source`` reads them from the code; ``Points`` meets them while
control works, and lets it die there: whatever is raised then passes through everything, and until
``revive`` nothing more is written, as by a process that has been killed.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import bruk
from bruk.control.blobs import BlobStore
from bruk.control.logs import LogStore
from bruk.store.database import Connection, Database

SOURCE = Path(bruk.__file__).parent
ROOMS = ("control", "api", "assembly", "console")
SIDES = ("before", "after")
# Beside transactions: what control writes to its folders.
FILES = [(BlobStore, "put"), (BlobStore, "remove"), (LogStore, "append")]


class Crash(BaseException):
    """Control was killed here."""


def in_source() -> set[str]:
    """Every place in the code that opens a transaction to write, as ``room.module.function kind``."""
    found = set()
    for room in ROOMS:
        for path in sorted((SOURCE / room).rglob("*.py")):
            module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
            for function in ast.walk(ast.parse(path.read_text())):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    found |= {f"{module}.{function.name} {kind}" for kind in _writes(function)}
    return found - {"control.control.change write"}  # It stands for those who call it.


def _writes(function: ast.AST) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "write" and ast.unparse(node.func.value).endswith("database"):
                yield "write"
            if node.func.attr == "change" and ast.unparse(node.func.value).endswith("control"):
                yield "change"


def _caller() -> str:
    """The name of the point: the function of Bruk's that opens the transaction."""
    frame: FrameType | None = sys._getframe(1)
    kind = "write"
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(SOURCE) and path.relative_to(SOURCE).parts[0] in ROOMS:
            if frame.f_code.co_name != "change" or path.name != "control.py":
                module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
                return f"{module}.{frame.f_code.co_name} {kind}"
            kind = "change"
        frame = frame.f_back
    return f"test {kind}"


class Points:
    """Meets every point; ``wanted`` says of each, by name, number since ``begin`` and side: die?."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wanted: Callable[[str, int, str], bool] = lambda *_: False
        self.met: list[str] = []
        self.died_at = ""
        self._count = 0
        original = Database.write

        @contextmanager
        def write(database: Database) -> Iterator[Connection]:
            name, number = self._meet(_caller())
            with original(database) as connection:
                yield connection
                self._pass(name, number, "before")
            self._pass(name, number, "after")

        monkeypatch.setattr(Database, "write", write)
        for owner, method in FILES:
            monkeypatch.setattr(owner, method, self._file(owner, method))

    def _file(self, owner: type, method: str) -> Callable[..., Any]:
        original = getattr(owner, method)

        def act(*arguments: Any, **named: Any) -> Any:
            name, number = self._meet(f"{owner.__name__}.{method} file")
            self._pass(name, number, "before")
            done = original(*arguments, **named)
            self._pass(name, number, "after")
            return done

        return act

    def begin(self) -> None:
        """Another act begins."""
        self._count = 0

    def revive(self) -> None:
        """Another control writes from now on."""
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
