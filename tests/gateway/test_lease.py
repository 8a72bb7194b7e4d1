"""The lease is the gateway's only licence: what is forged, old or meant for another is not believed."""

from pathlib import Path
from typing import Any

import openai
import pytest

from bruk.gateway.lease import LeaseHolder, LeaseRefused
from bruk.gateway.problem import Refusal
from bruk.model.clock import ManualClock
from bruk.model.switch import HoldScope
from bruk.seal import Keyring, SignedDocument, SigningKey
from bruk.wire.gateway import LEASE_KIND

from .conftest import HTTP, World, ask, wait_until

KEY = SigningKey.from_seed(b"k" * 32)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.folder = folder
        self.holder = self.make()

    def make(self) -> LeaseHolder:
        ring = Keyring.of([KEY.public_key])
        return LeaseHolder("gw1", "essonne", ring, self.clock, self.folder / "epoch", 60_000)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def lease(epoch: int = 1, key: SigningKey = KEY, kind: str = LEASE_KIND, **more: Any) -> dict[str, Any]:
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
        **more,
    }
    return SignedDocument.sign(kind, body, key).document()


def test_it_lasts_as_long_as_control_said_by_the_own_clock(bench: Bench) -> None:
    assert bench.holder.ended_for_ms() is not None
    assert bench.holder.take(lease())
    bench.clock.advance(9_999)
    assert bench.holder.require().epoch == 1
    assert bench.holder.ended_for_ms() is None
    bench.clock.advance(1)
    with pytest.raises(Refusal) as caught:
        bench.holder.require()
    assert (caught.value.status, caught.value.code) == (503, "lease_ended")
    assert bench.holder.ended_for_ms() == 0
    assert bench.holder.take(lease(2))
    assert bench.holder.require().epoch == 2


def test_the_same_lease_again_does_not_extend_it(bench: Bench) -> None:
    bench.holder.take(lease())
    bench.clock.advance(9_000)
    assert not bench.holder.take(lease())
    bench.clock.advance(1_000)
    with pytest.raises(Refusal):
        bench.holder.require()


def test_an_older_lease_is_refused_also_after_a_restart(bench: Bench) -> None:
    bench.holder.take(lease(5))
    with pytest.raises(LeaseRefused, match="5 was seen"):
        bench.holder.take(lease(4))
    again = bench.make()
    with pytest.raises(LeaseRefused, match="5 was seen"):
        again.take(lease(5))
    assert again.take(lease(6))


def tampered(**more: Any) -> dict[str, Any]:
    document = lease()
    document["body"] = {**document["body"], **more}
    return document


@pytest.mark.parametrize(
    "document",
    [
        lease(key=SigningKey.from_seed(b"x" * 32)),
        tampered(until_ms=11_001),
        tampered(epoch=2),
        {**lease(), "signature": "A" * 86},
        {},
        {"kind": LEASE_KIND},
        lease(kind="receipt"),
        lease(gateway="gw2"),
        lease(site="borlange"),
        lease(until_ms=1_000),
        lease(until_ms=61_001),
        lease(models=[{"name": "half"}]),
        lease(surprise=1),
    ],
    ids=[
        "other key",
        "longer",
        "other epoch",
        "other signature",
        "empty",
        "half",
        "no lease",
        "other gateway",
        "other site",
        "no life",
        "too long a life",
        "half a model",
        "unknown field",
    ],
)
def test_what_is_not_a_lease_for_us_leaves_the_one_in_force(bench: Bench, document: dict[str, Any]) -> None:
    with pytest.raises(LeaseRefused):
        bench.holder.take(document)
    with pytest.raises(Refusal):
        bench.holder.require()
    assert bench.holder.take(lease(7))
    with pytest.raises(LeaseRefused):
        bench.holder.take(document)
    assert bench.holder.require().epoch == 7


def test_a_damaged_epoch_file_says_what_to_do(bench: Bench) -> None:
    (bench.folder / "epoch").write_text("soon")
    with pytest.raises(LeaseRefused, match="Delete it"):
        bench.make()


def test_a_gateway_closes_when_its_lease_ends_and_opens_with_the_next(world: World) -> None:
    world.control.life_ms = 600
    world.control.change()
    assert world.gateway is not None
    wait_until(lambda: _life_ms(world) == 600, "the short lease is in force")
    world.control.down = True
    wait_until(lambda: HTTP.get(f"{world.url}/health").status_code == 503, "the lease has ended")
    assert HTTP.get(f"{world.url}/health").json() == {"status": "no lease"}
    with pytest.raises(openai.InternalServerError) as caught:
        ask(world.client())
    assert (caught.value.status_code, caught.value.code) == (503, "lease_ended")
    with pytest.raises(openai.InternalServerError):
        world.client().models.list()
    world.control.life_ms = 10_000
    world.control.down = False
    world.wait_for_lease()
    assert ask(world.client()).model == "little"


def test_streams_end_with_the_lease(world: World) -> None:
    world.fault("", pause_s=0.05)
    stream = ask(world.client(), stream=True, max_tokens=200)
    next(iter(stream))
    world.control.life_ms = 400
    world.control.change()
    wait_until(lambda: _life_ms(world) == 400, "the short lease is in force")
    world.control.down = True
    with pytest.raises(openai.APIError, match="lost its connection to control"):
        list(stream)
    world.control.down = False
    (record,) = world.settled(1)
    assert (record.status, record.estimated) == ("gateway_ended", True)
    assert 0 < record.tokens_out < 200


def _life_ms(world: World) -> int:
    assert world.gateway is not None
    lease = world.gateway.leases.lease
    return lease.until_ms - lease.issued_at_ms if lease is not None else 0


def test_a_gateway_never_opens_on_a_forged_lease(idle_world: World) -> None:
    idle_world.control.signing_now = SigningKey.generate()
    idle_world.start(ready=False)
    wait_until(lambda: idle_world.control.epoch >= 2, "forged leases were sent")
    assert HTTP.get(f"{idle_world.url}/health").status_code == 503
    with pytest.raises(openai.InternalServerError) as caught:
        ask(idle_world.client())
    assert caught.value.code == "lease_ended"
    idle_world.control.signing_now = idle_world.control.signing
    idle_world.wait_for_lease()


def test_a_hold_is_acknowledged_only_when_what_it_covers_has_ended(world: World) -> None:
    world.fault("", pause_s=0.1)
    stream = ask(world.client(), stream=True, max_tokens=10)
    next(iter(stream))
    gateway = world.gateway
    assert gateway is not None
    world.control.hold(HoldScope.TENANT, "acme")
    wait_until(lambda: gateway.leases.holds, "the hold is known")
    assert gateway.traffic.acknowledgement(0).generation == 0
    pieces = [chunk.choices[0].delta.content for chunk in stream if chunk.choices]
    assert len([piece for piece in pieces if piece]) >= 9, "what is under way is let finish"
    acknowledgement = wait_until(
        lambda: [ack for ack in world.control.acknowledgements if ack.generation == 1], "it is acknowledged"
    )[0]
    assert (acknowledgement.drained, acknowledgement.refused, acknowledgement.id) == (1, 0, "gw1")
    # Nobody else's request counts.
    other = ask(world.client("swede"), stream=True, max_tokens=10)
    next(iter(other))
    world.control.hold(HoldScope.TENANT, "poor")
    wait_until(lambda: gateway.traffic.acknowledgement(0).generation == 2, "it is acknowledged at once")
    assert len(gateway.traffic) == 1
    list(other)
