"""Control of a simulated cloud: the product's own, over a database that may fail or be cut off.

A process that is killed leaves the database as its last commit made it; `boot` starts another over it. Must
never catch what the product should have caught.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from bruk.control.blobs import BlobStore
from bruk.control.control import Control
from bruk.control.logs import LogStore
from bruk.control.step import step
from bruk.model.clock import Clock
from bruk.model.errors import BrukError
from bruk.seal import Keyring, SigningKey
from bruk.store.database import Connection, Database
from bruk.twin.world.machines import Killed

TURNS_MAX = 60
Answer = TypeVar("Answer")


class ControlDown(Exception):
    """There is no control now, or it was killed while it worked; whether it did is not known."""


class FragileDatabase(Database):
    """A database whose process can be killed at any statement, and whose disk can be full."""

    full = False
    kill_in: int | None = None

    @classmethod
    def over(cls, file: Path) -> "FragileDatabase":
        """The database in this file."""
        made = cls.open(f"sqlite:///{file}")
        assert isinstance(made, cls)
        # What a process that is killed has committed stays; no power is cut here.
        event.listen(made.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
        event.listen(made.engine, "before_cursor_execute", made._before)
        return made

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            yield connection
            self._count_down("before the commit")
        self._count_down("after the commit")

    def _before(self, connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not connection.info.get("writes"):
            return
        changes = statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))
        if self.full and changes:
            refusal = sqlite3.OperationalError("database or disk is full")
            raise OperationalError(statement, {}, refusal)
        self._count_down(statement)

    def _count_down(self, where: str) -> None:
        if self.kill_in is None:
            return
        self.kill_in -= 1
        if self.kill_in <= 0:
            self.kill_in = None
            raise Killed(where)


class Cloud:
    """Control and what outlives it: database, blobs, logs, the signing key."""

    def __init__(self, home: Path, template: Path, clock: Clock) -> None:
        self.clock = clock
        home.mkdir(parents=True)
        shutil.copy(template, home / "bruk.sqlite3")
        self.database = FragileDatabase.over(home / "bruk.sqlite3")
        self.key = SigningKey.generate()
        self.keyring = Keyring.of([self.key.public_key])
        self._home = home
        self.kills = 0
        self.defects: list[str] = []
        self.control: Control | None = None
        self.boot()

    def boot(self) -> None:
        """Start control over what is there; idle if it runs."""
        if self.control is None:
            self.control = Control(
                self.database,
                self.clock,
                self.key,
                self.keyring,
                BlobStore(self._home / "artifacts"),
                LogStore(self._home / "logs"),
                self._home,
            )

    def kill(self) -> None:
        """Control is gone."""
        self.kills += 1
        self.control = None
        self.database.kill_in = None

    def ask(self, act: Callable[[Control], Answer]) -> Answer:
        """Have control do something.

        Raises:
            ControlDown: it is away, or was killed while it did it.
            BrukError: what it answers.
        """
        if self.control is None:
            raise ControlDown("control does not run")
        try:
            return act(self.control)
        except Killed as killed:
            self.kill()
            raise ControlDown(f"control was killed {killed}") from None

    def turn(self) -> int:
        """Steps until control comes to rest, as its loop does; how many changed something."""
        for count in range(TURNS_MAX):
            try:
                if not self.ask(step):
                    return count
            except (BrukError, ControlDown):
                return count
            except Exception as error:  # What the loop would log is a defect here.
                self.defects.append(f"control's step failed: {error!r}")
                return count
        self.defects.append("control never comes to rest")
        return TURNS_MAX

    def close(self) -> None:
        """Give up the database."""
        self.database.close()
