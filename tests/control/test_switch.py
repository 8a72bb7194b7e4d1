"""Off and on: what stops, what goes on, and a receipt that never says more than is known."""

import pytest

from bruk.control import switch
from bruk.model.errors import Conflict, NotFound
from bruk.model.run import RunWanted, StopReason
from bruk.model.switch import Hold, HoldScope
from bruk.reports.receipt import nothing_is_left
from bruk.seal import SignedDocument, verify_document
from bruk.store import records

from .world import Site, World

SCOPES = [
    (HoldScope.PLATFORM, "*"),
    (HoldScope.SITE, "essonne"),
    (HoldScope.TENANT, "acme"),
    (HoldScope.MODEL, "m"),
]


def _off(world: World, scope: HoldScope = HoldScope.PLATFORM, target: str = "*") -> str:
    return switch.off(world.control, world.operator, scope, target, "maintenance")[1]


def _on(world: World, scope: HoldScope = HoldScope.PLATFORM, target: str = "*") -> str:
    return switch.on(world.control, world.operator, scope, target)[1]


def _body(world: World, receipt: str) -> tuple[bool, dict[str, object]]:
    """Whether it is complete, and its body, verified with the pinned key."""
    complete, document = switch.receipt(world.control, world.operator, receipt)
    sealed = SignedDocument.from_document(document)
    assert verify_document(sealed, world.control.keyring).ok
    return complete, dict(sealed.body)


def _states(body: dict[str, object]) -> dict[str, str]:
    return {f"{row['kind']} {row['id']}": row["state"] for row in body["enforcers"]}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("scope", "target"), SCOPES)
def test_off_stops_and_on_resumes(world: World, scope: HoldScope, target: str) -> None:
    world.train("m")
    job, run, site = world.running(evaluates="m", sites=["essonne"])
    other, other_run, other_site = world.running(project="nordic/lab")
    receipt = _off(world, scope, target)
    world.step()
    stopped = world.run_of(job)
    assert (stopped.wanted, stopped.stop_reason) == (RunWanted.STOP, StopReason.HELD)
    untouched = world.run_of(other).wanted is RunWanted.START
    assert untouched is (scope is not HoldScope.PLATFORM)
    waiting = world.submit(evaluates="m", sites=["essonne"])
    world.step()
    assert world.runs(waiting) == [], "nothing is placed under a hold"
    for each in world.sites.values():
        each.sync()
    site.end(run.id, 143, interrupted=True)
    if not untouched:
        other_site.end(other_run.id, 143, interrupted=True)
    world.step()
    for each in world.sites.values():
        each.sync()
    world.step()
    complete, body = _body(world, receipt)
    assert complete, body
    assert body["nothing_is_left"]
    assert body["reason"] == "maintenance"
    assert len(world.runs(job)) == 1
    _on(world, scope, target)
    world.step()
    assert world.run_of(job).attempt == 2
    assert world.workload(job).failures == 0
    assert len(world.runs(waiting)) == 1


def test_a_receipt_waits_for_everyone_and_names_who_is_silent(world: World) -> None:
    gateway = world.add_gateway("gw", "essonne")
    gateway.sync()
    receipt = _off(world)
    world.step()
    complete, body = _body(world, receipt)
    assert not complete
    assert not body["nothing_is_left"]
    assert body["unanswered"] == ["agent borlange", "agent essonne", "gateway gw"]
    world.sites["essonne"].sync()
    world.sites["essonne"].sync()
    gateway.sync()
    gateway.sync()
    world.step()
    complete, body = _body(world, receipt)
    assert (complete, body["unanswered"]) == (False, ["agent borlange"])
    world.sites["borlange"].sync()
    world.sites["borlange"].sync()
    world.step()
    complete, body = _body(world, receipt)
    assert complete
    assert set(_states(body).values()) == {"acknowledged"}


def test_a_silent_gateway_counts_once_its_lease_has_ended(world: World) -> None:
    gateway = world.add_gateway("gw", "essonne")
    gateway.sync()
    receipt = _off(world)
    for site in world.sites.values():
        site.sync()
        site.sync()
    world.step()
    assert not _body(world, receipt)[0]
    world.clock.advance(9_000)
    world.step()
    assert not _body(world, receipt)[0]
    world.clock.advance(4_000)
    world.step()
    complete, body = _body(world, receipt)
    assert complete
    assert _states(body)["gateway gw"] == "lease ended"


def test_who_was_never_heard_keeps_no_receipt_open(world: World) -> None:
    world.add_site("planned", "SE", "SE-SE3")
    world.add_gateway("spare", "essonne")
    receipt = _off(world)
    for name in ("essonne", "borlange"):
        world.sites[name].sync()
        world.sites[name].sync()
    world.clock.advance(5_000)
    world.step()
    complete, body = _body(world, receipt)
    assert complete
    assert "agent planned" not in _states(body)


def test_processes_that_are_left_keep_the_receipt_open(world: World) -> None:
    _job, run, site = world.running()
    receipt = _off(world)
    world.step()
    for each in world.sites.values():
        each.sync()
    site.end(run.id, 137)
    site.processes_left = 2
    for each in world.sites.values():
        each.sync()
    world.step()
    complete, body = _body(world, receipt)
    assert not complete
    assert not body["nothing_is_left"]
    site.processes_left = 0
    site.sync()
    world.step()
    assert _body(world, receipt)[0]


def test_a_run_that_control_has_not_seen_end_is_left(world: World) -> None:
    """The agent has not heard of the run yet, so that it counts no process of it."""
    world.submit()
    world.step()
    receipt = _off(world)
    for site in world.sites.values():
        site.generation = 1
        site.sync(acknowledge=False)
    complete, body = _body(world, receipt)
    assert body["unanswered"] == []
    assert not complete
    assert not body["nothing_is_left"]


def test_off_and_on_again_before_anyone_heard_proves_nothing(world: World) -> None:
    """The run went on all the time, so that no receipt may say that nothing was left."""
    job, _run, _site = world.running()
    receipt = _off(world)
    back = _on(world)
    for each in world.sites.values():
        each.sync()
        each.sync()
    world.step()
    assert world.run_of(job).wanted is RunWanted.START
    for name in (receipt, back):
        complete, body = _body(world, name)
        assert complete, "neither stays open for ever"
        assert not nothing_is_left(body)


def test_an_agent_cannot_acknowledge_what_is_not_yet(world: World) -> None:
    for site in world.sites.values():
        site.generation = 2**61
        site.sync(acknowledge=False)
    receipt = _off(world)
    world.step()
    complete, body = _body(world, receipt)
    assert not complete
    assert body["unanswered"] == ["agent borlange", "agent essonne"]


@pytest.mark.parametrize("count", [-5, 2**63, 2**80])
def test_counts_that_cannot_be_do_not_stop_the_exchange(world: World, count: int) -> None:
    site = world.sites["essonne"]
    site.stopped = count
    site.sync()
    receipt = _off(world)
    assert not _body(world, receipt)[0]


def test_a_second_off_is_refused_and_on_without_off_too(world: World) -> None:
    _off(world)
    before = world.dump()
    with pytest.raises(Conflict, match="off already"):
        _off(world)
    with pytest.raises(NotFound, match="is not off"):
        _on(world, HoldScope.SITE, "essonne")
    with pytest.raises(NotFound):
        _off(world, HoldScope.SITE, "nowhere")
    assert world.changed(before) == set()
    _on(world)
    _off(world)
    assert len(world.holds()) == 1


def test_one_hold_released_leaves_the_other_standing(world: World) -> None:
    job, run, site = world.running()
    _off(world)
    _off(world, HoldScope.TENANT, "acme")
    world.step()
    site.sync()
    site.end(run.id, 143)
    _on(world)
    world.step()
    assert len(world.runs(job)) == 1
    _on(world, HoldScope.TENANT, "acme")
    world.step()
    assert world.run_of(job).attempt == 2


def _local(site: Site, scope: HoldScope = HoldScope.LOCAL, target: str = "") -> Hold:
    return Hold("local_1", scope, target or site.name, 0, "someone at the site", 1, "smoke")


def test_a_sites_own_key_beats_control(world: World) -> None:
    job, run, site = world.running(sites=["essonne"])
    site.local_hold = _local(site)
    site.sync()
    world.step()
    assert world.run_of(job).stop_reason is StopReason.HELD
    with pytest.raises(NotFound):
        _on(world, HoldScope.SITE, "essonne")
    site.sync()
    site.end(run.id, 143, interrupted=True)
    world.step()
    assert len(world.runs(job)) == 1
    site.local_hold = None
    site.sync()
    world.step()
    assert world.run_of(job).attempt == 2


def test_a_turn_of_a_sites_own_key_is_written_down_once(world: World) -> None:
    site = world.sites["essonne"]
    for turned in (_local(site), _local(site), None, None):
        site.local_hold = turned
        site.sync()
    with world.control.read() as connection:
        entries = records.audit_entries(connection, limit=1000)
    said = [(entry.actor_kind, entry.action, entry.target, entry.detail) for entry in entries]
    assert [one for one in said if one[1].startswith("switch.local")] == [
        ("agent", "switch.local_off", "essonne", {"hold": "local_1", "reason": "smoke", "raised_at_ms": 1}),
        ("agent", "switch.local_on", "essonne", {"hold": "local_1"}),
    ]


@pytest.mark.parametrize(
    ("scope", "target"), [(HoldScope.PLATFORM, "*"), (HoldScope.SITE, "borlange"), (HoldScope.TENANT, "acme")]
)
def test_a_sites_own_key_is_over_that_site_alone(world: World, scope: HoldScope, target: str) -> None:
    job, run, _ = world.running(project="nordic/lab")
    assert run.site == "borlange"
    site = world.sites["essonne"]
    site.local_hold = _local(site, scope, target)
    site.sync()
    world.step()
    assert world.run_of(job).wanted is RunWanted.START
    assert world.submit("nordic/lab")
    here = world.submit("lumen/lab")
    world.step()
    assert world.runs(here) == []
