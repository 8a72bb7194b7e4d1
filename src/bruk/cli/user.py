"""People: who may come in. Their sessions and tokens are in ``token``."""

import re
from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import show_time
from bruk.cli.settings import client
from bruk.model.tenant import Role, User

PANEL = "Tenants and keys"
PersonArgument = Annotated[str, typer.Argument(help="Identifier of the person; 'bruk user ls' lists them.")]

user_app = typer.Typer(no_args_is_help=True, help="People.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(user_app, name="user", rich_help_panel=PANEL)


@user_app.command("add")
def user_add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the person.")],
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="The person's tenant; none for operators and auditors.")
    ] = None,
    role: Annotated[Role, typer.Option("--role", help="What the person may do.")] = Role.MEMBER,
    site: Annotated[
        str | None, typer.Option("--site", help="For an operator of one site: that site. None: of all.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Add a person; prints the one-time login, shown only now."""
    from bruk.cli.request import built
    from bruk.wire.requests import UserBody

    body = built(UserBody, name=name, role=role.value, tenant=tenant, site=site)
    with client(ctx) as control:
        user, login = control.users.add(body)
        address = control.transport.url
    if json:
        output.show_json({"user": user, "login_token": login})
        return
    of = tenant or site
    role_of = f"{user.role.value.replace('_', ' ')}{f' of {of}' if of else ''}"
    output.say(f"{user.name} ({user.id}) added as {role_of}.")
    _say_link(address, login, user)


@user_app.command("ls")
def user_ls(
    ctx: typer.Context,
    tenant: Annotated[
        str | None,
        typer.Option("--tenant", help="Only this tenant's people; all that you may see if left out."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List people: for operators and auditors everybody, for others those of their tenant."""
    with client(ctx) as control:
        if tenant:
            control.tenants.get(tenant)  # One that is not there must not look as if it had nobody.
        people = list(control.users.list(tenant or control.me().tenant))
    if json:
        output.show_json(people)
        return
    output.table(
        ["Person", "~Name", "Role", "Tenant", "Site", "Disabled", "Since"],
        (
            [
                person.id,
                person.name,
                person.role.value.replace("_", " "),
                person.tenant,
                person.site,
                person.disabled,
                show_time(person.created_at_ms),
            ]
            for person in people
        ),
        none="No people yet. 'bruk user add NAME --tenant TENANT' adds one.",
    )


@user_app.command("disable")
def user_disable(ctx: typer.Context, person: PersonArgument, json: JsonOption = False) -> None:
    """Let a person in no more: their login links, sessions and tokens end at once."""
    from bruk.wire.access import UserChange

    with client(ctx) as control:
        changed = control.users.change(person, UserChange(disabled=True))
    output.answer(
        changed, f"{changed.name} ({changed.id}) is disabled; their sessions and tokens have ended.", json
    )


@user_app.command("enable")
def user_enable(ctx: typer.Context, person: PersonArgument, json: JsonOption = False) -> None:
    """Let a disabled person in again, with a new login link."""
    from bruk.wire.access import UserChange

    with client(ctx) as control:
        changed = control.users.change(person, UserChange(disabled=False))
    output.answer(
        changed, f"{changed.name} may come in again. Next: 'bruk user login-link {changed.id}'.", json
    )


@user_app.command("login-link")
def user_login_link(ctx: typer.Context, person: PersonArgument, json: JsonOption = False) -> None:
    """Make a new one-time login for a person; an older one that was not used ends."""
    with client(ctx) as control:
        user, login = control.users.new_link(person)
        address = control.transport.url
    if json:
        output.show_json({"user": user, "login_token": login})
        return
    output.say(f"For {user.name}:")
    _say_link(address, login, user)


def _say_link(address: str, login: str, user: User) -> None:
    link = f"{address}/login?token={login}"
    output.say("Their one-time login, shown only now, works once: in a browser for the console")
    output.say(f"  {link}")
    output.say("or, instead, at a terminal, in a home of its own that leaves your login as it is:")
    output.say(f"  bruk --home {_home_of(user)} login '{link}'")


def _home_of(user: User) -> str:
    """A folder for a person's login that is nobody else's, as a shell takes it without quotes."""
    words = re.findall("[a-z0-9]+", user.name.lower())
    return "~/.bruk-" + ("-".join(words)[:40].rstrip("-") or user.id)
