"""The signing key rotates: one audit chain, records of all times verify, and no crash leaves two minds."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bruk.control import evidence, invoices, signing, switch
from bruk.control.control import Control
from bruk.model.errors import BrukError, Forbidden, InvalidInput
from bruk.model.switch import HoldScope
from bruk.model.tenant import Actor, Role
from bruk.seal import (
    Checkpoint,
    Handover,
    KeyFileMissing,
    Keyring,
    SealError,
    SignedDocument,
    SigningKey,
    empty_head,
    verify_document,
    verify_export,
)
from bruk.store import records
from bruk.store.database import Database
from bruk.store.tables import signing_key
from bruk.wire.requests import InvoiceBody

from .world import World


@pytest.fixture
def keys(world: World) -> Path:
    """The world's folder of keys, as after its first start."""
    folder = world.control.home / "keys"
    folder.mkdir(mode=0o700)
    world.control.key.save(folder / "signing.key")
    signing.open_keys(folder, world.database, world.clock)
    return folder


def _receipt(world: World) -> SignedDocument:
    """A receipt as things stand now, of turning tenant lumen off, or on again."""
    with world.control.read() as connection:
        stands = bool(switch.state(connection).holds)
    if stands:
        _, receipt = switch.on(world.control, world.operator, HoldScope.TENANT, "lumen")
    else:
        _, receipt = switch.off(world.control, world.operator, HoldScope.TENANT, "lumen", "")
    return SignedDocument.from_document(switch.receipt(world.control, world.operator, receipt)[1])


def _invoice(world: World) -> SignedDocument:
    world.clock.advance(1_000)
    row = invoices.issue(world.control, world.operator, InvoiceBody(tenant="acme"))
    return SignedDocument.from_document(row.document)


def _export(world: World, chain: str = "audit") -> Path:
    return evidence.export(world.control, world.operator, chain)


def test_records_of_before_and_after_verify_whichever_key_is_pinned(world: World, keys: Path) -> None:
    control = world.control
    first = control.key
    before = [_receipt(world), _invoice(world)]
    world.clock.advance(1_000)
    signing.rotate(control, world.operator)
    second = control.key
    between = [_receipt(world), _invoice(world)]
    world.clock.advance(1_000)
    signing.rotate(control, world.operator)
    third = control.key
    after = [_receipt(world), _invoice(world)]
    assert [item.key_id for item in before + between + after] == [
        key.key_id for key in (first, second, third) for _ in range(2)
    ]
    published = Keyring.from_document(json.loads((keys / "public.json").read_text()))
    checkpoints = [item.checkpoint for item in before + between + after]
    for pinned in (first, second, third):
        ring = Keyring.of([pinned.public_key]).following(published.handovers)
        for item in before + between + after:
            assert verify_document(item, ring).ok
        for chain in ("audit", "ledger"):
            known = [item for item in checkpoints if item is not None]
            report = verify_export(_export(world, chain), Keyring.of([pinned.public_key]), known)
            assert report.ok, report.sentences()
            assert report.key_id == third.key_id
    assert evidence.verify(control, world.operator, "audit", []).ok


def test_the_audit_chain_goes_on_as_one_and_says_who_rotated(world: World, keys: Path) -> None:
    old = world.control.key.key_id
    before = evidence.newest_audit(world.control, world.operator, before=None, limit=1)[1]
    found = signing.rotate(world.control, world.operator)
    (entry,), head = evidence.newest_audit(world.control, world.operator, before=None, limit=1)
    assert head.seq == before.seq + 1
    assert entry.prev == before.hash
    assert (entry.action, entry.target, entry.actor_id) == (
        "signing_key.rotate",
        found.key_id,
        world.operator.id,
    )
    assert (entry.detail["old"], entry.detail["new"]) == (old, found.key_id)
    (statement,) = world.control.keyring.handovers
    assert entry.detail["handover"] == statement.digest
    assert {head.chain: head.seq for head in statement.heads} == {"audit": before.seq, "ledger": 0}


def test_a_stolen_old_key_signs_nothing_that_holds(world: World, keys: Path) -> None:
    control = world.control
    stolen = control.key
    signing.rotate(control, world.operator)
    world.clock.advance(1_000)
    with control.read() as connection:
        head = records.head(connection, "audit")
    forged = Checkpoint.sign(head, world.clock.now_ms(), stolen)
    for pinned in (stolen, control.key):
        ring = Keyring.of([pinned.public_key]).following(control.keyring.handovers)
        with pytest.raises(SealError):
            forged.check(ring)
        report = verify_export(_export(world), Keyring.of([pinned.public_key]), [forged])
        assert not report.ok


def test_what_a_compromised_key_signed_since_the_theft_is_not_believed(world: World, keys: Path) -> None:
    control = world.control
    stolen = control.key
    good = _receipt(world)
    world.clock.advance(1_000)
    theft_ms = world.clock.now_ms()
    bad = _receipt(world)
    world.clock.advance(1_000)
    found = signing.rotate(control, world.operator, theft_ms)
    rows = signing.keys(control, world.operator)
    assert [(row.key_id, row.revoked_from_ms) for row in rows] == [
        (stolen.key_id, theft_ms),
        (found.key_id, None),
    ]
    for pinned in (stolen, control.key):
        ring = Keyring.of([pinned.public_key]).following(control.keyring.handovers)
        assert verify_document(good, ring).ok
        assert not verify_document(bad, ring).ok
    assert evidence.verify(control, world.operator, "audit", []).ok, "the chain itself is signed anew"


@pytest.mark.parametrize("off_by_ms", [-10_000, 1])
def test_a_key_is_revoked_from_a_moment_of_its_use_only(world: World, keys: Path, off_by_ms: int) -> None:
    signing.rotate(world.control, world.operator)
    before = world.dump()
    with pytest.raises(InvalidInput):
        signing.rotate(world.control, world.operator, world.clock.now_ms() + off_by_ms)
    assert world.changed(before) == set()
    assert _receipt(world).key_id == world.control.key.key_id
    signing.rotate(world.control, world.operator, world.clock.now_ms())


def test_a_clock_that_was_set_back_takes_nothing_away(world: World, keys: Path) -> None:
    world.clock.advance(3_600_000)
    before = _receipt(world)
    world.clock._now_ms -= 3_600_000
    signing.rotate(world.control, world.operator)
    assert verify_document(before, world.control.keyring).ok


@pytest.mark.parametrize(
    ("tenant", "role"), [("acme", "member"), ("acme", "tenant_admin"), (None, "auditor")]
)
def test_only_operators_of_the_platform_rotate(
    world: World, keys: Path, tenant: str | None, role: str
) -> None:
    who = world.person(tenant, role)
    files = sorted(os.listdir(keys))
    for caller in (who, Actor("user", "user_x", Role.OPERATOR, site="essonne")):
        with pytest.raises(Forbidden):
            signing.rotate(world.control, caller)
    assert sorted(os.listdir(keys)) == files
    if role != "auditor":
        with pytest.raises(Forbidden):
            signing.keys(world.control, who)
    assert len(signing.keys(world.control, world.operator)) == 1


def test_the_old_private_key_is_gone_and_the_files_are_their_owners_alone(world: World, keys: Path) -> None:
    old = (keys / "signing.key").read_bytes()
    signing.rotate(world.control, world.operator)
    assert sorted(os.listdir(keys)) == ["public.json", "signing.key"]
    assert old not in [path.read_bytes() for path in keys.iterdir()]
    assert {path.stat().st_mode & 0o777 for path in keys.iterdir()} == {0o600}
    assert SigningKey.load(keys / "signing.key").key_id == world.control.key.key_id


def test_records_that_are_made_while_keys_rotate_hold_all(world: World, keys: Path) -> None:
    """Heads and keys are of one view of the store, however a rotation falls between."""
    made: list[SignedDocument] = []
    exports: list[Path] = []
    stop = threading.Event()
    _, receipt = switch.off(world.control, world.operator, HoldScope.TENANT, "acme", "")

    def look() -> None:
        while not stop.is_set():
            document = switch.receipt(world.control, world.operator, receipt)[1]
            made.append(SignedDocument.from_document(document))
            exports.append(_export(world))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(12):
        signing.rotate(world.control, world.operator)
    stop.set()
    for thread in threads:
        thread.join()
    ring = world.control.keyring
    assert len({item.key_id for item in made}) > 1
    for item in made:
        report = verify_document(item, ring)
        assert report.ok, report.sentences()
    for path in exports:
        assert verify_export(path, ring).ok


# What a process does that dies in the midst of a rotation: at each of these calls, before or after it.
CRASHES = {
    "before the key file": ("bruk.control.signing._made", "before"),
    "after the key file": ("bruk.control.signing._made", "after"),
    "within the transaction": ("bruk.store.signing.add", "after"),
    "before the commit": ("bruk.control.signing.ring_of", "before commit"),
    "after the commit": ("bruk.control.signing._put_in_place", "before"),
    "after the move": ("bruk.control.signing._publish", "before"),
    "within publishing": ("bruk.control.signing.json.dump", "before"),
    "after publishing": ("bruk.control.signing._publish", "after"),
}
ROTATED = {"after the commit", "after the move", "within publishing", "after publishing"}
PROGRAM = """
import importlib, os, sys
from pathlib import Path
home, target, when = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
from bruk.assembly.clock import SystemClock
from bruk.assembly.home import Home
from bruk.assembly.platform import open_control
from bruk.control import access, signing
from bruk.model.tenant import Actor, Role
from bruk.store import records

if when == "before commit":
    real = records.append_audit
    def dying(connection, entry):
        real(connection, entry)
        os._exit(9)
    arm = lambda: setattr(records, "append_audit", dying)
else:
    module, _, name = target.rpartition(".")
    try:
        owner = importlib.import_module(module)
    except ModuleNotFoundError:
        outer, _, inner = module.rpartition(".")
        owner = getattr(importlib.import_module(outer), inner)
    real = getattr(owner, name)
    def dying(*arguments, **named):
        if when == "after":
            real(*arguments, **named)
        os._exit(9)
    arm = lambda: setattr(owner, name, dying)

if sys.argv[4] == "start":
    arm()
    open_control(Home(home), SystemClock())
else:
    control = open_control(Home(home), SystemClock())
    user, _, _ = access.first_operator(control)
    arm()
    signing.rotate(control, Actor("user", user.id, Role.OPERATOR))
os._exit(7)
"""


def _dies(home: Path, target: str, when: str, doing: str) -> None:
    command = [sys.executable, "-c", PROGRAM, str(home), target, when, doing]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr


@dataclass
class Opened:
    control: Control
    operator: Actor


def _open(home: Path) -> Opened:
    from bruk.assembly.clock import SystemClock
    from bruk.assembly.home import Home
    from bruk.assembly.platform import open_control
    from bruk.control import access

    control = open_control(Home(home), SystemClock())
    user, _, _ = access.first_operator(control)
    return Opened(control, Actor("user", user.id, Role.OPERATOR))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "home"


@pytest.mark.parametrize("point", list(CRASHES))
def test_a_crash_in_the_midst_of_a_rotation_leaves_one_key_that_signs(home: Path, point: str) -> None:
    opened = _open(home)
    first = opened.control.key.key_id
    opened.control.database.close()
    _dies(home, *CRASHES[point], "rotate")
    opened = _open(home)
    control = opened.control
    known = signing.keys(control, opened.operator)
    assert len(known) == (2 if point in ROTATED else 1)
    assert (control.key.key_id == first) is (point not in ROTATED)
    assert known[-1].key_id == control.key.key_id
    assert sorted(path.name for path in (home / "keys").iterdir()) == [
        "public.json",
        "signing.key",
    ]
    assert json.loads((home / "keys" / "public.json").read_text()) == control.keyring.document()
    actions = [
        entry.action for entry in evidence.newest_audit(control, opened.operator, before=None, limit=9)[0]
    ]
    assert actions.count("signing_key.rotate") == len(known) - 1, "what is audited is what happened"
    assert evidence.verify(control, opened.operator, "audit", []).ok
    signing.rotate(control, opened.operator)
    assert evidence.verify(control, opened.operator, "audit", []).ok
    control.database.close()


@pytest.mark.parametrize(
    ("target", "when"),
    [
        ("bruk.seal.keys.SigningKey.save", "before"),
        ("bruk.seal.keys.SigningKey.save", "after"),
        ("bruk.store.signing.add", "before"),
        ("bruk.store.signing.add", "after"),
        ("bruk.control.signing._publish", "before"),
    ],
)
def test_a_crash_in_the_first_start_is_followed_by_a_good_one(home: Path, target: str, when: str) -> None:
    _dies(home, target, when, "start")
    opened = _open(home)
    assert [row.number for row in signing.keys(opened.control, opened.operator)] == [1]
    assert evidence.verify(opened.control, opened.operator, "audit", []).ok
    opened.control.database.close()


def test_a_database_and_a_key_that_do_not_belong_together_are_refused(home: Path, tmp_path: Path) -> None:
    opened = _open(home)
    opened.control.database.close()
    key = home / "keys" / "signing.key"
    kept = key.read_bytes()
    key.unlink()
    SigningKey.generate().save(key)
    with pytest.raises(KeyFileMissing, match="same backup"):
        _open(home)
    key.unlink()
    with pytest.raises(BrukError, match="signing key"):
        _open(home)
    assert not key.exists(), "no other key is made in its place"
    SigningKey.generate().save(key)
    key.write_bytes(kept)
    _open(home).control.database.close()


@pytest.mark.parametrize("rotations", [1, 3])
def test_a_database_of_before_a_rotation_catches_up_with_the_key_that_is_left(
    home: Path, rotations: int
) -> None:
    """The old private key is gone; a backup of its time must not be worthless for that."""
    opened = _open(home)
    opened.control.database.close()
    backup = (home / "bruk.sqlite3").read_bytes()
    opened = _open(home)
    for _ in range(rotations):
        signing.rotate(opened.control, opened.operator)
    key_id = opened.control.key.key_id
    opened.control.database.close()
    for suffix in ("-wal", "-shm"):
        (home / f"bruk.sqlite3{suffix}").unlink(missing_ok=True)
    (home / "bruk.sqlite3").write_bytes(backup)
    public = (home / "keys" / "public.json").read_text()
    (home / "keys" / "public.json").unlink()
    with pytest.raises(KeyFileMissing, match=r"public\.json"):
        _open(home)
    (home / "keys" / "public.json").write_text(public)
    for _ in range(2):
        opened = _open(home)
        assert opened.control.key.key_id == key_id
        assert len(signing.keys(opened.control, opened.operator)) == rotations + 1
        newest, _ = evidence.newest_audit(opened.control, opened.operator, before=None, limit=20)
        assert sum(entry.action == "signing_key.rotate" for entry in newest) == rotations
        assert evidence.verify(opened.control, opened.operator, "audit", []).ok
        opened.control.database.close()


def test_a_strangers_ring_does_not_make_a_strangers_key_ours(home: Path) -> None:
    opened = _open(home)
    opened.control.database.close()
    stranger, other = SigningKey.generate(), SigningKey.generate()
    statement = Handover.sign(other, stranger, 1, [empty_head("audit"), empty_head("ledger")])
    ring = Keyring.of([stranger.public_key]).following([statement])
    (home / "keys" / "public.json").write_text(json.dumps(ring.document()))
    (home / "keys" / "signing.key").unlink()
    stranger.save(home / "keys" / "signing.key")
    with pytest.raises(KeyFileMissing):
        _open(home)


def test_records_without_their_key_are_refused_by_an_earlier_versions_home_too(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "keys"
    with pytest.raises(KeyFileMissing):
        signing.open_keys(folder, world.database, world.clock)
    SigningKey.generate().save(folder / "signing.key")
    signing.open_keys(folder, world.database, world.clock)
    with world.control.read() as connection:
        first = records.first_ms(connection)
    assert signing.keys(world.control, world.operator)[0].from_ms == first


def test_a_statement_that_was_changed_in_the_store_is_found_at_the_start(world: World, keys: Path) -> None:
    signing.rotate(world.control, world.operator)
    with world.database.write() as connection:
        statement = connection.execute(
            select(signing_key.c.handover).where(signing_key.c.number == 2)
        ).scalar()
        changed = json.loads(json.dumps(statement).replace('"revoked": false', '"revoked": true'))
        assert changed != statement
        connection.execute(update(signing_key).where(signing_key.c.number == 2).values(handover=changed))
    with pytest.raises(SealError):
        signing.open_keys(keys, Database.open(str(world.database.engine.url)), world.clock)


def test_leases_bring_gateways_the_statements(world: World, keys: Path) -> None:
    gateway = world.add_gateway("gw", "essonne")
    gateway.sync()
    signing.rotate(world.control, world.operator)
    from bruk.control import gateways

    answer = gateways.answer(world.control, gateway.actor, 1)
    assert SignedDocument.from_document(answer.lease).key_id == world.control.key.key_id
    assert tuple(Handover.from_document(item) for item in answer.handovers) == world.control.keyring.handovers


def test_before_the_first_start_there_are_no_keys_to_list(world: World) -> None:
    assert signing.keys(world.control, world.operator) == []
