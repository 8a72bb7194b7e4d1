"""A database of the newest schema for every test, of both kinds; some tests are about one kind."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bruk.store.database import Database

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    database = Database.open(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
def on_sqlite(template: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "bruk.sqlite3"
    shutil.copy(template, path)
    found = Database.open(f"sqlite:///{path}")
    yield found
    found.close()


@pytest.fixture
def on_postgresql(request: pytest.FixtureRequest) -> Iterator[Database]:
    with request.getfixturevalue("postgresql_template").lent() as copies:
        found = Database.open(copies.copy())
        yield found
        found.close()


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(f"on_{request.param}")
    return found
