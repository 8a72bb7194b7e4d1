"""The life of a home: its keys, a backup and what is made of it, as acts of whoever runs the machine.

Each act is taken up again when control dies in it, by a start anew. What happens outside (files that are put
back) happens once.
"""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bruk.assembly import backup
from bruk.assembly.home import Home
from bruk.assembly.platform import open_control
from bruk.control import access, evidence, signing
from bruk.control.control import Control
from bruk.control.switch import GENERATION
from bruk.model.clock import ManualClock
from bruk.model.tenant import Actor
from bruk.store import counters, records

DATABASE = "bruk.sqlite3"


class HomeLife:
    """A home, a place for what is kept beside it, and the home that is restored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.control: Control | None = None
        self.restored: Control | None = None
        self.operator: Actor | None = None
        self.done: set[str] = set()
        folder.mkdir()

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    @property
    def other(self) -> Home:
        return Home(self.folder / "other")

    def open(self) -> Control:
        if self.control is None:
            self.control = open_control(self.home, self.clock)
        return self.control

    def die(self) -> None:
        for control in (self.control, self.restored):
            if control is not None:
                control.database.close()
        self.control = self.restored = None

    def once(self, name: str, act: Callable[[], object]) -> None:
        if name not in self.done:
            act()
            self.done.add(name)


def starts(life: HomeLife) -> None:
    user, _, _ = access.first_operator(life.open())
    life.operator = Actor("user", user.id, user.role)


def keeps_copy(life: HomeLife) -> None:
    def copy() -> None:
        life.die()
        shutil.copy(life.home.path / DATABASE, life.folder / "older")

    life.once("copy", copy)


def rotates(life: HomeLife) -> None:
    """Who heard no answer looks which key signs."""
    control = life.open()
    assert life.operator is not None
    if len(signing.keys(control, life.operator)) == 1:
        signing.rotate(control, life.operator)


def sets_back(life: HomeLife) -> None:
    """The database of before the rotation is put back; the old private key is gone."""

    def put() -> None:
        life.die()
        for suffix in ("-wal", "-shm"):
            (life.home.path / f"{DATABASE}{suffix}").unlink(missing_ok=True)
        shutil.copy(life.folder / "older", life.home.path / DATABASE)

    life.once("set back", put)


def opens(life: HomeLife) -> None:
    life.open()


def takes(life: HomeLife) -> None:
    file = life.folder / "backup.tar"
    life.once("take", lambda: backup.take(life.home, file, life.clock, with_keys=True))


def restores(life: HomeLife) -> None:
    """Who heard no answer looks whether the home is there."""
    if not life.other.path.exists():
        backup.restore(life.folder / "backup.tar", life.other, life.clock, None)


def opens_other(life: HomeLife) -> None:
    if life.restored is None:
        life.restored = open_control(life.other, life.clock)


HOME_LIFE: list[Callable[[HomeLife], object]] = [
    starts,
    keeps_copy,
    opens,
    rotates,
    sets_back,
    opens,
    takes,
    restores,
    opens_other,
]


def home_outcome(life: HomeLife) -> dict[str, Any]:
    """What must be the same whatever happened on the way; that every record verifies."""
    assert life.operator is not None
    opens_other(life)
    found: dict[str, Any] = {}
    for name, control in (("home", life.open()), ("other", life.restored)):
        assert control is not None
        assert evidence.verify(control, life.operator, "audit", []).ok
        with control.read() as connection:
            actions = Counter(item.action for item in records.audit_entries(connection, limit=1000))
            found[name] = {
                "keys": [(row.number, row.until_ms) for row in signing.keys(control, life.operator)],
                # An operator's start may be repeated; everything else is done once.
                "actions": {action: count for action, count in actions.items() if "first_op" not in action},
                "generation": counters.value(connection, GENERATION),
                "signs": control.key.key_id == signing.keys(control, life.operator)[-1].key_id,
            }
    found["left"] = sorted(
        str(path.relative_to(life.folder))
        for path in life.folder.rglob("*")
        if not path.name.startswith(f"{DATABASE}-")
    )
    return found
