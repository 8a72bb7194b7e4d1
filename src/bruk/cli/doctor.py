"""What this machine has and lacks, each with what to do about it."""

import os
import shutil
import sqlite3
import stat
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from bruk.cli import output
from bruk.cli.exits import FAILED
from bruk.cli.output import JsonOption
from bruk.cli.settings import Settings, settings
from bruk.model.errors import BrukError

PANEL = "Run Bruk"
FREE_BYTES_MIN = 2 * 2**30
ANSWER_S = 2.0


class Finding(StrEnum):
    """How a check ended."""

    OK = "ok"
    LACKS = "lacks"  # something optional is not there
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was looked at, what was found and what to do."""

    what: str
    finding: Finding
    detail: str
    advice: str = ""


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(doctor)


def doctor(
    ctx: typer.Context,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of control; the last one, or 8610.")
    ] = None,
    gateway_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the gateway; the last one, or 8611.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check this machine: home, database, keys, ports, disk, Python packages, optional programs.

    Exit status 1 if something is wrong; what is merely lacking is optional.
    """
    chosen = settings(ctx)
    here = port or _port_of(chosen, "url") or 8610
    gateway = gateway_port or _port_of(chosen, "gateway_url") or 8611
    control_url = f"http://127.0.0.1:{here}/api/v1/status"
    control_port = check_port("control", control_url)
    control_answers = control_port.finding is Finding.OK and listens(control_url)
    checks = [
        check_home(chosen.home),
        check_database(chosen.home / "bruk.sqlite3"),
        check_keys(chosen.home / "keys"),
        check_remembered(chosen),
        control_port,
        check_gateway(f"http://127.0.0.1:{gateway}/v1/models", chosen.home, control_answers=control_answers),
        check_disk(chosen.home),
        *(check_package(name) for name in ("torch", "transformers", "tokenizers", "safetensors")),
        check_program("bwrap", "runs of different projects cannot be isolated here", "bubblewrap"),
        check_program("chromium", "the console's browser test is skipped", "chromium"),
    ]
    wrong = [check for check in checks if check.finding is Finding.WRONG]
    if json:
        output.show_json({"checks": checks, "wrong": len(wrong)})
    else:
        output.table(
            ["Check", "Finding", "~Detail", "~What to do"],
            ([check.what, check.finding.value, check.detail, check.advice] for check in checks),
        )
    if wrong:
        raise typer.Exit(FAILED)


def _port_of(chosen: Settings, what: str) -> int | None:
    """The port of an address that ``cli.json`` remembers; None if it has none that can be used."""
    try:
        return urlsplit(str(chosen.remembered().get(what, ""))).port
    except (BrukError, ValueError):
        return None


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
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Check("home", Finding.WRONG, f"{home} is not yours to write", "Choose another with --home.")
    return Check("home", Finding.OK, f"{home} is yours alone")


def check_database(file: Path) -> Check:
    """Whether the database is there and whole; it is opened for reading only."""
    if not file.exists():
        return Check("database", Finding.LACKS, f"{file.name} is not there yet", "'bruk up' makes it")
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=ANSWER_S)
        try:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Check("database", Finding.WRONG, str(error), "Restore bruk.sqlite3 from a backup.")
    if answer != "ok":
        return Check("database", Finding.WRONG, str(answer), "Restore bruk.sqlite3 from a backup.")
    return Check("database", Finding.OK, "readable and whole")


def check_keys(folder: Path) -> Check:
    """Whether signing keys are there and readable by their owner alone."""
    if not folder.is_dir():
        return Check("keys", Finding.LACKS, "no signing keys yet", "'bruk up' makes them")
    files = [path for path in sorted(folder.iterdir()) if path.suffix == ".key"]
    for path in files:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            return Check("keys", Finding.WRONG, f"{path.name} has mode {mode:04o}", f"Run: chmod 600 {path}")
    if not files:
        return Check("keys", Finding.WRONG, "there is no signing key", "Restore the keys from a backup.")
    return Check("keys", Finding.OK, f"{len(files)} signing key, its owner's alone")


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


def listens(url: str) -> bool:
    """Whether anything takes connections at the port of this address on this machine."""
    import socket

    with socket.socket() as probe:
        probe.settimeout(ANSWER_S)
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port or 0)) == 0


def check_port(what: str, url: str) -> Check:
    """Whether a port is free, or Bruk answers on it."""
    import httpx

    label = f"port {urlsplit(url).port}"
    if not listens(url):
        return Check(label, Finding.OK, f"free for the {what}")
    advice = f"Stop what listens there, or give 'bruk up' another port for the {what}."
    try:
        answer = httpx.get(url, timeout=ANSWER_S, trust_env=False)
    except httpx.HTTPError as error:
        return Check(label, Finding.WRONG, f"something listens and does not answer: {error}", advice)
    if "json" not in answer.headers.get("Content-Type", ""):
        return Check(label, Finding.WRONG, "something else than Bruk answers", advice)
    return Check(label, Finding.OK, f"the {what} answers")


def check_gateway(url: str, home: Path, *, control_answers: bool) -> Check:
    """As :func:`check_port`, and says what it means that control runs here without a gateway.

    ``bruk up`` runs a gateway as soon as there is a site on this machine.
    """
    if listens(url) or not control_answers:
        return check_port("gateway", url)
    label = f"port {urlsplit(url).port}"
    detail = "control runs without a gateway: no model can be called"
    if any((home / "gateways").glob("*/token")):
        return Check(
            label, Finding.LACKS, detail, f"One ran here before; its log in {home / 'logs'} says more."
        )
    return Check(label, Finding.LACKS, detail, "'bruk up' starts it with the first site: 'bruk site add'.")


def check_disk(home: Path) -> Check:
    """Whether the disk of the home has room."""
    folder = next((path for path in (home, *home.absolute().parents) if path.is_dir()), Path("/"))
    free = shutil.disk_usage(folder).free
    detail = f"{free // 2**30} GiB free"
    if free < FREE_BYTES_MIN:
        return Check("disk", Finding.WRONG, detail, "Make room: checkpoints and models need a few GiB.")
    return Check("disk", Finding.OK, detail)


def check_package(name: str) -> Check:
    """Whether a package that jobs on this machine need is installed; it is not imported."""
    if find_spec(name) is None:
        return Check(
            name, Finding.LACKS, "not installed", "To train and serve here: pip install 'bruk[local]'"
        )
    return Check(name, Finding.OK, "installed")


def check_program(name: str, without: str, package: str) -> Check:
    """Whether an optional program is on the path."""
    found = shutil.which(name)
    if found is None:
        return Check(name, Finding.LACKS, f"not installed: {without}", f"Optional: install {package}.")
    return Check(name, Finding.OK, found)
