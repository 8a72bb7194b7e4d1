"""The gateway's own process: what ``bruk gateway`` runs."""

import os
import resource
from pathlib import Path

import uvloop

from bruk.assembly.clock import SystemClock
from bruk.assembly.home import read_secret
from bruk.assembly.processes import settle_in
from bruk.gateway import Gateway
from bruk.model.errors import InvalidInput
from bruk.model.jsontext import parse_json
from bruk.seal import Keyring


def run_gateway(home: Path, control_url: str, listen: str, site: str) -> None:
    """A gateway, until it is told to end; answers under way are finished first.

    Raises:
        BrukError: the token or control's pinned keys are missing, or the address is taken.
    """
    settle_in()
    open_files()
    token = read_secret(home / "token", "gateway's token")
    pinned = Keyring.from_document(_json(home / "control.pub"))
    gateway = Gateway(
        home,
        home.name,
        site,
        control_url,
        token,
        pinned,
        SystemClock.shared(dict(os.environ)),
        token_file=home / "token",
    )
    uvloop.run(gateway.run(listen))


def open_files() -> None:
    """Let this process have as many files and connections open as it may; shells start with few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _json(path: Path) -> object:
    what = "file of control's public keys"
    try:
        found: object = parse_json(read_secret(path, what))
    except ValueError as error:
        raise InvalidInput(f"the {what} {path} is not JSON: {error}") from None
    return found
