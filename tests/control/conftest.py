"""A fresh world for every test; the schema is made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import World, migrated


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("template"))


@pytest.fixture
def world(template: Path, tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path / "home", template)
    yield found
    found.close()
