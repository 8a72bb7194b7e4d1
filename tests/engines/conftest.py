"""A real engine over a temporary folder; whatever a test leaves running is ended afterwards."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bruk.engines.base import Launch, Status
from bruk.engines.local import isolation, records
from bruk.engines.local.engine import LocalEngine
from bruk.engines.local.processes import Process, end_strays, marked
from bruk.engines.local.slots import LocalConfig
from bruk.model.clock import ManualClock
from bruk.model.run import DeviceSet, Observed

ENDED = (Observed.EXITED, Observed.LOST)


@dataclass
class Works:
    """The engine under test and the words that most tests need."""

    folder: Path
    config: LocalConfig = field(default_factory=lambda: LocalConfig(slots=2, accelerators=False))
    isolation: str = "none"

    def engine(self) -> LocalEngine:
        config = replace(self.config, isolation=self.isolation)
        return LocalEngine(self.folder / "engine", ManualClock(), config)

    def launch(self, script: str, run: str = "run-a", **more: Any) -> Launch:
        """A run of ``script`` in this Python."""
        return self.command((sys.executable, "-c", script), run, **more)

    def shell(self, script: str, run: str = "run-a", **more: Any) -> Launch:
        return self.command(("sh", "-c", script), run, **more)

    def command(self, command: tuple[str, ...], run: str, **more: Any) -> Launch:
        folder = self.folder / run
        folder.mkdir(exist_ok=True)
        given = {"env": {"PATH": os.environ["PATH"]}, "folder": folder, "workdir": folder, "generation": 1}
        given |= {"placement": (DeviceSet("node-1", (0,)),), "grace_s": 10, "writable": (folder,)}
        return Launch(run=run, command=command, **(given | more))

    def at(self, run: str = "run-a", generation: int = 1) -> Path:
        return self.folder / run / "engine" / str(generation)

    def record(self, run: str = "run-a") -> records.Record:
        found = records.read_record(self.at(run))
        assert found is not None
        return found

    def mark(self, handle: str) -> str:
        return f"{handle}@{(self.folder / 'engine').resolve()}"

    def left(self, handle: str) -> list[Process]:
        """Living processes of the run; its supervisor may still be on its way out."""
        record = records.read_record(self.at(handle.split(".")[0]))
        return [each for each in marked(self.mark(handle)) if record is None or each.pid != record.pid]

    def end(self, engine: LocalEngine, handle: str) -> Status:
        return self.until(engine, handle, lambda status: status.observed in ENDED)

    def until(self, engine: LocalEngine, handle: str, true: Callable[[Status], bool]) -> Status:
        wait_for(lambda: true(engine.poll([handle])[0]), lambda: f"{engine.poll([handle])}")
        return engine.poll([handle])[0]

    def said(self, engine: LocalEngine, handle: str, text: str) -> str:
        """Wait until the run has said ``text``; all that it has said."""
        wait_for(
            lambda: text in engine.logs(handle, 0, 10**6)[0].decode(), lambda: f"{engine.poll([handle])}"
        )
        return engine.logs(handle, 0, 10**6)[0].decode()


def wait_for(true: Callable[[], bool], found: Callable[[], str] = str) -> None:
    """Patience for a machine that others load, not a measure of anything."""
    for _ in range(9000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError(f"it never came; {found()}")


def _works(folder: Path, kind: str) -> Iterator[Works]:
    if kind == "sandbox" and not isolation.settled("auto"):
        pytest.skip("sandboxes do not work on this machine")
    yield Works(folder, isolation=kind)
    for handle in [path.stem for path in (folder / "engine" / "index").glob("*.json")]:
        assert end_strays(Works(folder).mark(handle), []) == 0


@pytest.fixture(params=["none", "sandbox"])
def works(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Works]:
    """Everything holds with and without a sandbox."""
    yield from _works(tmp_path, request.param)


@pytest.fixture
def boxed(tmp_path: Path) -> Iterator[Works]:
    """Only what a sandbox does."""
    yield from _works(tmp_path, "sandbox")
