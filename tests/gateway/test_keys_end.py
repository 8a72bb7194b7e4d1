"""Keys end at a gateway by its lease alone: rotated, expired, and with whatever clock the machine has."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from bruk.admission import Limiter
from bruk.gateway.account import Accounts
from bruk.gateway.admit import Admission
from bruk.gateway.lease import LeaseHolder
from bruk.gateway.problem import Refusal
from bruk.gateway.traffic import Traffic
from bruk.seal import Keyring, SignedDocument, SigningKey
from bruk.wire.gateway import LEASE_KIND

KEY = SigningKey.from_seed(b"k" * 32)
NOW_MS = 1_800_000_000_000  # By control's clock, when the lease was signed.
PROJECT = {"id": "acme/lab", "tenant": "acme", "allowed_here": True, "sites": ["essonne"]}


class TwoClocks:
    """A wall clock and a monotonic one that move apart."""

    def __init__(self, wall_ms: int) -> None:
        self.wall_ms, self.passed_ms = wall_ms, 5_000

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_ms(self) -> int:
        return self.passed_ms

    def new_id(self, kind: str) -> str:
        return f"{kind}_1"

    def secret(self) -> str:
        return "secret"

    def advance(self, ms: int) -> None:
        self.wall_ms += ms
        self.passed_ms += ms


def _grant(secret: str, expires_at_ms: int | None) -> dict[str, Any]:
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return {"id": "key_1", "secret_hash": digest, "project": "acme/lab", "expires_at_ms": expires_at_ms}


def _lease(keys: list[dict[str, Any]], epoch: int = 1, issued_at_ms: int = NOW_MS) -> dict[str, Any]:
    body = {
        "gateway": "gw1",
        "site": "essonne",
        "epoch": epoch,
        "issued_at_ms": issued_at_ms,
        "until_ms": issued_at_ms + 10_000,
        "generation": 0,
        "holds": [],
        "keys": keys,
        "projects": [PROJECT],
        "models": [],
    }
    return SignedDocument.sign(LEASE_KIND, body, KEY).document()


class Door:
    def __init__(self, folder: Path, wall_ms: int = NOW_MS) -> None:
        self.clock = TwoClocks(wall_ms)
        ring = Keyring.of([KEY.public_key])
        self.leases = LeaseHolder("gw1", "essonne", ring, self.clock, folder / "epoch", 60_000)
        self.admission = Admission(
            self.leases, Traffic("gw1", "essonne", 10), Accounts(), Limiter(), self.clock
        )

    def lets_in(self, secret: str) -> bool:
        try:
            self.admission.identify(f"Bearer {secret}".encode())
        except Refusal as refusal:
            return refusal.code != "invalid_api_key"
        return True


@pytest.mark.parametrize("wrong_by_ms", [0, -3_600_000, -(10**12), 3_600_000])
def test_a_key_expires_by_controls_clock_whatever_the_machines_own_says(
    tmp_path: Path, wrong_by_ms: int
) -> None:
    door = Door(tmp_path, NOW_MS + wrong_by_ms)
    door.leases.take(_lease([_grant("one", NOW_MS + 4_000), _grant("two", None)]))
    assert door.lets_in("one")
    door.clock.advance(3_999)
    assert door.lets_in("one")
    door.clock.wall_ms -= 3_600_000  # Somebody sets the clock back.
    door.clock.passed_ms += 1
    assert not door.lets_in("one")
    assert door.lets_in("two")


def test_a_key_that_expires_while_the_body_is_read_is_refused(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.leases.take(_lease([_grant("one", NOW_MS + 1_000)]))
    caller = door.admission.identify(b"Bearer one")
    door.clock.advance(1_000)
    with pytest.raises(Refusal) as caught:
        door.admission._again(caller)
    assert caught.value.code == "invalid_api_key"


def test_both_secrets_of_a_rotated_key_work_until_the_overlap_is_over(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.leases.take(_lease([_grant("new", None), _grant("old", NOW_MS + 2_000)]))
    assert door.lets_in("old")
    assert door.lets_in("new")
    door.clock.advance(2_000)
    assert not door.lets_in("old"), "the gateway needs no newer lease for that"
    assert door.lets_in("new")
    door.leases.take(_lease([_grant("new", None)], 2, NOW_MS + 2_000))
    assert not door.lets_in("old")
    assert door.lets_in("new")
