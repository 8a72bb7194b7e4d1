"""The supervisor of one run: ``python -m bruk.engines.local.supervisor FOLDER``.

It outlives Bruk. It starts the order's command, keeps its output, holds its limits, ends it and
every descendant, and writes how it ended. It never decides whether a run is wanted; ``stop.json``
or SIGTERM tell it. As a child subreaper it inherits whatever loses its parent, so the run is over
exactly when the kernel says that it has no children left (ECHILD). If it is itself killed, the
command dies with it by the death signal and the engine ends the strays.

Standard library only. Monotonic time is the machine's, the same in every process.
"""

import contextlib
import os
import select
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from bruk.engines.local import child, limits, records
from bruk.engines.local.inside import tasks_max
from bruk.engines.local.log import Log
from bruk.engines.local.processes import boot_id, descendants, kill, process, send, tasks
from bruk.engines.local.sandboxed import SandboxedCommand

TICK_S = 1.0
ENDING_TICK_S = 0.25
KILLING_TICK_S = 0.02
SWARM_TICK_S = 0.2
LEFTOVER_GRACE_S = 5
OVERRUN_GRACE_S = 5
READ_BYTES = 65536
READS_MAX = 16  # Then the limits get their turn.
DRAINS_MAX = 256  # More than any pipe holds: when nothing of the run is left, nothing more comes.


class Supervisor:
    """One run from its start to its end record."""

    def __init__(self, folder: Path, order: records.Order) -> None:
        self.folder = folder
        self.order = order
        self.command: child.Command | None = None
        self.empty = False
        self.cause = ""
        self.detail = ""
        self.deadline: float | None = None
        self.killed = False
        self.started_at_ms = 0
        self.started = 0.0
        self._signalled: set[tuple[int, int]] = set()
        self._seen: list[tuple[int, int]] = []
        self._disk_base_bytes = 0
        self._disk_next = 0.0
        self._cgroup, self._groups = "", list[str]()
        self._killing_tick_s = KILLING_TICK_S
        self._tasks = 0

    def start(self) -> None:
        """Write who supervises, then start the command.

        Raises:
            child.StartFailed, OSError, ValueError: nothing of it is left.
        """
        child.prctl(child.PR_SET_CHILD_SUBREAPER, 1)
        order = self.order
        records.write_reserve(self.folder)
        if order.disk_bytes:
            with contextlib.suppress(limits.TooDeep):  # The first look ends it for that.
                self._disk_base_bytes = limits.disk_bytes(order.writable)
        group = f"bruk-{order.run}-{order.generation}-{os.getpid()}"
        if order.memory_bytes and order.cgroup:
            self._cgroup = limits.make_cgroup(
                order.cgroup, group, order.memory_bytes, tasks_max(order.processes_max)
            )
        pids = limits.make_pids_group(group, tasks_max(order.processes_max))
        self._groups = [folder for folder in (self._cgroup, pids) if folder]
        me = process(os.getpid())
        assert me is not None, "a process sees itself under /proc"
        self.started = time.monotonic()
        self.started_at_ms = order.clock_ms + int(self.started * 1000) - order.monotonic_ms
        memory_by = "cgroup" if self._cgroup else "watch" if order.memory_bytes else "none"
        record = records.Record(
            me.pid,
            me.start,
            boot_id(),
            self.started_at_ms,
            memory_by,
            isolation=order.isolation,
            monotonic_ms=int(self.started * 1000),
            clock_ahead_ms=self.started_at_ms - time.time_ns() // 1_000_000,
        )
        records.write(self.folder / records.RECORD, asdict(record))
        self.log = Log(self.folder / records.LOG, order.log_bytes)
        self._pipe, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._pipe, False)
        self._wake = _wake_on_signals()
        try:
            start = {"none": child.start_plain, "sandbox": SandboxedCommand}[order.isolation]
            self.command = start(order, writer, self._groups)
            self.command.open_network(order, self.folder, self.log.say)
        except BaseException:
            limits.remove_cgroups(self._groups)
            raise
        finally:
            os.close(writer)

    def run(self) -> None:
        """Watch until nothing of the run is left, then write its end."""
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        command, told = self._commanded, self._commanded.fileno()
        if told >= 0:
            poll.register(told, select.POLLIN)
        next_look = 0.0
        while not self.empty:
            for number, events in poll.poll(self._patience_s() * 1000):
                if number == self._pipe and not self._keep_output():
                    poll.unregister(self._pipe)  # Every writer has closed it.
                if number == self._wake:
                    self._hear()
                if number == told:
                    command.hear()
                    if events & select.POLLHUP:
                        poll.unregister(told)
            self._reap()
            now = time.monotonic()
            # When nothing is left, the end is written without another look.
            if not self.empty and (now >= next_look or self._swarming()):
                self._hear_stop_file()
                self._look()
                # On a machine with thousands of processes a look is costly: a fiftieth at most.
                next_look = now + max(TICK_S, 50 * (time.monotonic() - now))
            self._proceed(now)
        command.close()
        self._keep_output(drain=True)
        self.log.close()
        self.write_end()

    def ask_to_end(self, cause: str, detail: str, grace_s: float) -> None:
        """SIGTERM now, SIGKILL after the grace [s]; a later request only shortens the grace."""
        deadline = time.monotonic() + grace_s
        if self.deadline is not None:
            self.deadline = min(self.deadline, deadline)
            return
        self.deadline, self.cause, self.detail = deadline, cause, detail
        try:
            content = {"cause": cause, "detail": detail}
            records.write(self.folder / records.STOPPING, content, durable=False)
        except OSError:
            pass  # It only explains the state meanwhile; the end record says it again.
        if self.command is None or self.command.status is not None:
            return
        # What left the command's group is its parent's to tell, until that parent is gone.
        self._signalled = {each.identity for each in self.command.group(descendants([os.getpid()]))}
        self.command.terminate()

    @property
    def _commanded(self) -> child.Command:
        assert self.command is not None, "the command was started"
        return self.command

    def _patience_s(self) -> float:
        if self.killed:
            # What the kernel holds in an uninterruptible wait is not worth asking for all the time.
            self._killing_tick_s = min(self._killing_tick_s * 1.5, TICK_S)
            return self._killing_tick_s
        if self.deadline is not None or self._commanded.status is not None:
            return ENDING_TICK_S
        tick_s = SWARM_TICK_S if self.order.processes_max else TICK_S
        if self.order.time_limit_s is None:
            return tick_s
        return min(max(self.started + self.order.time_limit_s - time.monotonic(), 0.001), tick_s)

    def _swarming(self) -> bool:
        """Whether the machine has so many more tasks than at the last look that they may be this
        run's: counting them every second alone would let a fork bomb grow too large."""
        most = self.order.processes_max
        return bool(most) and self.deadline is None and tasks() > self._tasks + most

    def _proceed(self, now: float) -> None:
        """Move the end along: the time limit, leftovers of an ended command, the deadline."""
        if self.empty:
            return
        limit_s = self.order.time_limit_s
        if self.deadline is None and limit_s is not None and now - self.started >= limit_s:
            self.ask_to_end("time_limit", f"its time limit of {limit_s} s ended", self.order.grace_s)
        command = self._commanded
        if command.status is not None:
            if self.deadline is None:
                self.deadline = now + min(self.order.grace_s, LEFTOVER_GRACE_S)
            for each in command.processes(descendants([os.getpid()])):
                if each.identity not in self._signalled:
                    self._signalled.add(each.identity)
                    send(each.pid, each.start, signal.SIGTERM)
        if self.deadline is not None and now >= self.deadline:
            if not self.killed:
                late = "killed: it did not end within its grace"
                left = "what it had left running was killed"
                self.detail = "; ".join(filter(None, [self.detail, late if command.status is None else left]))
            self.killed = True
            command.kill(descendants([os.getpid()]))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.empty = True  # No children and a subreaper: nothing of the run is left.
                return
            if pid == 0:
                return
            if pid == self._commanded.pid:
                self._commanded.reaped(status)

    def _hear(self) -> None:
        """Read the signals that came: SIGTERM asks to end, SIGUSR1 to look at ``stop.json``."""
        try:
            numbers = os.read(self._wake, 512)
        except BlockingIOError:
            return
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self.ask_to_end("stop", "stopped on request", self.order.grace_s)
        if signal.SIGUSR1 in numbers:
            self._hear_stop_file()

    def _hear_stop_file(self) -> None:
        deadline_ms = (records.read(self.folder / records.STOP) or {}).get("deadline_monotonic_ms")
        if isinstance(deadline_ms, int):
            self.ask_to_end("stop", "stopped on request", deadline_ms / 1000 - time.monotonic())

    def _look(self) -> None:
        """Hold the limits, and leave a sign of life for the engine."""
        order, now = self.order, time.monotonic()
        every = descendants([os.getpid()])
        self._show(sorted(each.identity for each in every))
        found = self._commanded.processes(every)
        if self.deadline is not None:
            return
        if order.processes_max:
            self._tasks = tasks()
            if len(found) > order.processes_max:
                most = order.processes_max
                self.ask_to_end("processes", f"it had {len(found)} processes where {most} were allowed", 0)
                return
        if self._cgroup and limits.cgroup_out_of_memory(self._cgroup):
            self.ask_to_end("memory", self._over_memory(), 0)
        elif order.memory_bytes and not self._cgroup and limits.over_memory(found, order.memory_bytes):
            self.ask_to_end("memory", self._over_memory(), min(order.grace_s, OVERRUN_GRACE_S))
        elif order.disk_bytes and now >= self._disk_next:
            try:
                taken = limits.disk_bytes(order.writable) - self._disk_base_bytes
            except limits.TooDeep:
                detail = f"its folders lie in one another more than {limits.DEPTH_MAX} deep"
                self.ask_to_end("disk", detail, 0)
                return
            # A large tree is counted less often, so that counting takes a twentieth of a core at most.
            self._disk_next = now + max(TICK_S, 20 * (time.monotonic() - now)) - TICK_S / 2
            if taken > order.disk_bytes:
                detail = f"it wrote {taken} bytes where {order.disk_bytes} were allowed"
                self.ask_to_end("disk", detail, min(order.grace_s, OVERRUN_GRACE_S))

    def _over_memory(self) -> str:
        return f"it held more memory than the {self.order.memory_bytes} bytes allowed"

    def _show(self, seen: list[tuple[int, int]]) -> None:
        path = self.folder / records.SEEN
        try:
            if seen != self._seen:
                records.write(path, {"processes": seen}, durable=False)
                self._seen = seen
            else:
                os.utime(path)
        except OSError:
            pass  # It helps to find strays; the mark in their environment does so too.

    def _keep_output(self, *, drain: bool = False) -> bool:
        """Move output from the pipe to the log; False at its end."""
        reads = 0
        while reads < (DRAINS_MAX if drain else READS_MAX):
            reads += 1
            try:
                data = os.read(self._pipe, READ_BYTES)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.log.append(data)
        return True

    def write_end(self) -> None:
        status = self._commanded.status
        assert status is not None, "the command was waited for"
        code = exit_code(status)
        usage = os.times()
        if self._cgroup and limits.cgroup_out_of_memory(self._cgroup):
            self.cause, self.detail = "memory", self._over_memory()
        limits.remove_cgroups(self._groups)
        if os.WIFSIGNALED(status) and not self.detail:
            self.detail = f"ended by {signal.Signals(os.WTERMSIG(status)).name} from outside Bruk"
        self.detail = self.detail or self._commanded.detail
        end = records.End(
            exit_code=code,
            started_at_ms=self.started_at_ms,
            # A step of the wall clock must not stretch or invert what is billed.
            ended_at_ms=self.started_at_ms + int((time.monotonic() - self.started) * 1000),
            cause=self.cause,
            detail=self.detail,
            cpu_ms=int((usage.children_user + usage.children_system) * 1000),
        )
        while True:
            try:
                records.write_end(self.folder, end)
                break
            except OSError as error:
                if not self.folder.is_dir():
                    raise  # Somebody has removed the records: there is nowhere to write to.
                with contextlib.suppress(OSError):  # The log of this may lie on the same full disk.
                    print(f"cannot write how the run ended ({error}); trying again", flush=True)
                time.sleep(TICK_S)


def exit_code(status: int) -> int:
    """A wait status as a shell shows it: the code, or 128 + the signal."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _wake_on_signals() -> int:
    """Signals arrive as bytes on the returned descriptor; none of them interrupts anything."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _answer(text: str) -> None:
    """Tell the engine, which reads until all have closed it, then leave its pipe."""
    with contextlib.suppress(OSError):  # The engine may be gone; the records say everything.
        os.write(1, text.encode("utf-8", "replace"))
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 1)
    os.dup2(2, 1)


def main(arguments: list[str]) -> int:
    """Claim the order, leave the engine's process tree, supervise. Answers ``started`` or what
    went wrong on stdout."""
    if len(arguments) != 1:
        _answer("usage: python -m bruk.engines.local.supervisor FOLDER")
        return 2
    folder = Path(arguments[0])
    os.umask(0o077)
    try:
        os.rename(folder / records.ORDER, folder / records.CLAIMED)
    except OSError as error:
        _answer(f"there is no order to claim: {error.strerror}")
        return 1
    if os.fork() != 0:
        os._exit(0)
    order = records.read_order(folder / records.CLAIMED)
    if order is None:
        _answer("the order is damaged")
        return 1
    supervisor = Supervisor(folder, order)
    try:
        supervisor.start()
    except (child.StartFailed, OSError, ValueError) as error:
        _fail(folder, str(error))
        return 1
    (folder / records.CLAIMED).unlink()  # It held the environment, which may hold secrets.
    _answer("started")
    try:
        supervisor.run()
    except BaseException:
        # A defect here must not leave the run unseen: without an end record it counts as lost.
        while left := descendants([os.getpid()]):
            kill(left)
            time.sleep(KILLING_TICK_S)
        raise
    return 0


def _fail(folder: Path, reason: str) -> None:
    """Say that nothing was started, on disk as well in case the engine has gone meanwhile."""
    end = records.End(127, None, None, "start", f"it could not be started: {reason}", 0)
    # On a full disk the engine finds neither record nor process, which says the same.
    with contextlib.suppress(OSError):
        records.write_end(folder, end)
    (folder / records.CLAIMED).unlink(missing_ok=True)
    _answer(reason)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
