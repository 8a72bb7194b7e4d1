"""API keys of a project: made, listed, rotated, ended."""

from collections.abc import Callable
from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import duration_ms, moment_ms, show_moment, show_time
from bruk.cli.settings import ProjectOption, client, needed_project
from bruk.cli.token import OverlapOption, overlap_of
from bruk.model.errors import InvalidInput

PANEL = "Tenants and keys"
KeyArgument = Annotated[str, typer.Argument(help="Identifier of the key.")]

key_app = typer.Typer(no_args_is_help=True, help="API keys of a project.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(key_app, name="key", rich_help_panel=PANEL)


@key_app.command("create")
def key_create(
    ctx: typer.Context,
    project: ProjectOption = None,
    name: Annotated[str, typer.Option("--name", help="Name for people.")] = "",
    expires: Annotated[
        str | None, typer.Option("--expires", help="After a span like 30d, or at a moment like 2027-01-31.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Create an API key; its secret is shown only now."""
    from bruk.cli.request import built
    from bruk.wire.requests import KeyBody

    with client(ctx) as control:
        until_ms = None if expires is None else _end_ms(expires, control.now_ms)
        body = built(KeyBody, name=name, expires_at_ms=until_ms)
        key, secret = control.projects.add_key(needed_project(project), body)
    if json:
        output.show_json({"key": key, "secret": secret})
        return
    output.note(f"Key {key.id} of {key.project}; the secret is shown only now.")
    output.say(secret)


@key_app.command("ls")
def key_ls(ctx: typer.Context, project: ProjectOption = None, json: JsonOption = False) -> None:
    """List a project's keys, or those of all projects."""
    with client(ctx) as control:
        names = [project] if project else [item.id for item in control.projects.list()]
        keys = [key for name in names for key in control.projects.keys(name)]
    if json:
        output.show_json(keys)
        return
    output.table(
        ["Key", "~Project", "~Name", "Begins with", "Created", "Last used", "Ends", "Disabled"],
        (
            [
                key.id,
                key.project,
                key.name,
                key.prefix,
                show_time(key.created_at_ms),
                show_time(key.last_used_at_ms),
                "never" if key.expires_at_ms is None else show_time(key.expires_at_ms),
                key.disabled,
            ]
            for key in keys
        ),
    )


@key_app.command("expire")
def key_expire(
    ctx: typer.Context,
    key: KeyArgument,
    when: Annotated[
        str, typer.Option("--in", help="After a span like 7d, at a moment like 2027-01-31, or 'now'.")
    ] = "now",
    json: JsonOption = False,
) -> None:
    """Set the end of a key."""
    from bruk.cli.request import built
    from bruk.wire.requests import KeyChange

    with client(ctx) as control:
        body = built(KeyChange, expires_at_ms=_end_ms(when, control.now_ms))
        changed = control.projects.change_key(key, body)
    output.answer(changed, f"Key {key} ends {show_moment(changed.expires_at_ms)}.", json)


@key_app.command("rotate")
def key_rotate(
    ctx: typer.Context, key: KeyArgument, overlap: OverlapOption = "0", json: JsonOption = False
) -> None:
    """Give a key a new secret, shown only now; the old one ends at once, or after the overlap."""
    with client(ctx) as control:
        changed, secret = control.projects.rotate_key(key, overlap_of(overlap))
    if json:
        output.show_json({"key": changed, "secret": secret})
        return
    until = f"{show_moment(changed.old_until_ms)}" if changed.old_until_ms else "now"
    output.note(f"Key {key} has a new secret, shown only now; the old one ends {until}.")
    output.say(secret)


@key_app.command("disable")
def key_disable(
    ctx: typer.Context,
    key: KeyArgument,
    json: JsonOption = False,
) -> None:
    """Disable a key: effective at once, at every gateway."""
    from bruk.wire.requests import KeyChange

    with client(ctx) as control:
        changed = control.projects.change_key(key, KeyChange(disabled=True))
    output.answer(changed, f"Key {key} is disabled.", json)


def _end_ms(text: str, now_ms: Callable[[], int]) -> int:
    """The moment of ``now``, of a span from control's now on, or of a date."""
    if text == "now":
        return now_ms()
    try:
        span_ms = duration_ms(text)
    except InvalidInput:
        return moment_ms(text)
    return now_ms() + span_ms
