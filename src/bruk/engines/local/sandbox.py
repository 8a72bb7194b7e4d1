"""The sandbox of a run, in bubblewrap's words: what it sees, and what it is to the kernel.

A run sees its software, its own folders, its devices, and nothing else of the machine: the root is
empty and each thing shown is named here. It has its own processes, network, shared memory, host name
and user namespace, no capability, and cannot gain one. ``inside`` is its first process. Nothing here
starts a run. Standard library only: the supervisor imports it.

Read-only ``/proc`` matters: to a sandbox that an engine of root makes, the kernel's settings under
``/proc/sys`` belong to its own user.
"""

import os
import site
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from bruk.engines.local import inside, seccomp
from bruk.engines.local.records import Order

NOBODY = "65534"
TMP_BYTES = 64 * 2**20
SHARED_MEMORY_BYTES = 2**30
NAMESPACES = (
    *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
    *("--unshare-cgroup-try", "--disable-userns", "--uid", NOBODY, "--gid", NOBODY),
    *("--hostname", "bruk", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--as-pid-1"),
)
PROXY = f"http://{inside.LOOPBACK}:{inside.PROXY_PORT}"
PROXY_ENVIRONMENT = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), PROXY),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1"),
}
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
NEVER_SHOWN = ("/", "/usr", "/proc", "/dev", "/sys", "/etc", "/run", "/tmp")  # noqa: S108
SYSTEM_LINKS = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
ETC = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "mime.types"),
    *("protocols", "services", "ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "pki/ca-trust/extracted"),
    *("ca-certificates", "OpenCL"),
)
MACHINE = ("/sys/devices/system/cpu", "/sys/devices/system/node")
BOARDS = ("/sys/devices", "/sys/bus/pci", "/sys/class/drm", "/sys/class/kfd", "/sys/module")


def empty(bwrap: str) -> list[str]:
    """The argument list of a sandbox that shows only the machine's software and does nothing."""
    return [bwrap, *NAMESPACES, *_system(), *_closed(), "--", "/usr/bin/true"]


def arguments(
    order: Order, *, hidden: Iterable[str], control: int, door: int, data: Mapping[str, int]
) -> list[str]:
    """The argument list that starts ``order`` in its sandbox. It holds nothing of the order's command
    or variables, which other users of the machine could read; ``ENVIRONMENT`` is its environment,
    because what a run chooses must not steer bubblewrap (``LD_PRELOAD``, ``PATH``).

    Args:
        hidden: folders of the engine; never visible, whatever is shown around them.
        control: the sandbox's end of the supervisor's socket; see ``inside``.
        door: the same for connections from outside; -1: nobody connects.
        data: file descriptors by what they hold; see ``data_files``.

    Raises:
        ValueError: what is to be shown contradicts itself; says how.
    """
    folders = _folders(order)
    assert os.path.isabs(order.bwrap), "the engine has found bubblewrap"
    taken = [order.bwrap, *NAMESPACES, *_system(), *_memory(order, folders)]
    for name in order.devices:
        taken += ["--dev-bind-try", name, name]
    for path in BOARDS if order.devices else MACHINE:
        taken += ["--ro-bind-try", path, path]
    for name, number in data.items():
        if name.startswith("/"):
            taken += ["--ro-bind-data", str(number), name]
    for path, writable in folders.items():
        taken += ["--bind" if writable else "--ro-bind", os.path.realpath(path), path]
    taken += _masks(folders, hidden)
    taken += ["--ro-bind", inside.__file__, inside.SCRIPT, *_closed(), "--chdir", "/"]
    if "seccomp" in data:
        taken += ["--seccomp", str(data["seccomp"])]
    # Isolated and without site-packages: what a run could write is nowhere on its import path.
    python = [os.path.realpath(sys.executable), "-I", "-S", inside.SCRIPT]
    return [*taken, "--", *python, str(control), str(door), str(data["order"])]


def software(extra: Iterable[Path] = ()) -> list[str]:
    """Folders of the software that every run may read: this Python, its packages, the sources of
    those installed in editable mode, and ``extra``."""
    found = [sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix), *map(os.fspath, extra)]
    packages = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        packages.append(site.getusersitepackages())
        found.append(site.getusersitepackages())
    for folder in packages:
        for path in sorted(Path(folder).glob("*.pth")):
            # A line that is a folder is put on the import path (the module site's documentation).
            lines = path.read_text("utf-8", "replace").splitlines()
            found += [line for line in lines if os.path.isabs(line)]
    return _outermost(path for path in found if os.path.isdir(path))


def stubs(order: Order) -> dict[str, bytes]:
    """Files that a run sees instead of the machine's own, by path."""
    home = order.env.get("HOME", "/tmp").replace(":", "_").replace("\n", "_")  # noqa: S108
    return {
        "/etc/passwd": f"nobody:x:{NOBODY}:{NOBODY}:run:{home}:/bin/sh\n".encode("utf-8", "replace"),
        "/etc/group": f"nogroup:x:{NOBODY}:\n".encode(),
        "/etc/hosts": b"127.0.0.1 localhost bruk\n::1 localhost\n",
        "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files\n",
    }


def data_files(order: Order) -> dict[str, int]:
    """File descriptors for ``arguments``: the stubs by their path, ``order`` for ``inside``, and
    ``seccomp`` where there is a filter for this processor. The caller closes them."""
    content = stubs(order)
    content["order"] = inside.order_bytes(
        order.processes_max, bool(order.network), order.workdir, order.command, order.env
    )
    if program := seccomp.program():
        content["seccomp"] = program
    made: dict[str, int] = {}
    for name, data in content.items():
        made[name] = os.memfd_create("bruk", os.MFD_CLOEXEC)
        with open(made[name], "wb", closefd=False) as file:
            file.write(data)
        os.lseek(made[name], 0, os.SEEK_SET)
    return made


def _system() -> list[str]:
    """The distribution's software, read-only, as it lies on this machine."""
    taken = ["--ro-bind", "/usr", "/usr"]
    for name in SYSTEM_LINKS:
        if os.path.islink(f"/{name}"):
            taken += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
        elif os.path.isdir(f"/{name}"):
            taken += ["--ro-bind", f"/{name}", f"/{name}"]
    for name in ETC:
        taken += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return [*taken, "--proc", "/proc", "--dev", "/dev", "--symlink", "../tmp", "/var/tmp"]  # noqa: S108


def _closed() -> list[str]:
    """Nothing can be added to what was made of memory, and no setting of the kernel changed."""
    return ["--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"]


def _memory(order: Order, folders: Mapping[str, bool]) -> list[str]:
    """Shared memory and /tmp: bounded, because nobody else counts what lies in them."""
    shared_bytes = order.memory_bytes // 2 or SHARED_MEMORY_BYTES
    taken = ["--perms", "1777", "--size", str(shared_bytes), "--tmpfs", "/dev/shm"]  # noqa: S108
    temporary = order.env.get("TMPDIR", "")
    below = any(_within(path, "/tmp") for path in folders)  # noqa: S108
    if folders.get(temporary) and not below:
        # Its own temporary folder counts towards its disk.
        return [*taken, "--bind", os.path.realpath(temporary), "/tmp"]  # noqa: S108
    return [*taken, "--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"]  # noqa: S108


def _folders(order: Order) -> dict[str, bool]:
    """Folders to show and whether the run may write them, parents before what lies in them.

    Raises:
        ValueError: a writable one is a link, or one is no folder of a run's.
    """
    shown = dict.fromkeys([*order.software, *order.readable], False)
    writable = dict.fromkeys(order.writable, True)
    for path in [*shown, *writable, order.workdir]:
        if not os.path.isabs(path) or os.path.normpath(path) != path or path in NEVER_SHOWN:
            raise ValueError(f"the folder {path!r} cannot be shown to a run")
    if os.path.isdir(order.workdir) and not any(_within(order.workdir, each) for each in [*shown, *writable]):
        shown[order.workdir] = False
    shown |= writable
    for path in writable:
        if os.path.islink(path):
            raise ValueError(f"the folder {path} is a link; a run writes only where a real folder is")
    return {path: shown[path] for path in sorted(shown, key=lambda path: Path(path).parts)}


def _masks(folders: Mapping[str, bool], hidden: Iterable[str]) -> list[str]:
    """Cover what lies within a shown folder and is not for runs.

    Raises:
        ValueError: a run could move what is to be covered, or is to be shown what must be hidden.
    """
    taken: list[str] = []
    for secret in hidden:
        for path, writable in folders.items():
            real = os.path.realpath(path)
            if _within(real, secret):
                raise ValueError(f"the folder {path} lies in the engine's own folder {secret}")
            if not _within(secret, real):
                continue
            if writable and os.path.dirname(secret) != real:
                raise ValueError(f"the folder {path} is writable and holds the engine's own folder {secret}")
            cover = os.path.join(path, os.path.relpath(secret, real))
            taken += ["--perms", "0000", "--tmpfs", cover, "--remount-ro", cover]
    return taken


def _within(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder.rstrip("/")


def _outermost(paths: Iterable[str]) -> list[str]:
    """Without what lies in /usr or in another of them."""
    kept: list[str] = ["/usr"]
    for path in sorted({os.path.normpath(path) for path in paths}, key=lambda path: len(Path(path).parts)):
        if not any(_within(path, each) for each in kept):
            kept.append(path)
    return kept[1:]
