"""What the agent itself remembers of a run, durably: one small file per run.

It is written before each act that must not happen twice, so a restarted agent knows what it may
have done. The engine's own record says how the process is; this one says what the agent did.
Reading and writing only; ``hand`` decides.
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from bruk.agent.disk import check_segment, remove_tree, write_durably
from bruk.model.errors import BrukError
from bruk.model.jsontext import parse_json
from bruk.model.run import DeviceSet, Observed
from bruk.wire import codec
from bruk.wire.agent import OutputReport, RunOrder

log = logging.getLogger(__name__)


class Phase(StrEnum):
    """How far the agent has got with a run. ``hand`` moves it, only downwards in this list."""

    STAGING = "staging"  # inputs are being fetched; nothing was started
    LAUNCHING = "launching"  # written before the engine is asked; it may or may not have started
    LIVE = "live"  # the engine has it
    FINISHING = "finishing"  # its processes ended; logs and outputs go to control
    ENDED = "ended"  # the final observation stands; repeated until control has settled it


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as the agent knows it.

    Attributes:
        generation: newest heard; what is older changes nothing.
        order: the newest; None for a run found in the engine that nobody has ordered yet.
        placement: where it was launched; from the order, or from the engine for a found run.
        port: loopback port of a replica; 0 if none.
        master_port: where the members of a gang meet; 0 if none.
        stopped_because: why the agent itself ended it; empty if it did not.
        ready: a replica answered its health check; kept so that a restart does not unroute it.
        held: it was a hold, remote or local, that the agent or control ended it for.
        metered_until_ms: journalled up to here [ms].
        settled_at_ms: control no longer lists it since [ms].
    """

    run: str
    generation: int
    phase: Phase
    order: RunOrder | None = None
    placement: tuple[DeviceSet, ...] = ()
    handle: str = ""
    port: int = 0
    master_port: int = 0
    software: str = ""
    observed: Observed = Observed.STARTING
    exit_code: int | None = None
    detail: str = ""
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    outputs: tuple[OutputReport, ...] = ()
    stopped_because: str = ""
    held: bool = False
    ready: bool = False
    metered_until_ms: int | None = None
    settled_at_ms: int | None = None

    @property
    def may_live(self) -> bool:
        """Whether processes of it may exist."""
        return self.phase in (Phase.LAUNCHING, Phase.LIVE)

    @property
    def devices_total(self) -> int:
        return sum(len(part.devices) for part in self.placement)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a run's things lie under the agent's home.

    ``data`` is read-only to it; ``checkpoints`` belong to the workload and outlive the run.
    """

    run: Path
    checkpoints: Path

    @property
    def data(self) -> Path:
        return self.run / "data"

    @property
    def outputs(self) -> Path:
        return self.run / "outputs"

    @property
    def work(self) -> Path:
        return self.run / "work"

    @property
    def temporary(self) -> Path:
        return self.run / "tmp"

    @property
    def progress(self) -> Path:
        return self.work / "progress.jsonl"

    @property
    def config(self) -> Path:
        return self.work / "config.json"


class Records:
    """The record files under ``home/runs``."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._runs = home / "runs"
        self._gone = home / "gone"

    def folders(self, run: str, scope: str = "") -> Folders:
        """Where the run's things lie.

        Raises:
            InvalidInput: an identifier could lead out of the home.
        """
        check_segment(run, "run")
        scope = check_segment(scope or run, "scope")
        return Folders(self._runs / run, self._home / "work" / scope / "checkpoints")

    def save(self, record: RunRecord) -> None:
        """Write the record durably; once its processes have ended, without the environment that they had,
        which may hold secrets.

        Raises:
            OSError: the disk refused; the older record stands.
        """
        folder = self.folders(record.run).run
        if record.phase in (Phase.FINISHING, Phase.ENDED) and record.order is not None:
            record = replace(record, order=record.order.model_copy(update={"env": {}}))
        write_durably(folder / "agent.json", json.dumps(codec.dump(record)).encode())

    def load(self) -> Iterator[RunRecord]:
        """Every record of an earlier life; a damaged one is reported and passed over."""
        for path in sorted(self._runs.glob("*/agent.json")):
            try:
                yield codec.load(RunRecord, parse_json(path.read_bytes()))
            except (OSError, ValueError, BrukError) as error:
                log.error("record %s cannot be read, its run is taken from the engine: %s", path, error)

    def remove(self, run: str) -> None:
        """Remove the run's folder; its checkpoints stay with the workload.

        It leaves its place at once and is emptied then: a folder that lost its record and kept the rest
        would be nobody's.

        Raises:
            OSError: a part of it could not be removed; call again.
        """
        folder, gone = self.folders(run).run, self._gone / run
        if folder.exists():
            self._gone.mkdir(exist_ok=True, mode=0o700)
            remove_tree(gone)
            os.rename(folder, gone)
        remove_tree(gone)

    def sweep(self) -> None:
        """Remove what an earlier life was about to."""
        try:
            remove_tree(self._gone)
        except OSError as error:
            log.error("what is left of settled runs in %s cannot be removed: %s", self._gone, error)
