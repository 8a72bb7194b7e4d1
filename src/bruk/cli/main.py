"""The tree of commands, the global options, and the door through which every error leaves.

A failure that was foreseen ends in one or two sentences on standard error and an exit status of
``exits``; only a defect shows a trace.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from bruk.cli import (
    access,
    audit,
    backup,
    billing,
    change,
    data,
    database,
    doctor,
    gateway,
    invoice,
    key,
    limit,
    model,
    people,
    places,
    platform,
    power,
    receipt,
    renewed,
    secret,
    signing_key,
    submit,
    switch,
    token,
    twin,
    user,
    work,
)
from bruk.cli.exits import FAILED, MEANINGS, status_of
from bruk.cli.output import note
from bruk.cli.settings import Settings
from bruk.model.errors import BrukError, ErrorKind

EPILOG = "Exit status: " + "; ".join(f"{status} {meaning}" for status, meaning in MEANINGS.items()) + "."

app = typer.Typer(
    name="bruk",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    ctx: typer.Context,
    url: Annotated[
        str,
        typer.Option(
            envvar="BRUK_URL", help="Address of control; from HOME/cli.json if left out.", show_default=False
        ),
    ] = "",
    token_: Annotated[
        str,
        typer.Option(
            "--token",
            envvar="BRUK_TOKEN",
            help="Your token or a project's API key; from HOME/cli.json if left out.",
            show_default=False,
        ),
    ] = "",
    home: Annotated[
        Path, typer.Option(envvar="BRUK_HOME", help="Folder in which this machine keeps what is Bruk's.")
    ] = Path("~/.bruk"),
) -> None:
    """Bruk, the open control plane of a sovereign AI cloud: train, validate, serve, meter, bill, and hold
    the keys.

    Begin with 'bruk up' or 'bruk demo'. Every command takes --json.
    """
    ctx.obj = Settings(home=home.expanduser(), url=url, token=token_)


for room in (
    platform,
    gateway,
    switch,
    places,
    renewed,
    people,
    user,
    change,
    power,
    key,
    limit,
    token,
    secret,
    access,
    billing,
    invoice,
    data,
    submit,
    work,
    model,
    receipt,
    audit,
    backup,
    twin,
    signing_key,
    database,
    doctor,
):
    room.add_to(app)


def run(arguments: list[str] | None = None) -> None:
    """The console script: run the command line and exit with its status."""
    sys.exit(status(arguments))


def status(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        answer = app(args=arguments, prog_name="bruk", standalone_mode=False)
        sys.stdout.flush()
        return answer if isinstance(answer, int) else 0
    except BrukError as error:
        note(f"Error: {error.message} [{error.code}]")
        advice = _advice(error)
        if advice:
            note(advice)
        return status_of(error)
    except typer.TyperException as error:
        if not error.format_message():
            return error.exit_code  # A group without a command: its help is shown already.
        note(f"Error: {error.format_message()}")
        context = getattr(error, "ctx", None)
        option = getattr(error, "option_name", "")
        if context is not None and context.parent and option in ("--home", "--url", "--token"):
            command = context.command_path.removeprefix("bruk ")
            note(f"{option} stands before the command: 'bruk {option} … {command}'.")
        elif context is not None:
            note(f"'{context.command_path} --help' shows how it is used.")
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        note("Stopped; nothing further was done.")
        return 130
    except BrokenPipeError:
        # The reader went away, as 'head' does: there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        note(f"Error: {where}{error.strerror or error}")
        return FAILED


def _advice(error: BrukError) -> str:
    if error.kind is ErrorKind.UNAUTHENTICATED:
        return "Run 'bruk login LINK' with a one-time login link, or give --token or BRUK_TOKEN."
    return ""
