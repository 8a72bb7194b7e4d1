"""The house as the design draws it: floors, sizes, names, and what is written about errors."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bruk

SOURCE = Path(bruk.__file__).parent
ROOT = SOURCE.parent.parent
ERRORS = ROOT / "docs" / "reference" / "errors.md"
LINES_MAX = 400
BANNED_NAMES = {"utils", "helpers", "common", "services", "manager", "misc"}


def _modules() -> list[Path]:
    """Every module that people write; migrations are history and are not touched again."""
    return sorted(path for path in SOURCE.rglob("*.py") if "migrations" not in path.parts)


def test_floors_hold() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    if not lint.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run(
        [lint, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_can_be_read_at_one_sitting(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_MAX
    assert path.stem not in BANNED_NAMES
    assert path.parent.name not in BANNED_NAMES
    tree = ast.parse(text)
    if tree.body:
        assert ast.get_docstring(tree), f"{path.name} does not say what it is"


def _error_classes() -> Iterator[tuple[str, str]]:
    """Class and code of every error, read from the source so that nothing needs importing."""
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            for item in node.body:
                target = item.targets[0] if isinstance(item, ast.Assign) else getattr(item, "target", None)
                value = getattr(item, "value", None)
                named = isinstance(target, ast.Name) and target.id == "code"
                if named and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield f"{path.relative_to(SOURCE)}:{node.name}", value.value


def test_error_codes_are_plain_and_one_error_each() -> None:
    found: dict[str, str] = {}
    for name, code in _error_classes():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", code), f"{name} has the code {code!r}"
        assert code not in found, f"{name} and {found.get(code)} have the same code {code!r}"
        found[code] = name
    assert len(found) > 20


def test_every_error_code_is_documented() -> None:
    if not ERRORS.exists():
        pytest.skip("docs/reference/errors.md is not written yet")
    text = ERRORS.read_text(encoding="utf-8")
    missing = sorted(code for _, code in _error_classes() if f"`{code}`" not in text)
    assert missing == []


def test_only_the_store_writes_records() -> None:
    """Ledger and audit tables are named in no statement outside of their one module."""
    for path in _modules():
        text = path.read_text(encoding="utf-8")
        if path.parent.name == "store" and path.stem == "records":
            continue
        for verb in ("insert", "update", "delete"):
            assert not re.search(rf"\b{verb}\((ledger|audit)\b", text), f"{path} changes records"
            assert not re.search(rf"\b(ledger|audit)\.{verb}\(", text), f"{path} changes records"
