"""A database of the newest schema for every test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bruk.store.database import Database


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    database = Database.open(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "bruk.sqlite3"
    shutil.copy(template, path)
    found = Database.open(f"sqlite:///{path}")
    yield found
    found.close()
