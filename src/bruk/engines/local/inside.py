"""The first process in a run's sandbox: starts the command, reaps, tells, and ends last.

``inside.py CONTROL DOOR ORDER``, three file descriptors. CONTROL and DOOR are sockets to the
supervisor. On CONTROL it tells ``started`` with the command's number in here, ``failed`` with a
sentence, or ``ended`` with its wait status, and hears ``term``. With ``started`` goes out, where the
order has a proxy, the socket that listens for it (see ``proxy``). On DOOR it hears a port, connects to
it, and sends the connection out. ORDER is a file: see ``order_bytes``. It runs as the run itself does:
though the run cannot trace it, the supervisor must believe it nothing that matters to others.

Standard library alone, not even Bruk's: it is a script by itself in there.
"""

import contextlib
import ctypes
import errno
import os
import resource
import select
import signal
import socket
import sys
from typing import NoReturn

PR_SET_DUMPABLE = 4  # <linux/prctl.h>
SCRIPT = "/run/bruk/inside.py"
OPEN_FILES_MAX = 65536
TASKS_PER_PROCESS = 16
# A machine's cores bound how many of a run's tasks may be ready at once before others suffer: on two cores
# a fork bomb of 8192 tasks made every command there wait for minutes, one of 1024 does not.
TASKS_PER_CORE = 256
TASKS_LEAST = 1024
LOOPBACK = "127.0.0.1"
PROXY_PORT = 3128  # Where HTTP proxies listen by custom; the run has all ports of its loopback to itself.
# Before this release the kernel counted a user's processes over all user namespaces.
NAMESPACED_LIMITS = (5, 14)


def tasks_max(processes_max: int) -> int:
    """How many tasks, threads among them, a run of so many processes may have here."""
    return min(processes_max * TASKS_PER_PROCESS, max(TASKS_LEAST, TASKS_PER_CORE * (os.cpu_count() or 1)))


def order_bytes(
    processes_max: int, proxied: bool, workdir: str, command: list[str], env: dict[str, str]
) -> bytes:
    """What the file ORDER holds: texts that end in NUL, which none of them may hold."""
    numbers = [str(processes_max), str(int(proxied)), str(len(command))]
    variables = [f"{name}={value}" for name, value in env.items()]
    return b"".join(os.fsencode(text) + b"\0" for text in [*numbers, workdir, *command, *variables])


def main(arguments: list[str]) -> int:
    """Run the command until nothing is left in the sandbox; returns its status as a shell shows it."""
    # Nobody in here may trace it or take its sockets (PR_SET_DUMPABLE, prctl(2)).
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    control = socket.socket(fileno=int(arguments[0]))
    door = socket.socket(fileno=int(arguments[1])) if arguments[1] != "-1" else None
    with os.fdopen(int(arguments[2]), "rb") as file:
        order = file.read().split(b"\0")[:-1]
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and os.path.exists(f"/proc/self/fd/{name}"):
            os.set_inheritable(int(name), False)
    # Taken before the run begins, which could take it otherwise.
    proxied = [socket.create_server((LOOPBACK, PROXY_PORT))] if order[1] != b"0" else []
    os.dup2(1, 2)  # What was there until now told the supervisor why no sandbox could be made.
    wake, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    answer, said = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _become(order, said)
    os.close(said)
    with os.fdopen(answer, "rb") as file:
        failure = file.read()
    told = b"failed " + failure if failure else f"started {pid}".encode()
    socket.send_fds(control, [told], [each.fileno() for each in proxied])
    for each in proxied:
        each.close()
    return 127 if failure else _watch(control, door, wake, pid)


def _watch(control: socket.socket, door: socket.socket | None, wake: int, command: int) -> int:
    poll = select.poll()
    for each in (control, door, wake):
        if each is not None:
            poll.register(each, select.POLLIN)
    code = 1
    while True:
        for number, _ in poll.poll():
            if number == wake:
                os.read(wake, 512)
            elif number == control.fileno():
                if not control.recv(64):
                    return code  # The supervisor is gone.
                _tell(command, signal.SIGTERM)
            elif door is not None:
                asked = door.recv(64)
                if asked:
                    _connect(door, int(asked))
                else:
                    poll.unregister(door)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return code
            if pid == 0:
                break
            if pid == command:
                control.send(f"ended {status}".encode())
                code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _tell(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # All of it has ended in between.
        os.killpg(group, number)


def _connect(door: socket.socket, port: int) -> None:
    """Send out a connection to ``port``; whether anybody answers there shows on the connection."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as inner:
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        failed = inner.connect_ex((LOOPBACK, port)) not in (0, errno.EINPROGRESS)
        socket.send_fds(door, [b"refused" if failed else b"connected"], [] if failed else [inner.fileno()])


def _become(order: list[bytes], said: int) -> NoReturn:
    """The command's side: never returns."""
    processes_max, count, workdir = int(order[0]), int(order[2]), order[3]
    command, env = order[4 : 4 + count], dict(each.split(b"=", 1) for each in order[4 + count :])
    step = "start"
    try:
        os.setsid()
        step = "set its limits"
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_NOFILE, OPEN_FILES_MAX)
        release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
        if processes_max and release >= NAMESPACED_LIMITS:
            _limit(resource.RLIMIT_NPROC, tasks_max(processes_max))
        for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(each, signal.SIG_DFL)
        step = f"enter the folder {os.fsdecode(workdir)}"
        os.chdir(workdir)
        step = f"execute {os.fsdecode(command[0])!r}"
        os.execvpe(command[0], command, env)  # noqa: S606  (an argument list, no shell)
    except BaseException as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        os.write(said, f"it could not {step}: {reason}".encode("utf-8", "replace")[:4000])
    os._exit(127)


def _limit(which: int, value: int) -> None:
    """Lower a limit for good; one that is lower already stays."""
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
