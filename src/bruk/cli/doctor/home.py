"""The home folder: whose it is, its secrets, the login, and the room on its disk."""

import os
import shutil
import stat
from pathlib import Path

from bruk.cli.doctor.check import Check, Finding
from bruk.cli.settings import Settings
from bruk.model.errors import BrukError

FREE_BYTES_MIN = 2 * 2**30
SHOWN_MAX = 3
FILES_MAX = 200_000


def check_home(home: Path) -> Check:
    """Whether the home is there and its owner's alone."""
    try:
        status = home.stat()
    except FileNotFoundError:
        return Check("home", Finding.LACKS, f"{home} is not there yet", "'bruk up' makes it")
    except OSError as error:
        return Check("home", Finding.WRONG, f"{home}: {error.strerror}", "Choose another with --home.")
    if not stat.S_ISDIR(status.st_mode):
        return Check("home", Finding.WRONG, f"{home} is no folder", "Choose another with --home.")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        return Check("home", Finding.WRONG, f"{home} has mode {mode:04o}", f"Run: chmod 700 {home}")
    if os.statvfs(home).f_flag & os.ST_RDONLY:
        advice = "Mount it for writing again and look into the machine's log why it is not; then start Bruk."
        return Check("home", Finding.WRONG, f"{home} lies on a file system that is read-only", advice)
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        advice = f"Run: chmod 700 {home}, as its owner; or choose another with --home."
        return Check("home", Finding.WRONG, f"{home} is not yours to write", advice)
    return Check("home", Finding.OK, f"{home} is yours alone")


def check_keys(folder: Path) -> Check:
    """Whether signing keys are there and readable by their owner alone."""
    if not folder.is_dir():
        return Check("keys", Finding.LACKS, "no signing keys yet", "'bruk up' makes them")
    files = [path for path in sorted(folder.iterdir()) if path.suffix == ".key"]
    for path in files:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            return Check("keys", Finding.WRONG, f"{path.name} has mode {mode:04o}", f"Run: chmod 600 {path}")
    if not (folder / "signing.key").exists():
        return Check("keys", Finding.WRONG, "there is no signing key", "Restore the keys from a backup.")
    return Check("keys", Finding.OK, f"{' and '.join(path.name for path in files)}: their owner's alone")


def check_user() -> Check:
    """Whether Bruk runs as somebody who may do everything on this machine."""
    if os.geteuid() != 0:
        return Check("user", Finding.OK, "not root")
    return Check(
        "user",
        Finding.LACKS,
        "Bruk runs as root: a flaw in it would be root's, and the kernel bounds no run's processes",
        "Run it as a user of its own.",
    )


def check_modes(home: Path) -> Check:
    """Whether any token or key can be read by others."""
    secret = [home / "cli.json", *home.glob("sites/*/token"), *home.glob("gateways/*/token")]
    open_ = [path for path in secret if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    if open_:
        names = " ".join(str(path) for path in open_)
        return Check(
            "secrets", Finding.WRONG, f"{len(open_)} can be read by others", f"Run: chmod 600 {names}"
        )
    return Check("secrets", Finding.OK, "tokens are their owner's alone")


def check_remembered(chosen: Settings) -> Check:
    """Whether ``cli.json`` can be read and holds a token."""
    try:
        remembered = chosen.remembered()
    except BrukError as error:
        return Check("login", Finding.WRONG, error.message, "Run 'bruk login LINK'.")
    if not remembered.get("token") and not chosen.token:
        return Check("login", Finding.LACKS, "no token", "Run 'bruk up' here, or 'bruk login LINK'.")
    if chosen.cli_file.exists() and stat.S_IMODE(chosen.cli_file.stat().st_mode) & 0o077:
        return Check(
            "login", Finding.WRONG, "cli.json can be read by others", f"Run: chmod 600 {chosen.cli_file}"
        )
    return Check("login", Finding.OK, f"token for {chosen.address()}")


def check_disk(home: Path) -> Check:
    """Whether the disk of the home has room."""
    folder = next((path for path in (home, *home.absolute().parents) if path.is_dir()), Path("/"))
    free = shutil.disk_usage(folder).free
    detail = f"{free // 2**20:,} MiB free"
    if largest := _largest(home):
        detail += "; largest: " + ", ".join(f"{name} {size // 2**20:,} MiB" for name, size in largest)
    if free < FREE_BYTES_MIN:
        advice = (
            "Make room: uploads, calls and runs are refused when it is full, and go on by themselves once it "
            "is not. Folders of ended runs and cache/ may go while the site's agent is stopped."
        )
        return Check("disk", Finding.WRONG, detail, advice)
    return Check("disk", Finding.OK, detail)


def _largest(home: Path) -> list[tuple[str, int]]:
    """The largest of the home's folders, those of sites one by one [bytes]."""
    folders = [home / name for name in ("artifacts", "logs")]
    folders += [path for path in home.glob("sites/*/*") if path.is_dir()]
    sizes = [(str(path.relative_to(home)), _size_bytes(path)) for path in folders]
    sizes += [(path.name, path.stat().st_size) for path in home.glob("bruk.sqlite3*")]
    return sorted(((name, size) for name, size in sizes if size >= 2**20), key=lambda item: -item[1])[
        :SHOWN_MAX
    ]


def _size_bytes(folder: Path) -> int:
    total, seen = 0, 0
    for path, _, files in os.walk(folder):
        for name in files:
            seen += 1
            if seen > FILES_MAX:
                return total
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                continue
    return total
