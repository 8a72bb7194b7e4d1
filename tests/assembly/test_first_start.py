"""The first start dies anywhere, as by SIGKILL; the second one ends with the home that there would have been.

Each start is a process of its own, forked from this one: it is ``bruk up`` up to the moment at which the
command line is told where everything is, and ends at the wanted one of its writes, before it or after it.
"""

import importlib
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from bruk.assembly.clock import SystemClock
from bruk.assembly.home import Home
from bruk.assembly.platform import open_control
from bruk.control import access, evidence, signing
from bruk.model.tenant import Role
from bruk.store import people

from .killed import DONE, KILLED, in_process

STATEMENTS = 12


def start(home: Path, die_at: int | None) -> tuple[int, list[str]]:
    """``bruk up`` in a process, until the command line is told where everything is."""
    return in_process(lambda: _come_up(home), die_at)


def _come_up(home: Path) -> None:
    up = importlib.import_module("bruk.assembly.up")
    remember = up.remember

    def ready(*arguments: Any, **named: Any) -> None:
        remember(*arguments, **named)
        os._exit(DONE)

    vars(up)["remember"] = ready
    up.up(home, 0, 0)


def found(home: Path) -> dict[str, Any]:
    """What a home has after its first start; that everything in it holds together."""
    left = sorted(
        str(path.relative_to(home))
        for path in home.rglob("*")
        if not path.name.startswith("bruk.sqlite3-") and path.parent.name != "logs"
    )
    kept = json.loads((home / "cli.json").read_text())
    control = open_control(Home(home), SystemClock())
    try:
        operator = access.actor_of(control, kept["token"])
        assert operator.role is Role.OPERATOR
        assert [row.number for row in signing.keys(control, operator)] == [1]
        assert evidence.verify(control, operator, "audit", []).ok
        with control.read() as connection:
            rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master")
            schema = {name: sorted((sql or "").replace(",", "").split("\n")) for name, sql in rows}
            return {
                "left": left,
                "schema": schema,
                "people": [(user.name, user.role) for user in people.users(connection)],
                "modes": [oct((home / name).stat().st_mode) for name in left if "sqlite" not in name],
            }
    finally:
        control.database.close()


@pytest.mark.slow
def test_a_first_start_that_is_killed_anywhere_is_followed_by_a_good_one(tmp_path: Path) -> None:
    status, points = start(tmp_path / "whole", None)
    assert status == DONE
    expected = found(tmp_path / "whole")
    assert len(expected["people"]) == 1
    numbers = [number for number, name in enumerate(points, 1) if name.startswith(("file", "commit"))]
    others = [number for number, name in enumerate(points, 1) if name == "statement"]
    assert len(numbers) > 20
    assert len(others) > 100, "migrations are many statements"
    for number in sorted({*numbers, *random.Random(3).sample(others, STATEMENTS)}):
        home = tmp_path / f"at-{number}"
        status, before = start(home, number)
        assert status == KILLED, f"{number} of {points[number - 1]}"
        status, _ = start(home, None)
        where = f"killed at {number}, {before[-1]}"
        assert status == DONE, f"{where}: the next start does not come up"
        assert found(home) == expected, where


@pytest.mark.parametrize("draft", [".cli.json.new", ".database_url.new", ".clock.json.new"])
def test_what_a_killed_command_left_in_an_empty_home_is_no_other_thing(tmp_path: Path, draft: str) -> None:
    home = Home(tmp_path / "home")
    home.path.mkdir(mode=0o700)
    (home.path / draft).write_text("half a fi")
    home.make()


def test_control_knows_the_ports_where_no_replica_is(tmp_path: Path) -> None:
    """What an agent says of a replica is held against them; see ``control.heard``."""

    def act() -> None:
        up = importlib.import_module("bruk.assembly.up")
        opening, made = up.open_control, []

        def opened(*arguments: Any) -> Any:
            made.append(opening(*arguments))
            return made[-1]

        def ready(_home: Home, **values: str) -> None:
            told = {int(values[name].rsplit(":", 1)[1]) for name in ("url", "gateway_url")}
            os._exit(DONE if made[-1].doors == told else KILLED)

        vars(up).update(open_control=opened, remember=ready)
        up.up(tmp_path / "home", 0, 0)

    assert in_process(act, None)[0] == DONE
