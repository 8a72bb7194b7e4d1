"""An empty database to copy for every cloud that is attacked."""

from pathlib import Path

import pytest

from ..control.world import migrated  # noqa: TID252 (tests are no installed package)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("template"))
