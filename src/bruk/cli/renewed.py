"""A renewed token of an agent or a gateway: into its folder where that is on this machine, else printed."""

import os
from pathlib import Path

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.places import SiteArgument, site_app
from bruk.cli.settings import client, settings
from bruk.model.name import check_name


def add_to(app: typer.Typer) -> None:
    """Add ``token`` to the group of sites."""
    site_app.command("token")(site_token)


def site_token(ctx: typer.Context, name: SiteArgument, json: JsonOption = False) -> None:
    """Renew the token of a site's agent; the old one ends at once. An agent of this machine picks it up."""
    with client(ctx) as control:
        token = control.sites.renew_token(name)
    keep_token(ctx, "sites", name, token, json=json)


def keep_token(ctx: typer.Context, folders: str, name: str, token: str, *, json: bool) -> None:
    """Write the token where the process of that name on this machine looks, or print it, this once."""
    file = settings(ctx).home / folders / check_name(name, "name") / "token"
    here = file.exists() and not settings(ctx).elsewhere()
    if here:
        _write(file, token)
    if json:
        output.show_json(
            {"name": name, "token": None if here else token, "file": str(file) if here else None}
        )
    elif here:
        output.say(f"{file} holds the new token, and {name} goes on with it; the old one has ended.")
    else:
        output.note(f"The new token of {name}, shown only now; the old one has ended.")
        output.say(token)


def _write(file: Path, token: str) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(token)
        opened.flush()
        os.fsync(opened.fileno())
    os.replace(draft, file)
