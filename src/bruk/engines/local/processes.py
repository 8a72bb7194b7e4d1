"""Processes as Linux shows them under /proc: who they are, whose they are, how to end them.

A process is known by its number and its start time together, because numbers are used again; across
a restart of the machine by the boot identity as well. Nothing here signals a process whose start
time differs from the one expected. Standard library only: the supervisor imports it.
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

BOOT_ID = "/proc/sys/kernel/random/boot_id"
TICK_MS = 1000 // os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MARK = "BRUK_RUN_MARK"
"""Variable in the environment of a run and of its supervisor by which strays are found again."""


@dataclass(frozen=True, slots=True)
class Process:
    """One line of ``/proc/PID/stat`` (proc_pid_stat(5)).

    Attributes:
        start: field 22, time of its start since boot [clock ticks].
        cpu_ms: its own processor time [ms].
        reaped_cpu_ms: that of its descendants already waited for [ms].
        resident_bytes: resident memory, pages shared with others included [bytes].
    """

    pid: int
    parent: int
    group: int
    state: str
    start: int
    cpu_ms: int
    reaped_cpu_ms: int
    resident_bytes: int

    @property
    def identity(self) -> tuple[int, int]:
        return (self.pid, self.start)


def boot_id() -> str:
    """Identity of this boot of the machine."""
    with open(BOOT_ID, encoding="ascii") as file:
        return file.read().strip()


def process(pid: int) -> Process | None:
    """The process of that number; None where there is none or it has ended (a zombie)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The name, in parentheses, may hold spaces and parentheses itself: fields begin after the last.
    fields = text[text.rfind(b")") + 2 :].split()
    if len(fields) < 22 or fields[0] in (b"Z", b"X"):
        return None
    return Process(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        state=fields[0].decode("ascii"),
        start=int(fields[19]),
        cpu_ms=(int(fields[11]) + int(fields[12])) * TICK_MS,
        reaped_cpu_ms=(int(fields[13]) + int(fields[14])) * TICK_MS,
        resident_bytes=int(fields[21]) * PAGE_BYTES,
    )


def processes() -> list[Process]:
    """Every living process that /proc shows."""
    found = (process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [each for each in found if each is not None]


def descendants(roots: Iterable[int], among: Iterable[Process] | None = None) -> list[Process]:
    """All living descendants of the given processes, without these themselves.

    A subreaper's descendants are complete: whatever loses its parent becomes the subreaper's child.

    Args:
        among: every process of the machine as just seen; None: look now.
    """
    children: dict[int, list[Process]] = {}
    for each in processes() if among is None else among:
        children.setdefault(each.parent, []).append(each)
    found: list[Process] = []
    seen = set(roots)
    queue = list(seen)
    while queue:
        for each in children.get(queue.pop(), ()):
            if each.pid not in seen:
                seen.add(each.pid)
                found.append(each)
                queue.append(each.pid)
    return found


def in_sandbox(found: Iterable[Process], supervisor: int) -> list[Process]:
    """Of all descendants of a supervisor those that live in its sandbox, without the sandbox's own two:
    bubblewrap outside and the first process inside (see ``sandboxed``)."""
    listed = list(found)
    outside = {each.pid for each in listed if each.parent == supervisor}
    return [each for each in listed if each.pid not in outside and each.parent not in outside]


def innermost_group(pid: int) -> int:
    """Process group of a process as its own process namespace numbers it (``NSpgid``,
    proc_pid_status(5)); 0 if it has gone."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            fields = [line.split() for line in file if line.startswith(b"NSpgid:")]
    except OSError:
        return 0
    return int(fields[0][-1]) if fields and len(fields[0]) > 1 else 0


def tasks() -> int:
    """How many tasks the machine has now, threads counted (proc_loadavg(5)); costs one small read."""
    with open("/proc/loadavg", "rb") as file:
        return int(file.read().split()[3].split(b"/")[1])


def alive(pid: int, start: int) -> bool:
    """Whether that very process lives; a later one with the same number is another."""
    found = process(pid)
    return found is not None and found.start == start


def send(pid: int, start: int, number: int) -> bool:
    """Signal that very process; False if it is gone, whoever has its number now.

    The process is held by a file descriptor between the look and the signal, so that its number
    cannot pass to another in between (pidfd_open(2)).
    """
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not alive(pid, start):
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def kill(victims: Iterable[Process]) -> None:
    """End these for good: all are stopped first, so that none can start another meanwhile."""
    listed = list(victims)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for each in listed:
            send(each.pid, each.start, number)


def marked(mark: str) -> Iterator[Process]:
    """Living processes that began with ``BRUK_RUN_MARK=mark`` in their environment."""
    wanted = os.fsencode(f"{MARK}={mark}")
    for each in processes():
        try:
            with open(f"/proc/{each.pid}/environ", "rb") as file:
                variables = file.read().split(b"\0")
        except OSError:
            continue
        if wanted in variables:
            yield each


def end_strays(mark: str, known: Iterable[tuple[int, int]], patience_ms: int = 2000) -> int:
    """Kill what is left of a run whose supervisor is gone: by mark, by known identity, and all
    their descendants.

    Returns:
        How many still live after ``patience_ms`` [ms]; 0 in every ordinary case.
    """
    listed = set(known)
    deadline = time.monotonic() + patience_ms / 1000
    while True:
        found = {each.identity: each for each in marked(mark) if each.pid != os.getpid()}
        for pid, start in listed:
            each = process(pid)
            if each is not None and each.start == start and pid != os.getpid():
                found[each.identity] = each
        for each in descendants([each.pid for each in found.values()]):
            found[each.identity] = each
        if not found or time.monotonic() >= deadline:
            return len(found)
        listed |= set(found)
        kill(found.values())
        time.sleep(0.01)
