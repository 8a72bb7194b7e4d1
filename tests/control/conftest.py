"""A fresh world for every test, on each of the two databases; each schema is made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import World, migrated

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("template"))


@pytest.fixture(params=BOTH)
def world(request: pytest.FixtureRequest, template: Path, tmp_path: Path) -> Iterator[World]:
    if request.param == "sqlite":
        found = World(tmp_path / "home", template)
        yield found
        found.close()
        return
    with request.getfixturevalue("postgresql_template").lent() as copies:
        found = World(tmp_path / "home", copies)
        yield found
        found.close()
