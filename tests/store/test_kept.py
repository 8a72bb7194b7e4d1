"""Rows that are read again give the same noun, and a row that changed gives another."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import SQLAlchemyError

from bruk.model.errors import NotFound
from bruk.model.tenant import Residency
from bruk.store import people, rows, work
from bruk.store.database import Database
from bruk.store.tables import tenant

from .rows import owners


def test_a_row_with_json_is_made_into_a_noun_once_and_anew_once_it_changed(database: Database) -> None:
    with database.write() as connection:
        owners(connection)
        (first,) = people.tenants(connection)
        assert people.tenants(connection) == [first]
        if database.is_sqlite:
            assert people.get_tenant(connection, first.name) is first, "it is not made again"
        changed = replace(first, residency=Residency(countries=("SE",)), budget_microeur=5)
        people.replace_tenant(connection, changed)
        assert people.get_tenant(connection, first.name) == changed
        assert people.tenants(connection) == [changed]
        people.replace_tenant(connection, first)
        assert people.get_tenant(connection, first.name) == first


def test_what_is_not_there_is_named(database: Database) -> None:
    with database.read() as connection:
        with pytest.raises(NotFound, match="there is no run 'run_1'"):
            work.get_run(connection, "run_1")
        with pytest.raises(NotFound, match="there is no workload 'job_1'"):
            work.get_workload(connection, "job_1")
        with pytest.raises(NotFound, match="there is no tenant 'nobody'"):
            people.get_tenant(connection, "nobody")
        assert work.find_run(connection, "run\0") is None, "no row can hold it"


def test_put_writes_what_is_new_and_what_is_known(database: Database) -> None:
    with database.write() as connection:
        owners(connection)
        (known,) = people.tenants(connection)
        rows.put(connection, tenant, replace(known, name="other"))
        rows.put(connection, tenant, replace(known, name="other", budget_microeur=7))
        assert [item.budget_microeur for item in people.tenants(connection) if item.name == "other"] == [7]
        with pytest.raises((AssertionError, SQLAlchemyError)):
            rows.replace(connection, tenant, replace(known, name="third"))
