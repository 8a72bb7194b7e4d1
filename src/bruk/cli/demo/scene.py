"""Brings ``bruk up`` up in a fresh home as a child process, and takes it down with nothing left."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bruk.model.errors import BrukError, ErrorKind, InvalidInput
from bruk.sdk import Client
from bruk.seal import Keyring

START_S = 60.0
END_S = 40.0
RUN_VARIABLE = "BRUK_RUN_ID"
SUPERVISOR = "bruk.engines.local.supervisor"


class DemoFailed(BrukError):
    """A step of the demo did not happen."""

    code = "demo_failed"
    kind = ErrorKind.INTERNAL


@dataclass(frozen=True, slots=True)
class Scene:
    """A running Bruk.

    Attributes:
        operator: a client with the first operator's token.
        login_url: the one-time login link.
    """

    home: Path
    process: subprocess.Popen[bytes]
    operator: Client
    url: str
    gateway_url: str
    login_url: str

    @property
    def keyring(self) -> Keyring:
        """The public keys as the operator would pin them."""
        return Keyring.from_document(json.loads((self.home / "keys" / "public.json").read_text("utf-8")))


def fresh_home(asked: Path | None) -> Path:
    """The asked folder if it is new or empty, or a new temporary one.

    Raises:
        InvalidInput: the asked folder has something in it.
    """
    if asked is None:
        return Path(tempfile.mkdtemp(prefix="bruk-demo-"))
    if asked.exists() and any(asked.iterdir()):
        raise InvalidInput(f"the demo starts from nothing and {asked} is not empty: give another --home")
    return asked


@contextmanager
def bruk_up(home: Path) -> Iterator[Scene]:
    """Start ``bruk up`` in this home; it ends with the block, and so does every run it started.

    Raises:
        DemoFailed: it does not come up.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    output = home / "up.log"
    command = [sys.executable, "-m", "bruk", "--home", str(home), "up", "--port", "0", "--gateway-port", "0"]
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield _scene(home, process, output)
    finally:
        _end(process)
        end_runs(home)


def _scene(home: Path, process: subprocess.Popen[bytes], output: Path) -> Scene:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        text = output.read_text("utf-8", "replace")
        if process.poll() is not None:
            raise DemoFailed(f"'bruk up' ended with status {process.returncode}:\n{text[-2000:]}")
        link = re.search(r"Console\s+(\S+)", text)
        if link and (home / "cli.json").exists():
            kept = json.loads((home / "cli.json").read_text("utf-8"))
            client = Client(kept["url"], kept["token"])
            return Scene(home, process, client, kept["url"], kept["gateway_url"], link.group(1))
        time.sleep(0.1)
    raise DemoFailed(f"'bruk up' did not come up within {START_S:.0f} s; its log is {output}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def processes_of_runs(home: Path, run: str | None = None) -> list[psutil.Process]:
    """Every living process of a run of this home (or of one run), over all descendants.

    Told by a process's own environment, whatever group, session or parent it has by now; a run's
    supervisor by its command line.
    """
    folder = str(home) + os.sep
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            environ, command = process.environ(), process.cmdline()
        except (psutil.Error, OSError):
            continue
        of_run = environ.get("BRUK_OUTPUT_DIR", "").startswith(folder)
        supervises = SUPERVISOR in command and any(part.startswith(folder) for part in command)
        named = run is None or environ.get(RUN_VARIABLE) == run or any(run in part for part in command)
        if (of_run or supervises) and named:
            found.append(process)
    return found


def end_runs(home: Path) -> None:
    """End whatever runs of this home are left when its Bruk is gone."""
    left = processes_of_runs(home)
    for process in left:
        try:
            process.terminate()
        except psutil.Error:
            continue
    _, alive = psutil.wait_procs(left, timeout=10)
    for process in alive:
        process.kill()
