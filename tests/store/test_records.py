"""The ledger and the audit log: chains that hold, sums that agree, each usage once."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bruk.model.ledger import LedgerEntry, Resource
from bruk.seal import ChainBroken, Keyring, SigningKey, check_next, empty_head, verify_export, write_export
from bruk.store import money, records, sqlite
from bruk.store.database import Database
from bruk.store.money import InvoiceRow

from .rows import AT_MS, audit_entry, entry, owners


def _ledger(database: Database) -> list[LedgerEntry]:
    with database.read() as connection:
        return records.ledger_entries(connection, limit=100_000)


def _check(database: Database) -> None:
    """What must hold of the ledger whatever was appended."""
    with database.read() as connection:
        head = empty_head(records.LEDGER)
        for item in records.chain(connection, records.LEDGER):
            head = check_next(head, item)
        assert head == records.head(connection, records.LEDGER)
        accounts = money.accounts(connection)
        sums = records.sums_by_project(connection)
    entries = _ledger(database)
    assert len({item.key for item in entries}) == len(entries)
    times = [item.at_ms for item in entries]
    assert times == sorted(times)
    for project, account in accounts.items():
        own = [item for item in entries if item.project == project]
        assert account.spent_microeur == sum(item.amount_microeur for item in own) == sums.get(project, 0)
        device_ms = sum(item.quantity for item in own if item.resource is Resource.DEVICE_TIME)
        assert account.device_ms == device_ms


def test_a_key_counts_once(database: Database) -> None:
    with database.write() as connection:
        owners(connection)
        assert len(records.append_ledger(connection, [entry("a"), entry("a"), entry("b")])) == 2
    with database.write() as connection:
        again = replace(entry("a"), amount_microeur=10**9)
        assert records.append_ledger(connection, [again, entry("c")])[0].key == "c"
    _check(database)
    assert [item.key for item in _ledger(database)] == ["a", "b", "c"]


def test_nothing_appended_is_nothing_changed(database: Database) -> None:
    with database.write() as connection:
        owners(connection)
        assert records.append_ledger(connection, []) == []
    _check(database)


def test_no_entry_falls_behind_an_invoice_when_the_clock_goes_back(database: Database) -> None:
    with database.write() as connection:
        owners(connection)
        records.append_ledger(connection, [entry("a", at_ms=AT_MS)])
        money.add_invoice(connection, InvoiceRow("1", "acme", 0, AT_MS + 5000, AT_MS + 5000, {}))
    with database.write() as connection:
        added = records.append_ledger(connection, [entry("b", at_ms=AT_MS - 3_600_000)])
    assert added[0].at_ms == AT_MS + 5000
    assert added[0].to_ms == AT_MS
    _check(database)


def test_both_chains_verify_as_a_stranger_would(database: Database, tmp_path: Path) -> None:
    key = SigningKey.generate()
    with database.write() as connection:
        owners(connection)
        for number in range(5):
            records.append_audit(connection, audit_entry(number=number, text="Borlänge \u202e\x00\n"))
        records.append_ledger(connection, [entry(str(number)) for number in range(1500)])
    for chain, count in ((records.AUDIT, 5), (records.LEDGER, 1500)):
        path = tmp_path / f"{chain}.jsonl"
        with database.read() as connection:
            head = records.head(connection, chain)
            write_export(path, head, records.chain(connection, chain), key, AT_MS)
        assert head.seq == count
        assert verify_export(path, Keyring.of([key.public_key]), []).ok
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[:3], lines[3].replace(b"1", b"2", 1), *lines[4:]]))
        assert not verify_export(path, Keyring.of([key.public_key]), []).ok


def test_a_change_behind_the_triggers_breaks_the_chain(database: Database) -> None:
    with database.write() as connection:
        owners(connection)
        records.append_ledger(connection, [entry("a"), entry("b"), entry("c")])
    with database.engine.begin() as connection:
        if database.is_sqlite:
            sqlite.lift_guard(connection)
            connection.exec_driver_sql("DROP TRIGGER ledger_no_update")
        else:
            connection.exec_driver_sql("ALTER TABLE ledger DISABLE TRIGGER ledger_append_only")
        connection.exec_driver_sql("UPDATE ledger SET amount_microeur = 1 WHERE seq = 2")
        if not database.is_sqlite:
            connection.exec_driver_sql("ALTER TABLE ledger ENABLE TRIGGER ledger_append_only")
    with database.read() as connection:
        chain = list(records.chain(connection, records.LEDGER))
    head = check_next(empty_head(records.LEDGER), chain[0])
    with pytest.raises(ChainBroken, match="Entry 2 was changed"):
        check_next(head, chain[1])


APPENDS = st.lists(
    st.tuples(
        st.lists(
            st.builds(
                entry,
                key=st.sampled_from([f"k{number}" for number in range(12)]),
                at_ms=st.integers(0, 10),
                tenant=st.just("acme"),
                resource=st.sampled_from(list(Resource)),
                quantity=st.integers(0, 2**50),
                amount_microeur=st.integers(-(2**40), 2**40),
            ),
            max_size=5,
        ),
        st.integers(-5, 50),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(APPENDS)
def test_any_appends_keep_the_ledger_whole(
    template: Path, tmp_path: Path, appends: list[tuple[list[LedgerEntry], int, bool]]
) -> None:
    """Repeats, any order, a clock that goes back, invoices in between, transactions that fail."""
    path = tmp_path / "property.sqlite3"
    path.unlink(missing_ok=True)
    shutil.copy(template, path)
    database = Database.open(f"sqlite:///{path}")
    try:
        with database.write() as connection:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            owners(connection, "acme", "lumen")
        expected: set[str] = set()
        for number, (entries, invoiced_ms, fails) in enumerate(appends):
            try:
                with database.write() as connection:
                    records.append_ledger(connection, entries)
                    if invoiced_ms > 0:
                        row = InvoiceRow(str(number), "acme", 0, invoiced_ms, invoiced_ms, {})
                        money.add_invoice(connection, row)
                    if fails:
                        raise RuntimeError
            except RuntimeError:
                continue
            expected |= {item.key for item in entries}
            assert all(item.at_ms >= invoiced_ms for item in _ledger(database)[len(expected) :])
        assert {item.key for item in _ledger(database)} == expected
        _check(database)
    finally:
        database.close()
