"""The threat model keeps its word: each defence it claims names tests, and those tests are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operate" / "security.md"
_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
_ROW = re.compile(r"^\| (?!-)(.+) \|$", re.M)
DEFENCES = "What is defended, and what shows it"
HEADS = ("Threat", "Asset", "Border")


@cache
def _tests_of(module: str) -> frozenset[str]:
    path = ROOT / "tests" / module
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text("utf-8"))
    found = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return frozenset(node.name for node in found if node.name.startswith("test_"))


def _claims() -> list[str]:
    text = PAGE.read_text("utf-8")
    part = text.split(f"## {DEFENCES}", 1)[1].split("\n## ", 1)[0]
    return [row for row in _ROW.findall(part) if not row.startswith(HEADS)]


def test_the_page_claims_something() -> None:
    assert len(_claims()) >= 50


@pytest.mark.parametrize("claim", _claims(), ids=lambda claim: claim.split(" | ")[0][:60])
def test_a_claim_names_tests_that_are_there(claim: str) -> None:
    cells = claim.split(" | ")
    assert len(cells) == 3, "a claim says the threat, the defence, and what shows it"
    named = _TEST.findall(cells[2])
    assert named, "a claim without a test is a hope"
    for module, test in named:
        assert test in _tests_of(module), f"tests/{module} has no {test}"
