"""A failure at any write of a command leaves everything as it was, and the next try succeeds."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from bruk.control import agents, gateways, switch
from bruk.control.reconcile import step_reconcile
from bruk.model.run import Observed
from bruk.model.switch import HoldScope
from bruk.store.database import StoreUnavailable
from bruk.wire.agent import Observation

from .world import World


class Injected(Exception):
    """The failure."""


def _submit(world: World) -> Callable[[], object]:
    return lambda: world.submit(recipe="pretrain", command=[], model="m")


def _off(world: World) -> Callable[[], object]:
    return lambda: switch.off(world.control, world.operator, HoldScope.TENANT, "acme", "")


def _on(world: World) -> Callable[[], object]:
    _off(world)()
    return lambda: switch.on(world.control, world.operator, HoldScope.TENANT, "acme")


def _settle(world: World) -> Callable[[], object]:
    _, run, site = world.running(outputs=["log"], model="m")
    site.end(run.id, 0, [world.blob(b"log", "log"), world.blob(b"weights")])
    return lambda: step_reconcile(world.control)


def _place(world: World) -> Callable[[], object]:
    from bruk.control.apply import step_schedule

    world.submit()
    world.submit(sites=["nowhere"])
    return lambda: step_schedule(world.control)


def _receive(world: World) -> Callable[[], object]:
    _, run, site = world.running()
    world.clock.advance(60_000)
    site.meter(run.id, run.created_at_ms, world.clock.now_ms())
    said = Observation(run=run.id, generation=1, observed=Observed.EXITED, exit_code=0)
    request = site.request(observations=[said], nodes=site.request().nodes[:1])
    return lambda: agents.receive(world.control, site.actor, request)


def _usage(world: World) -> Callable[[], object]:
    gateway = world.add_gateway("gw", "essonne")
    gateway.sync()
    gateway.use("acme/lab", 10, 20)
    gateway.use("lumen/lab", 10, 20)
    return lambda: gateways.receive(world.control, gateway.actor, gateway.request())


@pytest.mark.parametrize("make", [_submit, _off, _on, _settle, _place, _receive, _usage])
def test_a_failure_at_any_write_leaves_nothing_half_done(
    world: World, make: Callable[[World], Callable[[], object]]
) -> None:
    act = make(world)
    before = world.dump()
    count = 0
    fail_at = 0

    def fail(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        nonlocal count
        if statement.split(None, 1)[0] in ("INSERT", "UPDATE", "DELETE"):
            count += 1
            if count == fail_at:
                raise Injected

    event.listen(world.database.engine, "before_cursor_execute", fail)
    for number in range(1, 60):
        count, fail_at = 0, number
        with contextlib.suppress(Injected):
            act()
        if count >= fail_at:
            assert world.changed(before) == set(), f"write {number} left something"
        else:
            break
    assert number > 2, "it writes at least twice"
    assert "audit" in world.changed(before) or make in (_receive, _usage)


def test_a_failure_at_the_commit_is_said_and_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    from sqlalchemy.exc import OperationalError

    def refuse(_connection: Any) -> None:
        raise OperationalError("COMMIT", None, sqlite3.OperationalError("database or disk is full"))

    before = world.dump()
    event.listen(world.database.engine, "commit", refuse)
    with pytest.raises(StoreUnavailable, match="free space"):
        world.submit()
    event.remove(world.database.engine, "commit", refuse)
    assert world.changed(before) == set()
    version = world.control.changes.version
    assert world.submit()
    assert world.control.changes.version == version + 1
