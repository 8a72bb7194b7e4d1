"""What a run has taken of disk and memory, and the cgroup that bounds memory where there is one.

Watching comes a moment late by nature: a run may pass its limit briefly before it is ended. A
cgroup v2 does better and is taken where the engine was given one. Standard library only: the
supervisor imports it.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from bruk.engines.local.processes import Process

FILE_BYTES = 1024
"""What a file counts at least: empty ones fill a disk too."""
DEPTH_MAX = 200
PIDS = Path("/sys/fs/cgroup/pids")  # Where cgroup v1 mounts it by custom (cgroups(7)).
BLOCK_BYTES = 512  # st_blocks counts these, whatever the file system's own block is (stat(2)).


class TooDeep(Exception):
    """Folders lie in one another beyond ``DEPTH_MAX``, where paths end and counting with them."""


def disk_bytes(folders: Iterable[str]) -> int:
    """Space allocated under ``folders`` [bytes]: sparse files count what they take, files with
    several names count once, links are not followed.

    Raises:
        TooDeep: something may lie where it cannot be counted.
    """
    total = 0
    seen: set[tuple[int, int]] = set()
    queue = [(folder, 0) for folder in folders]
    while queue:
        folder, depth = queue.pop()
        if depth > DEPTH_MAX:
            raise TooDeep
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue  # A folder may go while it is being counted.
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
                is_folder = entry.is_dir(follow_symlinks=False)
            except OSError:
                continue
            identity = (status.st_dev, status.st_ino)
            if identity in seen:
                continue
            seen.add(identity)
            total += max(status.st_blocks * BLOCK_BYTES, FILE_BYTES)
            if is_folder:
                queue.append((entry.path, depth + 1))
    return total


def over_memory(processes: Iterable[Process], limit_bytes: int) -> bool:
    """Whether together they hold more than ``limit_bytes`` resident [bytes].

    Resident sizes count shared pages once for each sharer; only when their sum is too large is
    the proportional size (``Pss`` in smaps_rollup, proc_pid_smaps(5)) asked for, which costs more.
    """
    listed = list(processes)
    if sum(each.resident_bytes for each in listed) <= limit_bytes:
        return False
    return sum(_proportional_bytes(each) for each in listed) > limit_bytes


def _proportional_bytes(process: Process) -> int:
    try:
        with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return process.resident_bytes


def make_cgroup(parent: str, name: str, memory_bytes: int, tasks_max: int = 0) -> str:
    """A cgroup v2 under ``parent`` with that memory limit; its folder, or "" where it cannot be
    made (then memory is watched).

    Args:
        tasks_max: most threads and processes together, where the kernel counts them; 0: any.
    """
    folder = Path(parent) / name
    try:
        folder.mkdir(exist_ok=True)
        (folder / "memory.max").write_text(str(memory_bytes))
        (folder / "memory.oom.group").write_text("1")
        if tasks_max and (folder / "pids.max").exists():
            (folder / "pids.max").write_text(str(tasks_max))
    except OSError:
        remove_cgroups([str(folder)])
        return ""
    return str(folder)


def make_pids_group(name: str, tasks_max: int) -> str:
    """A group of the kernel's first pids controller (cgroup v1) with so many threads and processes at most;
    its folder, or "" where there is no such controller or none may be made.

    For an engine that is root this is what bounds a fork bomb at once: of root's processes the kernel
    counts none (RLIMIT_NPROC, setrlimit(2)).
    """
    folder = PIDS / name
    try:
        if not tasks_max or not (PIDS / "cgroup.procs").exists():
            return ""
        folder.mkdir(exist_ok=True)
        (folder / "pids.max").write_text(str(tasks_max))
    except OSError:
        remove_cgroups([str(folder)])
        return ""
    return str(folder)


def cgroup_out_of_memory(folder: str) -> bool:
    """Whether the kernel has ended a process there for want of memory."""
    try:
        lines = (Path(folder) / "memory.events").read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in lines)


def remove_cgroups(folders: Iterable[str]) -> None:
    """Remove control groups; the kernel's own files in them vanish with them.

    What has ended may stay in its group for a moment more. One that is left behind limits nobody.
    """
    for folder in folders:
        for _ in range(20):
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.01)
            else:
                break
