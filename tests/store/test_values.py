"""Both databases take the same values, refuse the same, and give rows back in the same order."""

from collections.abc import Callable

import pytest
from sqlalchemy.types import Boolean, TypeDecorator

from bruk.model.errors import NotFound
from bruk.model.ledger import Quality, Resource
from bruk.store import counters, extracts, money, people, records, work
from bruk.store.database import Connection, Database
from bruk.store.money import Slice
from bruk.store.tables import metadata
from bruk.store.values import ValueRefused

from .rows import audit_entry, entry, owners

LARGEST = 2**63 - 1


def _refused(database: Database, words: str, change: Callable[[Connection], object]) -> None:
    def write() -> None:
        with database.write() as connection:
            counters.raise_(connection, "beside")
            change(connection)

    with pytest.raises(ValueRefused, match=words) as raised:
        write()
    assert "INSERT" not in raised.value.message
    assert len(raised.value.message) < 300
    with database.read() as connection:
        assert counters.value(connection, "beside") == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a\0b", "NUL"),
        ("\0", "NUL"),
        ("a\ud800b", "half a character"),
        ("\udfff", "half a character"),
        ("ö" * 201, "201 characters; at most 200"),
        ("k" * 100_000, "100000 characters"),
    ],
)
def test_text_that_cannot_be_kept_is_refused(database: Database, name: str, words: str) -> None:
    _refused(database, words, lambda connection: counters.set_setting(connection, name, 1))
    with pytest.raises(NotFound), database.read() as connection:
        work.get_run(connection, name)
    with database.read() as connection:
        assert work.find_run(connection, name) is None


@pytest.mark.parametrize(
    "name", ["", " ", "k" * 200, "ö" * 200, "🏭" * 200, "a\u0301", "\u202e", "\x01\x7f\n", "%_\\'\";--"]
)
def test_text_that_can_be_kept_comes_back_as_it_was(database: Database, name: str) -> None:
    with database.write() as connection:
        counters.raise_(connection, name)
        counters.set_setting(connection, name, {name: [name]})
    with database.read() as connection:
        assert counters.value(connection, name) == 1
        assert counters.setting_of(connection, name) == {name: [name]}


@pytest.mark.parametrize("number", [2**63, 2**64, 10**30])
def test_numbers_beyond_the_column_are_refused(database: Database, number: int) -> None:
    _refused(database, "beyond 64 bits", lambda connection: counters.raise_(connection, "n", number))
    with database.write() as connection:
        owners(connection)
    for price_version in (2**31, -(2**31) - 1):
        item = entry("a", price_version=price_version)
        _refused(
            database,
            "beyond 32 bits",
            lambda connection, item=item: records.append_ledger(connection, [item]),
        )


def test_the_largest_numbers_come_back_as_they_were(database: Database) -> None:
    with database.write() as connection:
        assert counters.raise_(connection, "n", LARGEST) == LARGEST
        owners(connection)
        records.append_ledger(connection, [entry("a", price_version=2**31 - 1, quantity=2**53 - 1)])
    with database.read() as connection:
        assert counters.value(connection, "n") == LARGEST
        (found,) = records.ledger_entries(connection)
    assert (found.price_version, found.quantity) == (2**31 - 1, 2**53 - 1)


def test_sums_of_the_ledger_beyond_what_one_entry_holds_are_exact(database: Database) -> None:
    with database.write() as connection:
        owners(connection)
        records.append_ledger(
            connection, [entry(str(number), amount_microeur=2**53 - 1) for number in range(9)]
        )
    with database.read() as connection:
        assert records.sums_by_project(connection) == {"acme/lab": 9 * (2**53 - 1)}
        assert extracts.ledger_sums(connection)[0].amount_microeur == 9 * (2**53 - 1)


@pytest.mark.parametrize("detail", ["x\0y", "ö🏭\u2028", {"deep": [{"er": None}, True, 2**53 - 1, ""]}, []])
def test_documents_come_back_as_they_were(database: Database, detail: object) -> None:
    with database.write() as connection:
        records.append_audit(connection, audit_entry(what=detail))
        counters.set_setting(connection, "it", [detail])
    with database.read() as connection:
        assert records.audit_entries(connection)[0].detail == {"what": detail}
        assert counters.setting_of(connection, "it") == [detail]


def test_every_column_of_text_or_numbers_is_checked() -> None:
    """A new column that SQLite would take anything in is a mistake."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            kind = column.type
            assert isinstance(kind, TypeDecorator | Boolean) or kind.__visit_name__ == "JSON", (
                f"{table.name}.{column.name} is {kind!r}: take Words, Small or Whole of store.values"
            )


def test_sums_stand_in_the_same_order_with_and_without_a_quality(database: Database) -> None:
    with database.write() as connection:
        owners(connection)
        for key, quality in (("m", Quality.MEASURED), ("none", None), ("e", Quality.ESTIMATED)):
            records.append_ledger(connection, [entry(key, quality=quality)])
    with database.read() as connection:
        found = [(item.resource, item.quality) for item in extracts.ledger_sums(connection)]
    assert found == [
        (Resource.DEVICE_TIME, quality) for quality in (None, Quality.ESTIMATED, Quality.MEASURED)
    ]


def test_rows_that_were_changed_keep_their_place(database: Database) -> None:
    """PostgreSQL puts a changed row last where no order is asked for."""
    with database.write() as connection:
        owners(connection, "acme", "lumen", "zeta")
    with database.write() as connection:
        records.append_ledger(connection, [entry("a")])
    with database.read() as connection:
        assert list(money.accounts(connection)) == ["acme/lab", "lumen/lab", "zeta/lab"]
        assert [item.name for item in people.tenants(connection)] == ["acme", "lumen", "zeta"]


def test_slices_come_in_order(database: Database) -> None:
    with database.write() as connection:
        owners(connection, "acme", "lumen")
        connection.exec_driver_sql(
            "INSERT INTO gateway (name, site, token_hash, journal, usage_seq, created_at_ms) "
            "VALUES ('b', 'essonne', '', '', 0, 0), ('a', 'essonne', '', '', 0, 0)"
        )
        for gateway, project in (("b", "lumen"), ("b", "acme"), ("a", "lumen"), ("a", "acme")):
            money.set_slice(connection, Slice(gateway, f"{project}/lab", 1, 0))
        money.set_slice(connection, Slice("a", "acme/lab", 2, 0))
    with database.read() as connection:
        found = [(item.gateway, item.project) for item in money.slices(connection)]
    assert found == [("a", "acme/lab"), ("a", "lumen/lab"), ("b", "acme/lab"), ("b", "lumen/lab")]
