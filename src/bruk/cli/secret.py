"""Secrets of projects: what jobs need and nobody reads back. Values are never arguments of a command."""

import sys
from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import show_time
from bruk.cli.settings import client
from bruk.model.errors import InvalidInput
from bruk.model.secret import VALUE_BYTES_MAX

PANEL = "Tenants and keys"
ProjectOption = Annotated[
    str, typer.Option("--project", "-p", envvar="BRUK_PROJECT", help="The project, written tenant/name.")
]
NameArgument = Annotated[str, typer.Argument(help="Name of the environment variable, like HF_TOKEN.")]

secret_app = typer.Typer(no_args_is_help=True, help="What jobs need and nobody reads back.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(secret_app, name="secret", rich_help_panel=PANEL)


@secret_app.command("set")
def secret_set(
    ctx: typer.Context, name: NameArgument, project: ProjectOption, json: JsonOption = False
) -> None:
    """Set a secret: asked for at a terminal, else read from standard input without its last line break."""
    with client(ctx) as control:
        found = control.secrets.set(project, name, _value(name))
    said = f"Secret {name} of {project} is set; a job gets it by '--secret {name}'."
    output.answer(found, said, json)


def _value(name: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(f"Value of {name}", hide_input=True))
    raw = sys.stdin.buffer.read(VALUE_BYTES_MAX + 2)
    try:
        value = raw.decode()
    except UnicodeDecodeError:
        raise InvalidInput("the value is no UTF-8 text; encode it, in base64 for instance") from None
    value = value.removesuffix("\n")
    if not value:
        raise InvalidInput(f"nothing came on standard input: printf %s VALUE | bruk secret set {name}")
    return value


@secret_app.command("ls")
def secret_ls(ctx: typer.Context, project: ProjectOption, json: JsonOption = False) -> None:
    """List a project's secrets by name."""
    with client(ctx) as control:
        found = control.secrets.list(project)
    if json:
        output.show_json(found)
        return
    output.table(
        ["Name", "Set", "~By"],
        ([item.name, show_time(item.set_at_ms), item.set_by] for item in found),
        none=f"{project} has no secrets. 'bruk secret set NAME' sets one.",
    )


@secret_app.command("rm")
def secret_rm(
    ctx: typer.Context, name: NameArgument, project: ProjectOption, json: JsonOption = False
) -> None:
    """Forget a secret; jobs that need it wait until it is set again."""
    with client(ctx) as control:
        control.secrets.remove(project, name)
    output.answer({"project": project, "name": name}, f"Secret {name} of {project} is gone.", json)
