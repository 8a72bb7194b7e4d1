"""A gateway follows control's signing key only where a key that it believes leads."""

import json
from pathlib import Path
from typing import Any

import pytest

from bruk.gateway.lease import LeaseHolder, LeaseRefused
from bruk.model.clock import ManualClock
from bruk.seal import Handover, Head, Keyring, SignedDocument, SigningKey
from bruk.wire.gateway import LEASE_KIND

from .conftest import HTTP, World, ask, wait_until

OLD, NEW, NEWER, THIEF = (SigningKey.from_seed(bytes([number]) * 32) for number in (1, 2, 3, 9))
HEADS = [Head("audit", 3, "a" * 64), Head("ledger", 0, "0" * 64)]
TO_NEW = Handover.sign(OLD, NEW, 1_000, HEADS)
TO_NEWER = Handover.sign(NEW, NEWER, 2_000, HEADS, previous=TO_NEW.digest)


def _lease(epoch: int, key: SigningKey) -> dict[str, Any]:
    body = {
        "gateway": "gw1",
        "site": "essonne",
        "epoch": epoch,
        "issued_at_ms": 1_000,
        "until_ms": 11_000,
        "generation": 0,
        "holds": [],
        "keys": [],
        "projects": [],
        "models": [],
    }
    return SignedDocument.sign(LEASE_KIND, body, key).document()


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "control.pub"
        self.file.write_text(json.dumps(Keyring.of([OLD.public_key]).document()))
        self.holder = self.make()

    def make(self) -> LeaseHolder:
        ring = Keyring.from_document(json.loads(self.file.read_text()))
        return LeaseHolder("gw1", "essonne", ring, ManualClock(), self.folder / "epoch", 60_000, self.file)

    def take(self, epoch: int, key: SigningKey, *statements: Handover) -> bool:
        return self.holder.take(_lease(epoch, key), [item.document() for item in statements])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_lease_of_the_new_key_is_believed_after_a_hand_over_only(bench: Bench) -> None:
    assert bench.take(1, OLD)
    with pytest.raises(LeaseRefused):
        bench.take(2, NEW)
    assert bench.take(2, NEW, TO_NEW)


def test_once_handed_over_the_old_key_signs_no_lease_also_after_a_restart(bench: Bench) -> None:
    bench.take(1, NEW, TO_NEW)
    for _ in range(2):
        for statements in ((), (TO_NEW,)):
            with pytest.raises(LeaseRefused):
                bench.take(9, OLD, *statements)
        bench.holder = bench.make()
    assert bench.take(2, NEW), "the restart needs no statement"
    assert bench.file.stat().st_mode & 0o777 == 0o600


def test_a_gateway_that_was_away_follows_several_hand_overs(bench: Bench) -> None:
    assert bench.take(1, NEWER, TO_NEW, TO_NEWER)
    for key in (OLD, NEW):
        with pytest.raises(LeaseRefused):
            bench.take(2, key, TO_NEW, TO_NEWER)


@pytest.mark.parametrize(
    "statements",
    [
        (),
        (Handover.sign(THIEF, NEW, 1_000, HEADS),),
        (Handover.sign(NEW, THIEF, 1_000, HEADS),),
        (TO_NEW,),
        (TO_NEW, Handover.sign(OLD, THIEF, 1_000, HEADS)),
    ],
    ids=["none", "of his own", "by a key not yet believed", "another's", "a second of one key"],
)
def test_an_attackers_key_is_never_believed(bench: Bench, statements: tuple[Handover, ...]) -> None:
    assert bench.take(1, OLD)
    before = bench.file.read_text()
    with pytest.raises(LeaseRefused):
        bench.take(2, THIEF, *statements)
    assert bench.file.read_text() == before, "nothing of it is kept"
    assert bench.take(3, OLD)


def test_a_forged_statement_under_a_true_lease_is_refused_and_not_kept(bench: Bench) -> None:
    forged = {**TO_NEW.document(), "new_key": THIEF.public_key.text}
    with pytest.raises(LeaseRefused):
        bench.holder.take(_lease(1, OLD), [forged])
    for junk in ([{}], ["x"], [None]):
        with pytest.raises(LeaseRefused):
            bench.holder.take(_lease(1, OLD), junk)
    assert bench.take(1, OLD)


def test_a_stolen_old_key_leads_nowhere_once_it_was_rotated_out(bench: Bench) -> None:
    bench.take(1, NEW, TO_NEW)
    with pytest.raises(LeaseRefused):
        bench.take(2, THIEF, Handover.sign(OLD, THIEF, 3_000, HEADS))
    with pytest.raises(LeaseRefused):
        bench.take(2, THIEF, TO_NEW, Handover.sign(OLD, THIEF, 3_000, HEADS))
    assert bench.take(2, NEW, TO_NEW)


def test_a_running_gateway_serves_on_across_a_rotation(world: World) -> None:
    control = world.control
    assert ask(world.client()).model == "little"
    new = SigningKey.generate()
    statement = Handover.sign(control.signing, new, 1_000, HEADS)
    control.handovers = [statement.document()]
    control.signing_now = new
    control.change()
    epoch = control.epoch
    wait_until(
        lambda: world.gateway and world.gateway.leases.epoch > epoch, "a lease of the new key is taken"
    )
    assert ask(world.client()).model == "little"
    assert HTTP.get(f"{world.url}/health").status_code == 200
    kept = Keyring.from_document(json.loads((world.home / "control.pub").read_text()))
    assert [key.public_key for key in kept.keys if not key.retired] == [new.public_key]
