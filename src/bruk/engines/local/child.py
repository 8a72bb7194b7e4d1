"""From the supervisor to the run's command: fork, bind, execute; then the command as the supervisor
holds it.

Between fork and exec the child gets a session of its own, the death signal, its cores, the null
device as input and the log as output, and nothing else: no other file descriptor, no signal
setting, no variable beside those named. Standard library only: the supervisor imports it.
"""

import contextlib
import ctypes
import os
import resource
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from bruk.engines.local.processes import Process, kill
from bruk.engines.local.records import Order

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
PR_SET_CHILD_SUBREAPER = 36
OOM_SCORE = b"500"
_LIBC = ctypes.CDLL(None, use_errno=True)


class StartFailed(Exception):
    """The command could not be executed; no process of it is left."""


def prctl(option: int, value: int) -> None:
    """Set an attribute of the calling process (prctl(2)).

    Raises:
        OSError: the kernel refused.
    """
    if _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Command:
    """The command of a run, started as a child of this process.

    Attributes:
        pid: the child.
        status: wait status of the command; None while it runs.
        detail: what else is to be said of its end.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None
        self.detail = ""

    def hear(self) -> None:
        """Take in what the command's surroundings have told, if there are any."""

    def fileno(self) -> int:
        """What to wait on for ``hear``; -1: nothing."""
        return -1

    def reaped(self, status: int) -> None:
        """The child has ended with this wait status."""
        self.status = status

    def open_network(self, order: Order, folder: Path, say: Callable[[str], None]) -> None:
        """Let it reach the destinations of its order, if it has any.

        Args:
            folder: the run's records, where each connection is written down.
            say: adds a sentence to the run's output.

        Raises:
            StartFailed: it cannot reach them; it is still to be ended.
            OSError: nothing can be written down of it.
        """

    def processes(self, found: Sequence[Process]) -> list[Process]:
        """The run's own processes among all descendants of this process."""
        return list(found)

    def group(self, found: Sequence[Process]) -> list[Process]:
        """Those of the command's process group."""
        return [each for each in found if each.group == self.pid]

    def terminate(self) -> None:
        """SIGTERM to the command's whole group, as a terminal does it: a shell would not pass it on."""
        with contextlib.suppress(ProcessLookupError):  # It may have ended in between.
            os.killpg(self.pid, signal.SIGTERM)

    def kill(self, found: Sequence[Process]) -> None:
        """SIGKILL to every one of ``found``, which are all descendants of this process."""
        kill(found)

    def close(self) -> None:
        """Nothing of the run is left."""


@dataclass(frozen=True, slots=True)
class Start:
    """What to execute and how.

    Attributes:
        cores: processors it may use; empty: any.
        groups: folders of control groups to join.
        output: file descriptor that becomes its stdout.
        errors: file descriptor that becomes its stderr.
        kept: further file descriptors that it gets under their own numbers.
    """

    arguments: Sequence[str]
    env: dict[str, str]
    workdir: str
    cores: Sequence[int]
    groups: Sequence[str]
    output: int
    errors: int
    kept: Sequence[int] = ()


def start_plain(order: Order, log: int, groups: Sequence[str]) -> Command:
    """Start the order's command with nothing around it.

    Args:
        log: file descriptor that becomes its stdout and stderr.
        groups: folders of control groups to join.

    Raises:
        StartFailed: says which step failed and why.
    """
    return Command(spawn(Start(order.command, order.env, order.workdir, order.cores, groups, log, log)))


def spawn(start: Start) -> int:
    """Fork and execute, and return the process number once it has been executed.

    Raises:
        StartFailed: says which step failed and why.
    """
    parent = os.getpid()
    answer, said = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(answer)
        _become(start, parent, said)
    os.close(said)
    with os.fdopen(answer, "rb") as file:
        failure = file.read()
    if failure:
        os.waitpid(pid, 0)
        raise StartFailed(failure.decode("utf-8", "replace"))
    return pid


def _become(start: Start, parent: int, said: int) -> NoReturn:
    """The child's side of ``spawn``: never returns, never runs the parent's cleanup."""
    step = "start"
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGKILL)  # The supervisor died before the death signal was set.
        for group in start.groups:
            step = f"join the control group {group}"
            with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write("0")
        if start.cores:
            step = f"run on the cores {start.cores}"
            os.sched_setaffinity(0, start.cores)
        step = "set its limits"
        _hardest_hit_when_memory_ends()
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        os.umask(0o077)
        for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        step = f"enter the folder {start.workdir}"
        os.chdir(start.workdir)
        step = "set its input and output"
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(start.output, 1)
        os.dup2(start.errors, 2)
        for number in [int(name) for name in os.listdir("/proc/self/fd")]:
            if number > 2 and number != said:
                with contextlib.suppress(OSError):  # The listing's own is closed by now.
                    os.set_inheritable(number, number in start.kept)
        step = f"execute {start.arguments[0]!r}"
        os.execvpe(start.arguments[0], list(start.arguments), start.env)  # noqa: S606  (an argument list, no shell)
    except BaseException as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        os.write(said, f"it could not {step}: {reason}".encode("utf-8", "replace")[:4000])
    os._exit(127)


def _hardest_hit_when_memory_ends() -> None:
    """Let the kernel's out-of-memory killer take the run before its supervisor or the agent."""
    try:
        with open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
            file.write(OOM_SCORE)
    except OSError:
        pass  # A courtesy: some containers forbid it, and the run is no worse for it.
