"""What lets people in: their login links, sessions and tokens; listed, ended, rotated. Never the secrets."""

from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import duration_ms, show_moment, show_time
from bruk.cli.settings import client, settings
from bruk.model.errors import InvalidInput

PANEL = "Tenants and keys"
UserOption = Annotated[
    str | None, typer.Option("--user", help="Identifier of the person; you, if left out.", show_default=False)
]
OverlapOption = Annotated[
    str, typer.Option("--overlap", help="How long the old secret works on, like 1h; at most 30 days.")
]

token_app = typer.Typer(no_args_is_help=True, help="What lets people in: sessions and tokens.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(token_app, name="token", rich_help_panel=PANEL)


def overlap_of(text: str) -> int:
    """An overlap [ms]; ``0`` is none."""
    return 0 if text == "0" else duration_ms(text)


@token_app.command("ls")
def token_ls(ctx: typer.Context, user: UserOption = None, json: JsonOption = False) -> None:
    """List a person's login links, sessions and tokens that still let them in."""
    with client(ctx) as control:
        found = control.users.credentials(user or control.me().id)
    if json:
        output.show_json(found)
        return
    output.table(
        ["Id", "Kind", "~Made by", "Made", "Last used", "Ends", "This one"],
        (
            [
                item.id,
                item.kind,
                item.source,
                show_time(item.created_at_ms),
                show_time(item.last_used_at_ms),
                show_time(item.expires_at_ms),
                item.used_here,
            ]
            for item in found.held
        ),
        none=f"Nothing lets {found.user.name} in. 'bruk user login-link {found.user.id}' makes a link.",
    )


@token_app.command("end")
def token_end(
    ctx: typer.Context,
    credential: Annotated[
        str | None, typer.Argument(help="Identifier of a login link, session or token.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="End all of the person's.")] = False,
    user: UserOption = None,
    json: JsonOption = False,
) -> None:
    """End one session or token, or with --all every one of a person, at once.

    Of your own, --all leaves the token that you use here; 'bruk token end ID' ends that too.
    """
    if everything == (credential is not None):
        raise InvalidInput("Which one? Give its identifier ('bruk token ls' lists them), or --all.")
    with client(ctx) as control:
        if credential is not None:
            control.users.end(credential)
            ended = 1
        else:
            ended = control.users.end_all(user or control.me().id, keep_this=True)
    if json:
        output.show_json({"ended": ended})
    elif credential is not None:
        output.say(f"{credential} has ended.")
    else:
        output.say(f"{ended} ended.")


@token_app.command("rotate")
def token_rotate(ctx: typer.Context, overlap: OverlapOption = "0", json: JsonOption = False) -> None:
    """Exchange your token for a new one; the old one ends at once, or after the overlap.

    The token of HOME/cli.json is replaced there; one given with --token or BRUK_TOKEN is printed.
    """
    chosen = settings(ctx)
    with client(ctx) as control:
        renewed, expires_at_ms = control.users.rotate_token(overlap_of(overlap))
    if json:
        output.show_json({"token": renewed, "expires_at_ms": expires_at_ms})
    if chosen.token:
        if not json:
            output.note(f"The new token, shown only now, ends {show_moment(expires_at_ms)}.")
            output.say(renewed)
        return
    chosen.remember(token=renewed)
    if not json:
        output.say(f"{chosen.cli_file} holds the new token; it ends {show_moment(expires_at_ms)}.")
