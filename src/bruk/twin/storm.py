"""Many worlds, one a seed, side by side in processes: what never may be seen, looked for at length.

Endings can be kept in a file as they come, one JSON object a line, so that a storm that was broken off goes
on where it stood. They are of one state of the source alone, which each line names.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import bruk
from bruk.model.errors import InvalidInput
from bruk.model.jsontext import parse_json
from bruk.twin.world.life import Ending, live
from bruk.twin.world.scenario import draw
from bruk.twin.world.world import template

# Worlds write many small files and flush each; in memory that costs nothing.
_MEMORY = Path("/dev/shm")  # noqa: S108


def run_seed(seed: int) -> Ending:
    """Let one seed live, in a folder that is gone afterwards."""
    with _folder() as home:
        return _run(seed, template(home), home)


def storm(seeds: Iterable[int], workers: int = 1, record: Path | None = None) -> Iterator[dict[str, Any]]:
    """Let every seed live and yield its ending as it comes, those of ``record`` first.

    Args:
        workers: processes to use.
        record: a file of endings; seeds in it are not lived again.

    Raises:
        InvalidInput: the record is of another state of the source, or cannot be read.
    """
    assert workers >= 1, "somebody does the work"
    source = source_digest()
    known = _known(record, source) if record else {}
    yield from known.values()
    left = iter([seed for seed in seeds if seed not in known])
    with _folder() as home, ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        file = template(home)
        running: set[Future[Ending]] = set()
        while True:
            # No more than a few are handed over at a time, so that an end is not far away.
            while len(running) < 2 * workers and (seed := next(left, None)) is not None:
                running.add(pool.submit(_run, seed, file, home))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                ending = document(future.result(), source)
                if record:
                    _keep(record, ending)
                yield ending


def document(ending: Ending, source: str) -> dict[str, Any]:
    """An ending as JSON values."""
    return {
        "seed": ending.seed,
        "broken": ending.broken,
        "at": ending.at,
        "faults": {kind.value: count for kind, count in sorted(ending.fired.items())},
        "lived_h": ending.lived_ms // 3_600_000,
        "workloads": ending.workloads,
        "runs": ending.runs,
        "calls": ending.calls,
        "outcomes": dict(sorted(ending.outcomes.items())),
        "source": source,
    }


def sums(endings: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What many endings come to; the fewest faults that one world met among it."""
    faults: Counter[str] = Counter()
    found = list(endings)
    for ending in found:
        faults.update(ending["faults"])
    return {
        "seeds": len(found),
        "broken": [ending for ending in found if ending["broken"]],
        "faults": dict(sorted(faults.items())),
        "faults_a_seed_min": min((sum(ending["faults"].values()) for ending in found), default=0),
        "lived_h": sum(ending["lived_h"] for ending in found),
        "workloads": sum(ending["workloads"] for ending in found),
        "runs": sum(ending["runs"] for ending in found),
        "calls": sum(ending["calls"] for ending in found),
    }


def source_digest() -> str:
    """The first 16 hex digits of the SHA-256 over this package's modules: which state of it was tried."""
    root = Path(bruk.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@contextmanager
def _folder() -> Iterator[Path]:
    memory = _MEMORY if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="bruk-storm-", dir=memory, ignore_cleanup_errors=True) as name:
        yield Path(name)


def _run(seed: int, template_file: Path, home: Path) -> Ending:
    # What the product logs of the faults is not news here; what it does is.
    logging.disable(logging.CRITICAL)
    own = home / f"seed-{seed}"
    own.mkdir()
    try:
        return live(draw(seed), own, template_file)
    finally:
        logging.disable(logging.NOTSET)
        shutil.rmtree(own, ignore_errors=True)


def _known(record: Path, source: str) -> dict[int, dict[str, Any]]:
    if not record.exists():
        return {}
    found: dict[int, dict[str, Any]] = {}
    for number, line in enumerate(record.read_text("utf-8").splitlines(), 1):
        try:
            ending = parse_json(line)
            seed, of = int(ending["seed"]), str(ending["source"])
        except (ValueError, TypeError, KeyError):
            raise InvalidInput(f"{record}, line {number}, is no ending; give another file") from None
        if of != source:
            raise InvalidInput(
                f"{record}, line {number}, is of source {of}, and this is {source}; give another file"
            )
        found[seed] = ending
    return found


def _keep(record: Path, ending: dict[str, Any]) -> None:
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(ending, ensure_ascii=False) + "\n")
