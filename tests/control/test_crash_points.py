"""Control dies at every one of its writes, before and after it, and the outcome is the undisturbed one."""

import importlib
import random
import shutil
from collections import Counter
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bruk.control import switch
from bruk.seal import SignedDocument, verify_document
from bruk.seal.chain import GENESIS_HASH
from bruk.store import goods, records, work
from bruk.store.database import Database

from .acts import REPEATED, Life
from .crash import SIDES, Crash, Points, in_source
from .homes import HOME_LIFE, HomeLife, home_outcome
from .life import WHOLE, enforcers, invoices_of
from .world import World

# Rows that an act which is repeated may leave twice: secrets that nobody has seen.
NOT_COMPARED = {"credential", "audit", "idempotency", "setting", "sqlite_sequence", "api_key"}


def live(world: World, points: Points) -> int:
    """The whole life; each act is repeated by its caller until it is through. How often control died."""
    life = Life(world)
    deaths = 0
    for act in WHOLE:
        points.begin()
        while True:
            try:
                act(life)
                break
            except Crash:
                deaths += 1
                world.reopen()
                points.revive()
    return deaths


def outcome(world: World) -> dict[str, Any]:
    """What must be the same whatever happened on the way."""
    with world.control.read() as connection:
        workloads = {
            item.name: (item.outcome, item.failures, len(work.runs(connection, of_workload=item.id)))
            for item in work.workloads(connection)
        }
        ledger = records.ledger_entries(connection, limit=10_000)
        found = {
            "workloads": workloads,
            "ledger": [
                (e.project, e.resource, e.quantity, e.amount_microeur, e.from_ms, e.to_ms) for e in ledger
            ],
            "models": [(item.id, item.stage, len(item.evaluations)) for item in goods.models(connection)],
            "sums": records.sums_by_project(connection),
        }
    found["invoices"] = invoices_of(world)
    found["enforcers"] = enforcers(world)
    found["rows"] = {name: len(rows) for name, rows in world.dump().items() if name not in NOT_COMPARED}
    return found


def actions(world: World) -> Counter[str]:
    with world.control.read() as connection:
        return Counter(
            f"{item.action} {item.outcome}" for item in records.audit_entries(connection, limit=10_000)
        )


def check_sound(world: World) -> None:
    """Chains whole, receipts complete and signed, no device twice, no blob missing or left over."""
    with world.control.read() as connection:
        for name in (records.LEDGER, records.AUDIT):
            before = GENESIS_HASH
            for entry in records.chain(connection, name):
                assert entry.prev == before
                before = entry.hash
        artifacts = goods.artifacts(connection)
        open_runs = [item.run for item in work.runs(connection, unsettled=True)]
    used = [
        (run.site, part.node, device)
        for run in open_runs
        for part in run.placement
        for device in part.devices
    ]
    assert len(used) == len(set(used)), "a device was given twice"
    assert all(world.control.blobs.has(item.digest) for item in artifacts), "an artifact without its bytes"
    kept = {path.name for path in world.control.blobs.folder.glob("??/*")}
    assert kept == {item.digest for item in artifacts}, "bytes that are nobody's"
    rows = switch.receipts(world.control, world.operator)
    assert len(rows) == 2
    for row in rows:
        complete, document = switch.receipt(world.control, world.operator, row.id)
        assert complete
        assert verify_document(SignedDocument.from_document(document), world.control.keyring).ok
    numbers = [number for number, _ in invoices_of(world)]
    assert numbers == [f"BRUK-{count:06d}" for count in range(1, len(numbers) + 1)]


def check_audit(world: World, undisturbed: Counter[str]) -> None:
    """What is done once stands in the audit once; what a caller repeats may stand there again."""
    seen = actions(world)
    assert set(seen) == set(undisturbed)
    for name, count in undisturbed.items():
        assert seen[name] >= count, f"{name} is missing in the audit"
        if name.split()[0] not in REPEATED and name.endswith(" done"):
            assert seen[name] == count, f"{name} was done {seen[name]} times, not {count}"


@pytest.fixture
def undisturbed(template: Path, tmp_path: Path) -> tuple[dict[str, Any], Counter[str], list[str]]:
    with pytest.MonkeyPatch.context() as patch:
        points = Points(patch)
        world = World(tmp_path / "undisturbed", template, populate=False)
        points.met.clear()  # Only what is met in the life can end it.
        assert live(world, points) == 0
        check_sound(world)
        found = outcome(world), actions(world), points.met
        world.close()
    return found


def live_at_home(life: HomeLife, points: "HomePoints") -> int:
    """The life of a home with its keys; how often control died."""
    deaths = 0
    for act in HOME_LIFE:
        points.begin()
        while True:
            try:
                act(life)
                break
            except Crash:
                deaths += 1
                life.die()
                points.let_go()
                points.revive()
    return deaths


class HomePoints(Points):
    """With what the kernel does for one that is killed, and what nobody does: its files are closed, and it
    does not tidy up after itself."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__(patch)
        self._opened: list[Database] = []
        opening, tidying = Database.open, shutil.rmtree

        def opened(url: str) -> Database:
            self._opened.append(opening(url))
            return self._opened[-1]

        def rmtree(*arguments: Any, **named: Any) -> None:
            if self.died_at:
                raise Crash(self.died_at)
            tidying(*arguments, **named)

        patch.setattr(Database, "open", opened)
        module = importlib.import_module("bruk.assembly.backup.restore")
        patch.setattr(module, "shutil", SimpleNamespace(rmtree=rmtree))

    def let_go(self) -> None:
        """Close what a dead process had open."""
        while self._opened:
            self._opened.pop().engine.dispose()


@pytest.fixture
def at_home(tmp_path: Path) -> tuple[dict[str, Any], list[str]]:
    with pytest.MonkeyPatch.context() as patch:
        points = HomePoints(patch)
        life = HomeLife(tmp_path / "home undisturbed")
        assert live_at_home(life, points) == 0
        found = home_outcome(life), list(points.met)
        life.die()
    assert len(found[0]["home"]["keys"]) == 2
    assert found[0]["other"]["generation"] > found[0]["home"]["generation"]
    return found


def test_the_lives_meet_every_write_in_the_code(undisturbed: Any, at_home: Any) -> None:
    """A new write is a new crash point at once, and this says that no life comes by it yet."""
    assert in_source() - set(undisturbed[2]) - set(at_home[1]) == set()


def test_keys_and_a_backup_are_the_same_wherever_control_dies(
    at_home: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each death alone: a life of this kind is short."""
    points = HomePoints(monkeypatch)
    for number, (name, side) in enumerate(product(sorted(set(at_home[1])), SIDES)):
        life = HomeLife(tmp_path / str(number))
        points.wanted = Once(name, side)
        assert live_at_home(life, points) == 1, f"{side} {name}"
        points.wanted = lambda *_: False
        assert home_outcome(life) == at_home[0], f"{side} {name}"
        life.die()


def test_control_dies_at_every_write_and_nothing_is_different(
    undisturbed: Any, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = Points(monkeypatch)
    world = World(tmp_path / "home", template, populate=False)
    died: set[tuple[int, str, int, str]] = set()
    act = 0

    def begin() -> None:
        nonlocal act
        act += 1
        type(points).begin(points)

    def once_each(name: str, number: int, side: str) -> bool:
        at = (act, name, number, side)
        new = at not in died
        died.add(at)
        return new

    monkeypatch.setattr(points, "begin", begin)
    points.wanted = once_each
    deaths = live(world, points)
    points.wanted = lambda *_: False
    assert deaths >= 2 * len(set(undisturbed[2]))
    assert outcome(world) == undisturbed[0]
    check_audit(world, undisturbed[1])
    check_sound(world)
    world.close()


class Once:
    """Death at the first meeting of one point, on one side."""

    def __init__(self, name: str, side: str) -> None:
        self.at = (name, side)
        self.armed = True

    def __call__(self, name: str, _number: int, side: str) -> bool:
        hit = self.armed and (name, side) == self.at
        self.armed &= not hit
        return hit


@pytest.mark.slow
def test_one_death_alone_changes_nothing(
    undisturbed: Any, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn by seed: a death that is followed by another one might be mended by it."""
    points = Points(monkeypatch)
    drawn = random.Random(5).sample(sorted(product(set(undisturbed[2]), SIDES)), 30)
    for number, (name, side) in enumerate(drawn):
        world = World(tmp_path / str(number), template, populate=False)
        points.wanted = Once(name, side)
        assert live(world, points) == 1, f"{side} {name}"
        points.wanted = lambda *_: False
        assert outcome(world) == undisturbed[0], f"{side} {name}"
        check_audit(world, undisturbed[1])
        check_sound(world)
        world.close()
