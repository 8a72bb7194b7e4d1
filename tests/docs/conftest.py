"""The documentation's own scripts, importable by the tests."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def docs() -> Path:
    return ROOT / "docs"


def _module(name: str) -> ModuleType:
    folder = str(ROOT / "docs")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(name)


@pytest.fixture(scope="session")
def generate() -> ModuleType:
    return _module("generate")


@pytest.fixture(scope="session")
def session() -> ModuleType:
    return _module("session")
