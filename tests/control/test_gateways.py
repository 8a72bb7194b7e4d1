"""The gateways' exchange: what a lease carries, what usage costs, how far budgets reach."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bruk.control import access, endpoints, evidence, gateways, switch, tenancy
from bruk.control.gateways import SLICE_MICROEUR, SLICE_MICROEUR_MIN, SLICE_PARTS
from bruk.control.spending import spending
from bruk.model.errors import Forbidden
from bruk.model.ledger import LedgerEntry
from bruk.model.switch import HoldScope
from bruk.model.tenant import RateLimits
from bruk.seal import SignedDocument, verify_document, verify_export
from bruk.store import money, records
from bruk.wire.gateway import LEASE_KIND, Lease
from bruk.wire.requests import BudgetBody, KeyChange, ProjectChange, RateLimitsBody, TenantChange

from .world import TOKEN_PRICE_MICROEUR, Gateway, World


@pytest.fixture
def gateway(world: World) -> Gateway:
    return world.add_gateway("gw", "essonne")


def _ledger(world: World) -> list[LedgerEntry]:
    with world.control.read() as connection:
        return records.ledger_entries(connection, limit=10_000)


def _grants(lease: Lease) -> dict[str, Any]:
    return {project.id: project for project in lease.projects}


def test_a_lease_is_signed_and_rises(world: World, gateway: Gateway) -> None:
    gateway.sync()
    answer = gateways.answer(world.control, gateway.actor, 1)
    sealed = SignedDocument.from_document(answer.lease)
    assert sealed.kind == LEASE_KIND
    assert verify_document(sealed, world.control.keyring).ok
    lease = gateway.sync()
    assert lease.until_ms == world.clock.now_ms() + gateways.LEASE_MS
    assert gateway.sync().epoch == lease.epoch + 1


def test_a_token_speaks_for_its_own_gateway(world: World, gateway: Gateway) -> None:
    other = world.add_gateway("gw2", "borlange")
    before = world.dump()
    with pytest.raises(Forbidden, match="gw2"):
        gateways.receive(world.control, other.actor, gateway.request())
    assert world.changed(before) == set()


def test_keys_vanish_when_disabled_or_expired(world: World, gateway: Gateway) -> None:
    first, _ = world.key("acme/lab")
    second, _ = world.key("acme/lab", expires_at_ms=world.clock.now_ms() + 1000)
    assert {key.id for key in gateway.sync().keys} == {first, second}
    access.change_key(world.control, world.operator, first, KeyChange(disabled=True))
    world.clock.advance(1000)
    assert gateway.sync().keys == []


def test_residency_is_in_the_lease(world: World, gateway: Gateway) -> None:
    grants = _grants(gateway.sync())
    assert grants["acme/lab"].sites == ["borlange", "essonne"]
    assert (grants["lumen/lab"].allowed_here, grants["lumen/lab"].sites) == (True, ["essonne"])
    assert not grants["nordic/lab"].allowed_here
    assert "country FR is not among SE, FI" in grants["nordic/lab"].refusal
    assert grants["nordic/lab"].sites == ["borlange"]


def test_holds_are_in_the_lease_until_released(world: World, gateway: Gateway) -> None:
    switch.off(world.control, world.operator, HoldScope.TENANT, "acme", "")
    lease = gateway.sync()
    assert [(hold.scope, hold.target) for hold in lease.holds] == [("tenant", "acme")]
    assert lease.generation == 1
    switch.on(world.control, world.operator, HoldScope.TENANT, "acme")
    lease = gateway.sync()
    assert (lease.holds, lease.generation) == ([], 2)


def test_only_ready_replicas_of_wanted_endpoints_are_routes(world: World, gateway: Gateway) -> None:
    world.passed("m")
    endpoint = world.serve("m", "chat", tenants=["lumen"])
    world.step()
    run = world.run_of(endpoint)
    site = world.sites[run.site]
    site.sync()
    site.start(run.id, ready=False, address="http://127.0.0.1:9000")
    (route,) = gateway.sync().models
    assert (route.name, route.model, route.tenants) == ("chat", "m", ["acme", "lumen"])
    assert route.replicas == []
    assert route.price_in is not None
    assert route.price_in.price_microeur == TOKEN_PRICE_MICROEUR
    site.start(run.id, ready=True, address="http://127.0.0.1:9000")
    (replica,) = gateway.sync().models[0].replicas
    assert (replica.address, replica.site) == ("http://127.0.0.1:9000", run.site)
    assert replica.key == site.orders[run.id].replica_key != ""


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "http://169.254.169.254:8000",
        "http://127.0.0.1:22",
        "http://127.0.0.1",
        "http://127.0.0.1:80801",
        "http://127.0.0.1:8080/admin",
        "http://127.0.0.1:8080?x=",
        "http://127.0.0.1:8080\n",
        "http://user:pass@127.0.0.1:8080",
        "http://127.0.0.1:8080@example.org:8080",
        "https://127.0.0.1:8080",
        "file:///etc/passwd",
        "http://example.org:8080",
        "http://localhost.example.org:8080",
        "http://2130706433:8080",
        "http://0x7f.1:8080",
        "http://0.0.0.0:8080",
        "http://[::ffff:169.254.169.254]:8080",
        "http://10.0.0.1:8080",
        "http://169.254.169.254",
        "http://169.254.169.254:8080/latest/meta-data",
        "//127.0.0.1:8080",
        "127.0.0.1:8080",
        "http://127.0.0.1:٨٠٨٠",
    ],
)
def test_an_agent_in_wrong_hands_sends_no_prompt_elsewhere(world: World, address: str) -> None:
    """A gateway calls where the lease says, with a tenant's prompt; so control names replicas only."""
    world.passed("m")
    gateway = world.add_gateway("gw", "essonne")
    endpoint = world.serve("m")
    world.step()
    run = world.run_of(endpoint)
    site = world.sites[run.site]
    site.sync()
    site.start(run.id, ready=True, address=address)
    assert world.run_of(endpoint).address == ""
    assert [model.replicas for model in gateway.sync().models] == [[]]
    site.start(run.id, ready=True, address="http://127.0.0.1:8080")
    assert [item.address for item in gateway.sync().models[0].replicas] == ["http://127.0.0.1:8080"]


def test_no_replica_is_where_this_clouds_own_processes_listen(world: World) -> None:
    world.control.doors = frozenset({8610, 8611, 5432})
    world.passed("m")
    gateway = world.add_gateway("gw", "essonne")
    endpoint = world.serve("m")
    world.step()
    site = world.sites[world.run_of(endpoint).site]
    site.sync()
    for address in ("http://127.0.0.1:8610", "http://[::1]:8611", "http://127.0.0.1:5432"):
        site.start(world.run_of(endpoint).id, ready=True, address=address)
        assert [model.replicas for model in gateway.sync().models] == [[]], address


def test_a_model_without_a_price_has_none_in_the_lease(template: Any, tmp_path: Any) -> None:
    world = World(tmp_path / "unpriced", template, populate=False)
    world.add_site("essonne", "FR", "FR").sync()
    world.set_price("device_time", "*", 1)
    world.set_price("tokens_in", "m", 5)
    world.add_tenant("acme")
    world.passed("m")
    world.serve("m")
    (route,) = world.add_gateway("gw", "essonne").sync().models
    assert (route.price_in.price_microeur if route.price_in else None, route.price_out) == (5, None)
    world.close()


def test_usage_is_billed_once(world: World, gateway: Gateway) -> None:
    record = gateway.use("acme/lab", 10, 5)
    request = gateway.request()
    for _ in range(3):
        gateways.receive(world.control, gateway.actor, request)
    entries = _ledger(world)
    assert [(item.resource, item.quantity, item.amount_microeur) for item in entries] == [
        ("tokens_in", 10, 10),
        ("tokens_out", 5, 5),
    ]
    assert {item.request for item in entries} == {record.request}
    assert gateway.sync().settled_through_seq == 1
    assert gateway.unsent == []


def test_gateways_cannot_take_each_others_usage(world: World, gateway: Gateway) -> None:
    """Two journals of the same name are two journals."""
    other = world.add_gateway("gw2", "borlange")
    gateway.journal = other.journal = "same"
    gateway.use("acme/lab", 10, 0)
    other.use("acme/lab", 7, 0)
    gateway.sync()
    other.sync()
    assert sum(item.quantity for item in _ledger(world)) == 17


@pytest.mark.parametrize(
    "said",
    [
        {"project": "acme/none"},
        {"project": "nobody"},
        {"site": "nowhere"},
        {"tokens_in": 2**62, "tokens_out": 2**62},
        {"price_in_microeur": 2**62, "price_in_version": 9},
        {"price_in_version": 10**30},
        {"at_ms": 2**62, "from_ms": 2**62},
        {"at_ms": 0, "from_ms": 2**62},
        {"request": "x" * 5_000_000, "endpoint": "y" * 5_000_000, "run": "z" * 5_000_000},
        {"model": "never heard of"},
    ],
)
def test_no_record_stops_the_exchange(world: World, gateway: Gateway, said: dict[str, Any]) -> None:
    gateway.use(**{"project": "acme/lab", "tokens_in": 1, "tokens_out": 1, **said})
    gateway.use("acme/lab", 3, 4)
    gateway.sync()
    assert gateway.unsent == []
    assert sum(item.quantity for item in _ledger(world)[-2:]) == 7
    path = evidence.export(world.control, world.operator, records.LEDGER)
    assert verify_export(path, world.control.keyring, []).ok
    with world.control.read() as connection:
        account = money.accounts(connection)["acme/lab"].spent_microeur
        assert account == records.sums_by_project(connection)["acme/lab"]


def test_no_gateway_sets_a_price(world: World, gateway: Gateway) -> None:
    gateway.use("acme/lab", 1000, 0, price_in_microeur=1)
    gateway.use("acme/lab", 1000, 0, price_in_microeur=10**12, price_in_version=7)
    gateway.sync()
    billed = [item for item in _ledger(world) if item.quantity]
    assert [item.amount_microeur for item in billed] == [1000, 1000]
    assert all("never set" in item.note for item in billed)


def test_the_price_of_its_admission_holds_for_a_request(world: World, gateway: Gateway) -> None:
    gateway.use("acme/lab", 1000, 0)
    world.set_price("tokens_in", "*", 9 * TOKEN_PRICE_MICROEUR)
    gateway.sync()
    (billed,) = [item for item in _ledger(world) if item.quantity]
    assert (billed.amount_microeur, billed.price_version) == (1000, 1)


def _slice(gateway: Gateway) -> int | None:
    return _grants(gateway.sync())["acme/lab"].slice_microeur


def _budget(world: World, microeur: int) -> None:
    tenancy.set_tenant_budget(world.control, world.operator, "acme", BudgetBody(budget_microeur=microeur))


def test_a_slice_is_a_part_of_what_is_left_and_topped_up(world: World, gateway: Gateway) -> None:
    world.passed("m")
    world.serve("m")
    world.step()
    # The endpoint's replica sets aside what it may cost; the rest is what slices are parts of.
    _budget(world, 4_000_000)
    with world.control.read() as connection:
        left = spending(connection, world.clock.now_ms())["acme/lab"].left_microeur or 0
    assert _slice(gateway) == left // SLICE_PARTS
    other = world.add_gateway("gw2", "borlange")
    assert _slice(other) == (left - left // SLICE_PARTS) // SLICE_PARTS
    gateway.use("acme/lab", left // SLICE_PARTS, 0)
    grant = _grants(gateway.sync())["acme/lab"]
    assert grant.settled_microeur == left // SLICE_PARTS
    assert grant.slice_microeur is not None
    assert grant.slice_microeur > grant.settled_microeur


def test_a_large_budget_gives_a_bounded_slice_and_a_small_one_all_it_has(
    world: World, gateway: Gateway
) -> None:
    world.passed("m")
    world.serve("m")
    _budget(world, 10**12)
    assert _slice(gateway) == SLICE_MICROEUR
    _budget(world, SLICE_MICROEUR_MIN // 2)
    assert _slice(gateway) == SLICE_MICROEUR_MIN // 2


def test_a_budget_set_after_much_was_used_without_one_is_all_there(world: World, gateway: Gateway) -> None:
    world.passed("m")
    world.serve("m")
    gateway.sync()
    gateway.use("acme/lab", 5_000_000, 0)
    gateway.sync()
    _budget(world, 10**9)
    grant = _grants(gateway.sync())["acme/lab"]
    assert grant.slice_microeur - grant.settled_microeur == SLICE_MICROEUR


def test_a_budget_without_a_model_to_call_stays_whole_for_jobs(world: World, gateway: Gateway) -> None:
    _budget(world, 4_000_000)
    assert _slice(gateway) == 0
    world.passed("m")
    endpoint = world.serve("m")
    assert _slice(gateway) == 1_000_000
    endpoints.remove(world.control, world.operator, endpoint.name)
    assert _slice(gateway) == 0


def test_without_a_budget_a_grant_has_no_limit(world: World, gateway: Gateway) -> None:
    assert _grants(gateway.sync())["acme/lab"].slice_microeur is None


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.integers(0, 4 * SLICE_MICROEUR),
    st.lists(
        st.tuples(
            st.sampled_from([0, 1]), st.sampled_from(["lab", "second"]), st.integers(0, SLICE_MICROEUR)
        ),
        max_size=12,
    ),
)
def test_gateways_that_keep_to_their_slices_never_overspend(
    template: Any, tmp_path_factory: pytest.TempPathFactory, budget: int, uses: list[tuple[int, str, int]]
) -> None:
    world = World(tmp_path_factory.mktemp("slices"), template)
    try:
        world.add_project("acme", "second")
        tenancy.set_tenant_budget(world.control, world.operator, "acme", BudgetBody(budget_microeur=budget))
        pair = [world.add_gateway("a", "essonne"), world.add_gateway("b", "borlange")]
        for each in pair:
            each.sync()
        spent: dict[tuple[str, str], int] = {}
        for index, name, wanted in uses:
            gateway = pair[index]
            project = f"acme/{name}"
            assert gateway.lease is not None
            grant = _grants(gateway.lease)[project]
            used = spent.get((gateway.name, project), 0)
            tokens = max(0, min(wanted, grant.slice_microeur - used))
            gateway.use(project, tokens, 0)
            spent[gateway.name, project] = used + tokens
            gateway.sync()
            with world.control.read() as connection:
                unspent = sum(
                    max(0, piece.granted_microeur - piece.settled_microeur)
                    for piece in money.slices(connection)
                )
                booked = sum(records.sums_by_project(connection).values())
            assert booked + unspent <= max(budget, booked)
        assert sum(spent.values()) <= budget
    finally:
        world.close()


def test_a_lease_carries_both_secrets_of_a_rotated_key_for_as_long_as_each_works(world: World) -> None:
    gateway = world.add_gateway("gw", "essonne")
    key, old = world.key("acme/lab")
    _, new = access.rotate_key(world.control, world.operator, key, 60_000)
    until_ms = world.clock.now_ms() + 60_000
    granted = {grant.secret_hash: grant.expires_at_ms for grant in gateway.sync().keys if grant.id == key}
    assert granted == {access.hash_secret(new): None, access.hash_secret(old): until_ms}
    world.clock.advance(60_000)
    assert [grant.secret_hash for grant in gateway.sync().keys if grant.id == key] == [
        access.hash_secret(new)
    ]
    access.rotate_key(world.control, world.operator, key, 0)
    assert access.hash_secret(new) not in {grant.secret_hash for grant in gateway.sync().keys}


def test_what_a_gateway_served_counts_as_a_use_of_the_key(world: World) -> None:
    gateway = world.add_gateway("gw", "essonne")
    key, _ = world.key("acme/lab")
    gateway.use("acme/lab", 1, 1, key=key)
    world.clock.advance(10)
    gateway.sync()
    (found,) = [item for item in access.keys(world.control, world.operator, "acme/lab") if item.id == key]
    assert found.last_used_at_ms == world.clock.now_ms() - 10


def test_limits_are_in_the_lease_and_what_is_left_out_of_a_change_stays(
    world: World, gateway: Gateway
) -> None:
    key, _ = world.key("acme/lab")
    assert gateway.sync().limits == {}
    control, operator = world.control, world.operator
    tenancy.change_tenant(control, operator, "acme", TenantChange(limits=RateLimitsBody(concurrent=9)))
    limits = RateLimitsBody(requests_per_minute=60, tokens_per_minute=1000)
    tenancy.change_project(control, operator, "acme/lab", ProjectChange(limits=limits))
    access.change_key(control, operator, key, KeyChange(limits=RateLimitsBody(concurrent=2)))
    expected = {
        "tenant acme": RateLimits(concurrent=9),
        "project acme/lab": RateLimits(60, 1000),
        f"key {key}": RateLimits(concurrent=2),
    }
    assert gateway.sync().limits == expected
    tenancy.change_project(
        control, operator, "acme/lab", ProjectChange(limits=RateLimitsBody(tokens_per_minute=None))
    )
    assert gateway.sync().limits == {**expected, "project acme/lab": RateLimits(60)}


def test_gateways_that_live_share_a_limit(world: World, gateway: Gateway) -> None:
    limits = RateLimitsBody(requests_per_minute=61, concurrent=1)
    tenancy.change_project(world.control, world.operator, "acme/lab", ProjectChange(limits=limits))
    other = world.add_gateway("gw2", "borlange")
    assert gateway.sync().limits["project acme/lab"] == RateLimits(61, None, 1)
    assert other.sync().limits["project acme/lab"] == RateLimits(30, None, 1)
    assert gateway.sync().limits["project acme/lab"] == RateLimits(30, None, 1)
    world.clock.advance(gateways.LEASE_MS)
    assert gateway.sync().limits["project acme/lab"] == RateLimits(61, None, 1), "the other one is gone"
