"""The local engine: launches supervisors, and afterwards only reads what they write.

It keeps nothing in memory that matters: dropped and made again over the same folder it knows every
run as before. It never waits for a run, never signals a process that it cannot identify by number,
start time and boot, and never gives a device to two living runs.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from bruk.engines.base import EngineError, Inventory, Launch, LaunchFailed, Status, StillRunning
from bruk.engines.local import isolation, records, sandbox
from bruk.engines.local.index import Entry, Index
from bruk.engines.local.look import look
from bruk.engines.local.processes import MARK, Process, boot_id, end_strays, processes, send
from bruk.engines.local.slots import LocalConfig, Slots
from bruk.model.clock import Clock
from bruk.model.run import Observed
from bruk.model.site import Isolation

START_TIMEOUT_S = 30
LOOK_AGAIN_MS = 60_000
VISIBLE = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


class LocalEngine:
    """The engine for one machine; implements ``engines.base.Engine``.

    Several engines may share a machine if each has its own folder and their configurations give
    out different cores; nothing else is checked between them.
    """

    def __init__(self, folder: Path, clock: Clock, config: LocalConfig | None = None) -> None:
        """Open the engine over its folder.

        Args:
            folder: kept by the engine alone, and kept across restarts.
            clock: says when to look for accelerators again; runs are timed by the machine itself.

        Raises:
            OSError: the folder cannot be made or written.
            EngineError: the isolation that the configuration demands does not work here.
        """
        self._config = config or LocalConfig()
        self._clock = clock
        self._folder = folder.resolve()
        self._index = Index(folder)
        try:
            self._bwrap = isolation.settled(self._config.isolation)
        except isolation.NoIsolation as error:
            raise EngineError(str(error)) from None
        self._isolation = Isolation.SANDBOX if self._bwrap else Isolation.NONE
        self._slots = Slots(self._config, isolation=self._isolation)
        self._software = sandbox.software(self._config.software) if self._bwrap else []
        self._private = [self._folder, *(each.resolve() for each in self._config.private)]
        for each in self._software:
            if any(secret.is_relative_to(os.path.realpath(each)) for secret in self._private):
                raise EngineError(
                    f"runs in a sandbox are shown the software in {each}, and the platform keeps its own "
                    "folder in there; move the platform's home, or choose the isolation 'none'"
                )
        self._looked_at_ms = clock.monotonic_ms()

    def inventory(self) -> Inventory:
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._looked_at_ms >= LOOK_AGAIN_MS:
            self._looked_at_ms = now_ms
            self._slots.look_again()
        return self._slots.inventory()

    def launch(self, launch: Launch) -> str:
        handle = self._index.handle(launch.run, launch.generation)
        with self._index.lock():
            known = self._index.get(handle)
            if known is not None and not _never_started(known):
                return handle
            self._check(launch, handle)
            folder = (launch.folder / "engine" / str(launch.generation)).resolve()
            entry = Entry(
                handle, launch.run, launch.generation, self._index.mark(handle), launch.placement, folder
            )
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._index.add(entry)
                records.write(folder / records.ORDER, asdict(self._order(launch, entry)))
                self._start(entry, folder)
            except (LaunchFailed, OSError) as error:
                end_strays(entry.mark, records.read_seen(folder))
                self._drop(entry)
                if isinstance(error, LaunchFailed):
                    raise
                raise LaunchFailed(
                    f"run {launch.run} could not be recorded: {error}", run=launch.run
                ) from error
        return handle

    def poll(self, handles: Sequence[str]) -> list[Status]:
        seen = processes() if len(handles) > 1 else None
        return [self._look(self._index.require(handle), seen) for handle in handles]

    def recover(self, handle: str) -> Status:
        return self._look(self._index.require(handle))

    def stop(self, handle: str, grace_s: int) -> None:
        entry = self._index.require(handle)
        folder = entry.folder
        if folder is None or records.read_end(folder) is not None:
            return
        deadline_ms = int(time.monotonic() * 1000) + max(grace_s, 0) * 1000
        # A lock of its own: a stop never waits for a launch.
        with self._index.lock("stop"):
            earlier = (records.read(folder / records.STOP) or {}).get("deadline_monotonic_ms")
            if isinstance(earlier, int):
                deadline_ms = min(deadline_ms, earlier)
            try:
                records.write(folder / records.STOP, {"deadline_monotonic_ms": deadline_ms}, durable=False)
                number = signal.SIGUSR1
            except OSError:
                number = signal.SIGTERM  # The disk is full: then the order's own grace holds.
        record = records.read_record(folder)
        if record is not None and record.boot_id == boot_id():
            send(record.pid, record.start, number)

    def logs(self, handle: str, offset: int, limit: int) -> tuple[bytes, int]:
        assert offset >= 0, "an offset counts from the beginning"
        assert limit > 0, "a limit is at least one byte"
        folder = self._index.require(handle).folder
        try:
            with open((folder or Path(os.devnull)) / records.LOG, "rb") as file:
                file.seek(offset)
                data = file.read(limit)
        except OSError:
            return b"", offset  # It has not said anything yet.
        return data, offset + len(data)

    def handles(self) -> Iterator[str]:
        for entry in self._index.entries():
            yield entry.handle

    def forget(self, handle: str) -> None:
        """Drop the records and the output of an ended run; of an unknown one, do nothing.

        Raises:
            StillRunning: stop it first.
        """
        entry = self._index.get(handle)
        if entry is None:
            return
        if self.recover(handle).observed not in (Observed.EXITED, Observed.LOST):
            raise StillRunning(f"run {entry.run} still runs; stop it before forgetting it", run=entry.run)
        with self._index.lock():
            self._drop(entry)

    def _look(self, entry: Entry, seen: Sequence[Process] | None = None) -> Status:
        if entry.folder is not None and not (entry.folder / records.RECORD).exists():
            # Perhaps it is being launched at this moment by another thread; then wait for that.
            with self._index.lock():
                return look(entry)
        return look(entry, seen)

    def _check(self, launch: Launch, handle: str) -> None:
        """Refuse what cannot run before anything is written.

        Raises:
            LaunchFailed: says what to change.
        """
        wrong = self._slots.wrong(launch.placement)
        if not wrong and self._bwrap:
            wrong = isolation.misplaced(launch, self._private)
        if not wrong and launch.network and not self._bwrap:
            wrong = (
                "it declares destinations that it may reach, and nothing here can keep it to them (isolation "
                "'none'); take a site whose runs are in sandboxes"
            )
        texts = [*launch.command, *launch.env, *launch.env.values()]
        if not wrong and not launch.command:
            wrong = "it has no command"
        if not wrong and any("\0" in text for text in texts):
            wrong = "an argument or a variable holds a NUL character"
        if not wrong and any(not name or "=" in name for name in launch.env):
            wrong = "a variable has no name, or '=' in its name"
        if wrong:
            raise LaunchFailed(f"run {launch.run} cannot be launched: {wrong}", run=launch.run)
        wanted = {(part.node, index) for part in launch.placement for index in part.devices}
        for other in self._index.entries():
            taken = {(part.node, index) for part in other.placement for index in part.devices} & wanted
            if other.handle == handle or not taken:
                continue
            if look(other).observed not in (Observed.EXITED, Observed.LOST):
                node, index = min(taken)
                raise LaunchFailed(
                    f"device {index} of {node} is in use by run {other.run}; "
                    f"wait for its end before run {launch.run}",
                    run=launch.run,
                    in_use_by=other.run,
                )

    def _order(self, launch: Launch, entry: Entry) -> records.Order:
        assert entry.folder is not None, "a new entry has its folder"
        given = dict(launch.env)
        boards = self._slots.boards(launch.placement)
        if self._bwrap and boards:
            # Only its own boards exist in there, and drivers count from 0.
            counted = ",".join(str(number) for number in range(len(boards)))
            given |= {name: counted for name in VISIBLE if name in given}
        if launch.network:
            given |= sandbox.PROXY_ENVIRONMENT
        marks = {MARK: entry.mark, "BRUK_RUN_ID": launch.run, "BRUK_RUN_GENERATION": str(launch.generation)}
        return records.Order(
            run=launch.run,
            generation=launch.generation,
            mark=entry.mark,
            command=list(launch.command),
            env={**given, **marks},
            workdir=os.fspath(launch.workdir),
            writable=[os.fspath(each) for each in launch.writable],
            readable=[os.fspath(each) for each in launch.readable],
            time_limit_s=launch.time_limit_s,
            grace_s=launch.grace_s,
            disk_bytes=launch.disk_bytes,
            memory_bytes=launch.memory_bytes or self._slots.memory_bytes(launch.placement),
            cores=self._slots.cores(launch.placement),
            log_bytes=self._config.log_bytes,
            cgroup=self._config.cgroup,
            isolation=self._isolation.value,
            bwrap=self._bwrap,
            network=list(launch.network),
            opened=[str(each) for each in self._config.egress],
            ports=list(launch.ports),
            processes_max=self._config.processes_max,
            software=self._software,
            devices=self._slots.device_files(launch.placement),
            hidden=[os.fspath(entry.folder.parent), os.fspath(self._folder)],
            clock_ms=self._clock.now_ms(),
            monotonic_ms=time.monotonic_ns() // 1_000_000,
        )

    def _start(self, entry: Entry, folder: Path) -> None:
        """Start the supervisor and hear from it that the command was executed.

        Raises:
            LaunchFailed: it was not; what is left of it is for the caller to end.
        """
        env = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
        # -P keeps the current folder, which others may write, out of the import path.
        command = [sys.executable, "-P", "-m", "bruk.engines.local.supervisor", os.fspath(folder)]
        with open(folder / records.SUPERVISOR_LOG, "ab") as log:
            try:
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd="/",
                    env={**env, MARK: entry.mark},
                    start_new_session=True,
                    timeout=START_TIMEOUT_S,
                    check=False,
                )
                answer = done.stdout.decode("utf-8", "replace")
            except subprocess.TimeoutExpired:
                answer = f"the supervisor has not answered within {START_TIMEOUT_S} s"
        if answer != "started":
            said = (folder / records.SUPERVISOR_LOG).read_bytes()[-500:].decode("utf-8", "replace").strip()
            reason = answer or f"the supervisor ended before it answered; it said: {said or 'nothing'}"
            raise LaunchFailed(f"run {entry.run} could not be started: {reason}", run=entry.run)

    def _drop(self, entry: Entry) -> None:
        # The entry goes first: without it nothing refers to the records any more.
        self._index.remove(entry.handle)
        if entry.folder is not None:
            shutil.rmtree(entry.folder, ignore_errors=True)


def _never_started(entry: Entry) -> bool:
    """Whether the run was recorded but its order still lies unclaimed; then nobody can claim it now."""
    if entry.folder is None:
        return False
    try:
        os.rename(entry.folder / records.ORDER, entry.folder / records.VOID)
    except OSError:
        return not any(
            (entry.folder / name).exists() for name in (records.CLAIMED, records.RECORD, records.END)
        )
    return True
