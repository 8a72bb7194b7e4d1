"""Where control is, who asks, and where this machine keeps what is Bruk's.

Options come before the environment, and the environment before ``HOME/cli.json``, which ``bruk up``
and ``bruk login`` write. The token in that file is used only for the address that stands beside it:
it is never sent elsewhere.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bruk.model.errors import InvalidInput
from bruk.model.jsontext import parse_json

if TYPE_CHECKING:
    from bruk.sdk import Client

URL_DEFAULT = "http://127.0.0.1:8610"
CLI_FILE = "cli.json"

ProjectOption = Annotated[
    str | None,
    typer.Option("--project", "-p", envvar="BRUK_PROJECT", help="The project, written tenant/name."),
]


@dataclass(frozen=True, slots=True)
class Settings:
    """The global options as given; empty where nothing was."""

    home: Path
    url: str = ""
    token: str = field(default="", repr=False)

    @property
    def cli_file(self) -> Path:
        return self.home / CLI_FILE

    def remembered(self) -> dict[str, Any]:
        """What ``HOME/cli.json`` holds; nothing if there is none.

        Raises:
            InvalidInput: it cannot be read.
        """
        try:
            found = parse_json(self.cli_file.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise InvalidInput(
                f"{self.cli_file} cannot be read ({error}). Remove it and run 'bruk login' again."
            ) from None
        if not isinstance(found, dict):
            raise InvalidInput(f"{self.cli_file} is damaged. Remove it and run 'bruk login' again.")
        return found

    def address(self) -> str:
        """The address of control."""
        return self.url or str(self.remembered().get("url") or URL_DEFAULT)

    def elsewhere(self) -> bool:
        """Whether control is another than the one that this home was last told of by ``bruk up``."""
        return self.address().rstrip("/") != str(self.remembered().get("url", "")).rstrip("/")

    def credential(self) -> str:
        """The token to show to the control at :meth:`address`; empty if there is none for it."""
        if self.token:
            return self.token
        remembered = self.remembered()
        if self.address().rstrip("/") != str(remembered.get("url", "")).rstrip("/"):
            return ""
        return str(remembered.get("token") or "")

    def client(self) -> "Client":
        """A client of the control that these settings name."""
        from bruk.sdk import Client

        return Client(self.address(), self.credential())

    def remember(self, **changes: str) -> None:
        """Write to ``HOME/cli.json``, readable by its owner alone.

        Raises:
            InvalidInput: it cannot be written.
        """
        kept = self.remembered() | changes
        draft = self.cli_file.with_name(f".{CLI_FILE}.{os.getpid()}")
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(kept, file, indent=1)
            os.replace(draft, self.cli_file)
        except OSError as error:
            raise InvalidInput(f"{self.cli_file} cannot be written: {error.strerror or error}") from None


def settings(ctx: typer.Context) -> Settings:
    """The settings that the root command put into the context."""
    found = ctx.find_root().obj
    assert isinstance(found, Settings), "the root command sets them"
    return found


def client(ctx: typer.Context) -> "Client":
    """A client of the control that the global options name."""
    return settings(ctx).client()


def needed_project(project: str | None) -> str:
    """The project, where a command cannot go without one.

    Raises:
        InvalidInput: none was given.
    """
    if not project:
        raise InvalidInput("Which project? Give --project tenant/name, or set BRUK_PROJECT.")
    return project
