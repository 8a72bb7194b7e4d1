"""Invoices: numbered, sealed, and the ledger to the micro-euro, none twice and none forgotten."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bruk.control import invoices
from bruk.model.errors import InvalidInput, NotFound
from bruk.model.ledger import LedgerEntry
from bruk.seal import SignedDocument, verify_document
from bruk.store import records
from bruk.wire.requests import CreditBody, InvoiceBody

from .world import World


def _issue(world: World, tenant: str = "acme", **period: int) -> Any:
    return invoices.issue(world.control, world.operator, InvoiceBody(tenant=tenant, **period))


def _ledger(world: World, tenant: str = "acme") -> list[LedgerEntry]:
    with world.control.read() as connection:
        return records.ledger_entries(connection, tenant=tenant, limit=10_000)


def _total(row: Any) -> int:
    return int(row.document["body"]["total_microeur"])


def _use(world: World, name: str = "gw", tokens: int = 7, project: str = "acme/lab") -> None:
    gateway = world.gateways.get(name) or world.add_gateway(name, "essonne")
    gateway.use(project, tokens, tokens)
    gateway.sync()


def test_an_invoice_is_the_ledger_and_is_sealed(world: World) -> None:
    _use(world, tokens=333)
    _, run, site = world.running()
    world.clock.advance(12_345)
    site.meter(run.id, run.created_at_ms, world.clock.now_ms())
    site.sync()
    _use(world, tokens=5, project="lumen/lab")
    world.clock.advance(1)
    row = _issue(world)
    assert _total(row) == sum(item.amount_microeur for item in _ledger(world)) == 666 + 12_345
    sealed = SignedDocument.from_document(row.document)
    assert verify_document(sealed, world.control.keyring).ok
    assert sealed.checkpoint is not None
    assert row.number == "BRUK-000001"


def test_invoices_follow_each_other_without_overlap_or_gap(world: World) -> None:
    totals = []
    for _ in range(3):
        _use(world)
        world.clock.advance(10)
        totals.append(_total(_issue(world)))
        world.clock.advance(10)
    assert sum(totals) == sum(item.amount_microeur for item in _ledger(world))
    rows = invoices.invoices(world.control, world.operator)
    assert [row.number for row in rows] == ["BRUK-000001", "BRUK-000002", "BRUK-000003"]
    assert [row.from_ms for row in rows[1:]] == [row.to_ms for row in rows[:-1]]


@pytest.mark.parametrize(
    ("from_ms", "to_ms"), [(5, 5), (6, 5), (0, 10**14), (0, 1_799_999_999_999), (1_799_999_999_000, None)]
)
def test_a_wrong_period_is_refused(world: World, from_ms: int, to_ms: int | None) -> None:
    _issue(world, from_ms=0, to_ms=world.clock.now_ms())
    world.clock.advance(1000)
    before = world.dump()
    period = {"from_ms": from_ms} if to_ms is None else {"from_ms": from_ms, "to_ms": to_ms}
    with pytest.raises(InvalidInput):
        _issue(world, **period)
    assert world.changed(before) == set()


def test_a_credit_stands_on_the_next_invoice(world: World) -> None:
    _use(world, tokens=1000)
    world.clock.advance(1)
    assert _total(_issue(world)) == 2000
    body = CreditBody(project="acme/lab", amount_microeur=500, note="an outage of an hour")
    invoices.credit(world.control, world.operator, body)
    world.clock.advance(1)
    row = _issue(world)
    assert _total(row) == -500
    assert "an outage of an hour" in str(row.document)
    with world.control.read() as connection:
        assert records.sums_by_project(connection)["acme/lab"] == 1500


def test_a_tenant_sees_its_own_invoices_alone(world: World) -> None:
    _use(world)
    world.clock.advance(1)
    row = _issue(world)
    other = world.person("lumen", "tenant_admin")
    own = world.person("acme", "member")
    assert invoices.invoices(world.control, other) == []
    with pytest.raises(NotFound):
        invoices.invoice(world.control, other, row.number)
    assert invoices.invoice(world.control, own, row.number).number == row.number
    with pytest.raises(NotFound):
        invoices.ledger(world.control, other, tenant="acme", project=None, after=0, limit=100)
    assert invoices.ledger(world.control, other, tenant=None, project=None, after=0, limit=100) == []
    assert len(invoices.ledger(world.control, own, tenant=None, project=None, after=0, limit=100)) == 2


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.sampled_from(["use", "use", "invoice", "back", "on", "stand", "credit"]), max_size=14))
def test_no_entry_is_on_two_invoices_or_on_none(
    template: Any, tmp_path_factory: pytest.TempPathFactory, acts: list[str]
) -> None:
    """Also when the machine's clock is set back between them."""
    world = World(tmp_path_factory.mktemp("invoices"), template)
    try:
        start = world.clock.now_ms()
        world.clock.advance(10_000)
        for act in [*acts, "use"]:
            if act == "use":
                _use(world)
            elif act == "back":
                world.go_back(min(3_000, world.clock.now_ms() - start - 1))
            elif act == "on":
                world.clock.advance(1_000)
            elif act == "credit":
                body = CreditBody(project="acme/lab", amount_microeur=3, note="sorry")
                invoices.credit(world.control, world.operator, body)
            elif act == "invoice":
                try:
                    _issue(world)
                except InvalidInput:
                    continue  # The clock stands before the end of the invoice before.
        world.clock.advance(100_000)
        _issue(world)
        rows = invoices.invoices(world.control, world.operator)
        assert sum(_total(row) for row in rows) == sum(item.amount_microeur for item in _ledger(world))
        counted = sum(line["entries"] for row in rows for line in row.document["body"]["lines"])
        assert counted == len(_ledger(world))
        spans = sorted((row.from_ms, row.to_ms) for row in rows)
        assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))
    finally:
        world.close()


def test_a_tenant_asks_for_its_own_part_of_the_ledger_alone(world: World) -> None:
    member = world.person("acme", "member")
    own = invoices.ledger(world.control, member, tenant="acme", project=None, after=0, limit=10)
    assert own == invoices.ledger(world.control, member, tenant=None, project=None, after=0, limit=10)
    with pytest.raises(NotFound):
        invoices.ledger(world.control, member, tenant="lumen", project=None, after=0, limit=10)
