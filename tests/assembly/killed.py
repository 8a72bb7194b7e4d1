"""Processes that end at a wanted one of their writes, as by SIGKILL: before it, or after it.

Each is forked from the test, so that it costs little, and the product knows nothing of it.
"""

import os
import traceback
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event

KILLED, DONE = 137, 0
FILES = ("mkdir", "replace", "rename", "unlink", "link", "rmdir", "open")


class Writes:
    """Counts what a process does that lasts, and ends it there."""

    def __init__(self, die_at: int | None, told: int) -> None:
        self.die_at, self.told, self.count = die_at, told, 0

    def watch(self) -> None:
        """From now on; never undone, since the process ends with its act."""
        for name in FILES:
            setattr(os, name, self._over(name))
        event.listen(Engine, "before_cursor_execute", lambda *_: self._point("statement"))
        event.listen(Engine, "commit", lambda _: self._point("commit"))

    def _point(self, name: str) -> None:
        os.write(self.told, f"{name}\n".encode())
        self.count += 1
        if self.count == self.die_at:
            os._exit(KILLED)

    def _over(self, name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def act(*arguments: Any, **named: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return original(*arguments, **named)
            self._point(f"file before {name}")
            done = original(*arguments, **named)
            self._point(f"file after {name}")
            return done

        return act


def in_process(act: Callable[[], object], die_at: int | None) -> tuple[int, list[str]]:
    """Do it in a process of its own; its exit status, and the points that it came by."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        try:
            Writes(die_at, write).watch()
            act()
            os._exit(DONE)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(write)
    with os.fdopen(read) as said:
        points = said.read().splitlines()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), points
