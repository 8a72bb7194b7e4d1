"""Tiny corpora and runs for the recipes' tests."""

import json
import signal
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bruk.recipes.run import Place

# Without the extra [local] there is nothing here to run.
if any(find_spec(name) is None for name in ("torch", "transformers", "tokenizers", "pyarrow")):
    collect_ignore_glob = ["test_*.py"]

TINY = {
    "steps": 12,
    "batch": 2,
    "checkpoint_steps": 4,
    "log_steps": 1,
    "threads": 1,
    "decoder": {
        "vocabulary": 300,
        "layers": 1,
        "width": 16,
        "heads": 2,
        "key_value_heads": 1,
        "mlp_width": 32,
        "context": 32,
    },
}

MakeRun = Callable[..., tuple[Path, Place]]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A corpus of a few kilobytes with both sides."""
    root = tmp_path / "corpus"
    for side, count in (("train", 6), ("heldout", 2)):
        (root / side).mkdir(parents=True)
        for number in range(count):
            lines = [f"def {side}_{number}_{i}(x):\n    return x + {i * 7 % 13}\n" for i in range(40)]
            (root / side / f"module_{number}.py").write_text("\n".join(lines) + "# naïve café\n")
    return root


@pytest.fixture
def make_run(tmp_path: Path, corpus: Path) -> MakeRun:
    """Make a configuration file and the place of a run that reads the corpus."""

    def make(name: str, **changes: object) -> tuple[Path, Place]:
        base = tmp_path / name
        (base / "data").mkdir(parents=True, exist_ok=True)
        if not (base / "data" / "corpus").exists():
            (base / "data" / "corpus").symlink_to(corpus)
        config = base / "config.json"
        config.write_text(json.dumps({**TINY, **changes}))
        return config, Place.from_environment(config, {})

    return make


@pytest.fixture(autouse=True)
def _signals_restored() -> Iterator[None]:
    """Put back the handler that a recipe replaces."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def progress_lines() -> Callable[[Place], list[dict[str, Any]]]:
    """Read a run's progress file."""
    return lambda place: [json.loads(line) for line in place.progress_file.read_text().splitlines()]
