"""From the supervisor to the run's command: fork, bind, execute.

Between fork and exec the child gets a session of its own, the death signal, its cores, the null
device as input and the log as output, and nothing else: no other file descriptor, no signal
setting, no variable beside the order's. Standard library only: the supervisor imports it.
"""

import contextlib
import ctypes
import os
import resource
import signal
from typing import NoReturn

from bruk.engines.local.isolation import wrapped
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


def spawn(order: Order, log: int, cgroup: str = "") -> int:
    """Start the order's command and return its process number once it has been executed.

    Args:
        log: file descriptor that becomes its stdout and stderr.
        cgroup: folder of a cgroup v2 to join; empty: none.

    Raises:
        StartFailed: says which step failed and why.
    """
    arguments = wrapped(order)
    parent = os.getpid()
    answer, said = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(answer)
        _become(order, arguments, parent, log, said, cgroup)
    os.close(said)
    with os.fdopen(answer, "rb") as file:
        failure = file.read()
    if failure:
        os.waitpid(pid, 0)
        raise StartFailed(failure.decode("utf-8", "replace"))
    return pid


def _become(order: Order, arguments: list[str], parent: int, log: int, said: int, cgroup: str) -> NoReturn:
    """The child's side of ``spawn``: never returns, never runs the parent's cleanup."""
    step = "start"
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGKILL)  # The supervisor died before the death signal was set.
        if cgroup:
            step = f"join the cgroup {cgroup}"
            with open(os.path.join(cgroup, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write("0")
        if order.cores:
            step = f"run on the cores {order.cores}"
            os.sched_setaffinity(0, order.cores)
        step = "set its limits"
        _hardest_hit_when_memory_ends()
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        os.umask(0o077)
        for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        step = f"enter the folder {order.workdir}"
        os.chdir(order.workdir)
        step = "set its input and output"
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for number in [int(name) for name in os.listdir("/proc/self/fd")]:
            if number > 2 and number != said:
                with contextlib.suppress(OSError):  # The listing's own is closed by now.
                    os.set_inheritable(number, False)
        step = f"execute {arguments[0]!r}"
        os.execvpe(arguments[0], arguments, order.env)  # noqa: S606  (an argument list, no shell)
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
