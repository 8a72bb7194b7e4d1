"""Bruk's home: one folder of mode 0700 that holds everything of one machine."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bruk.model.errors import Conflict, InvalidInput
from bruk.model.jsontext import parse_json

# What the command line and whoever starts Bruk may have written into a home before its first start.
BEFORE_FIRST_START = frozenset(
    (
        "cli.json",
        "clock.json",
        "lock",
        "up.log",
        "keys",
        "artifacts",
        "logs",
        "sites",
        "gateways",
        "database_url",
    )
)
_DRAFT = ".new"


class HomeInUse(Conflict):
    """Another control runs in this home."""

    code = "home_in_use"


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything lies."""

    path: Path

    @property
    def database_url(self) -> str:
        """Where the store is: on the server that this home remembers, else in a file of its own."""
        if self.server_file.exists():
            return read_secret(self.server_file, "database's address")
        return f"sqlite:///{self.database_file}"

    @property
    def server_file(self) -> Path:
        """The address of the store's server, which may hold a password."""
        return self.path / "database_url"

    @property
    def database_file(self) -> Path:
        """Where SQLite keeps the store."""
        return self.path / "bruk.sqlite3"

    @property
    def clock_file(self) -> Path:
        """Where the line of time is kept over a restart (see ``assembly.clock``)."""
        return self.path / "clock.json"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def signing_key(self) -> Path:
        return self.keys / "signing.key"

    @property
    def public_keys(self) -> Path:
        return self.keys / "public.json"

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def cli_file(self) -> Path:
        return self.path / "cli.json"

    def site(self, name: str) -> Path:
        """The folder of a site's agent."""
        return self.path / "sites" / name

    def gateway(self, name: str) -> Path:
        """The folder of a gateway."""
        return self.path / "gateways" / name

    def make(self) -> None:
        """Make the folder, or check that it is nobody else's.

        Raises:
            InvalidInput: it belongs to somebody else, is open to others, holds other things, or
                cannot be made.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.path.stat()
        except OSError as error:
            raise InvalidInput(f"Bruk's home {self.path} cannot be made: {error.strerror}") from None
        if status.st_uid != os.geteuid():
            raise InvalidInput(f"Bruk's home {self.path} belongs to another user; choose another with --home")
        if status.st_mode & 0o077:
            raise InvalidInput(f"Bruk's home {self.path} is open to other users: run 'chmod 700 {self.path}'")
        # With the draft of a file of ours whose writer was killed.
        entries = {_written_as(entry.name) for entry in self.path.iterdir()}
        if self.database_file.exists() and not self.signing_key.exists():
            raise InvalidInput(
                f"the signing key {self.signing_key} is missing, and the records here were signed with it: "
                "put it back (mode 0600) from where it is kept"
            )
        if entries - BEFORE_FIRST_START and not self.signing_key.exists():
            raise InvalidInput(
                f"{self.path} has other things in it and is no home of Bruk: give an empty folder with --home"
            )
        for folder in (self.keys, self.artifacts, self.logs, self.path / "sites", self.path / "gateways"):
            folder.mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home: one control at a time.

        Raises:
            HomeInUse: another process holds it.
        """
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise HomeInUse(
                    f"Bruk runs already in {self.path}; stop it first, or give another --home"
                ) from None
            yield


def _written_as(name: str) -> str:
    """The name of the file whose draft this is, or the name itself."""
    return name[1 : -len(_DRAFT)] if name.startswith(".") and name.endswith(_DRAFT) else name


def write_secret(path: Path, content: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}{_DRAFT}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_secret(path: Path, what: str) -> str:
    """A secret's file.

    Raises:
        InvalidInput: it is missing.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InvalidInput(f"the {what} {path} cannot be read: {error.strerror}") from None


def remember(home: Home, **values: str) -> None:
    """Write to ``cli.json`` what the command line on this machine needs."""
    try:
        kept = parse_json(home.cli_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = None
    write_secret(home.cli_file, json.dumps({**(kept if isinstance(kept, dict) else {}), **values}, indent=1))
