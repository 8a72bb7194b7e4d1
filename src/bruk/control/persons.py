"""Commands on people: disable and enable, a new login link, and their sessions and tokens.

People manage what is their own; a tenant's administrators its people; operators everybody. What is ended
is deleted in the same transaction, and whoever waits (event streams, long polls) is woken to find that
out. Look next at ``access`` for how the credentials come to be.
"""

from dataclasses import dataclass, replace

from bruk.control import authorise
from bruk.control.access import TOKEN_MS, hash_secret, issue, issue_link
from bruk.control.control import Control
from bruk.model.errors import Conflict, InvalidInput, NotFound
from bruk.model.tenant import Actor, Role, User
from bruk.store import people
from bruk.store.database import Connection
from bruk.store.people import Credential
from bruk.wire.answers import Credentials, HeldCredential


class LastOperator(Conflict):
    """Without this person nobody could run the platform."""

    code = "last_operator"


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose credentials are meant, and whether the caller means their own."""

    user: User
    own: bool


def disable(control: Control, actor: Actor, user_id: str) -> User:
    """Let a person in no more: their login links, sessions and tokens end at once.

    Raises:
        LastOperator: they are the last operator of the platform.
    """
    _seen(control, actor, user_id)
    with control.change(actor, "user.disable", user_id) as change:
        user = people.get_user(change.connection, user_id)
        _administer(actor, user, "disable people")
        if user.runs_the_platform and not _others_run_it(change.connection, user_id):
            raise LastOperator(
                "this is the last operator of the platform: add another one first ('bruk user add "
                "--role operator')",
                id=user_id,
            )
        user = replace(user, disabled=True)
        people.replace_user(change.connection, user)
        change.detail["credentials_ended"] = people.drop_credentials(change.connection, user_id)
    return user


def enable(control: Control, actor: Actor, user_id: str) -> User:
    """Let a person in again; they need a new login link."""
    _seen(control, actor, user_id)
    with control.change(actor, "user.enable", user_id) as change:
        user = people.get_user(change.connection, user_id)
        _administer(actor, user, "enable people")
        user = replace(user, disabled=False)
        people.replace_user(change.connection, user)
    return user


def new_link(control: Control, actor: Actor, user_id: str) -> tuple[User, str]:
    """A new login link for a person, shown this once; one that was not used yet ends.

    Raises:
        Conflict: the person is disabled.
    """
    whose = _seen(control, actor, user_id)
    with control.change(actor, "user.login_link", user_id) as change:
        if not whose.own:
            _administer(actor, whose.user, "make login links for others")
        user = people.get_user(change.connection, user_id)
        if user.disabled:
            raise Conflict(f"{user_id} is disabled: enable them first ('bruk user enable')", id=user_id)
        secret = issue_link(control, change.connection, user_id, "login-link")
    return user, secret


def credentials(control: Control, actor: Actor, user_id: str, secret: str = "") -> Credentials:
    """A person's login links, sessions and tokens that still let them in; never their secrets.

    Args:
        secret: with which the caller asks, so that the answer can mark it.
    """
    whose = _seen(control, actor, user_id)
    if not whose.own:
        with control.refusals(actor, "user.credentials", user_id):
            _oversee(actor, whose.user)
    now_ms, used_here = control.clock.now_ms(), hash_secret(secret)
    with control.read() as connection:
        found = people.credentials(connection, user_id)
    return Credentials(
        whose.user,
        tuple(
            HeldCredential(
                item.id,
                item.kind,
                item.source,
                item.created_at_ms,
                item.expires_at_ms,
                control.uses.last_of(item.id, item.last_used_at_ms),
                item.secret_hash == used_here,
            )
            for item in found
            if item.expires_at_ms > now_ms and not item.used
        ),
    )


def end(control: Control, actor: Actor, credential_id: str) -> None:
    """End one login link, session or token, at once.

    Raises:
        NotFound: there is none, or it is not the caller's to end.
    """
    missing = NotFound(f"there is no session or token {credential_id!r}", what="credential", id=credential_id)
    with control.read() as connection:
        found = people.credential_of(connection, credential_id)
    if found is None:
        raise missing
    try:
        whose = _seen(control, actor, found.user_id)
    except NotFound:
        raise missing from None
    with control.change(actor, "user.end_credential", found.user_id, credential=credential_id) as change:
        if not whose.own:
            _administer(actor, whose.user, "end others' sessions and tokens")
        people.drop_credential(change.connection, found.secret_hash)
        change.detail["kind"] = found.kind


def end_all(control: Control, actor: Actor, user_id: str, keep: str = "") -> int:
    """End all of a person's login links, sessions and tokens; how many.

    Args:
        keep: the secret of the one that stays: with which the caller asks.
    """
    whose = _seen(control, actor, user_id)
    with control.change(actor, "user.end_credentials", user_id) as change:
        if not whose.own:
            _administer(actor, whose.user, "end others' sessions and tokens")
        ended = people.drop_credentials(
            change.connection, user_id, but=hash_secret(keep) if keep and whose.own else None
        )
        change.detail["ended"] = ended
    return ended


def rotate(control: Control, actor: Actor, secret: str, overlap_ms: int) -> tuple[Credential, str]:
    """A new token in place of the one that the caller asks with, which works on for ``overlap_ms`` [ms].

    Raises:
        InvalidInput: what the caller asks with is no person's token.
    """
    digest = hash_secret(secret)
    with control.change(actor, "token.rotate", actor.id, overlap_ms=overlap_ms) as change:
        found = people.find_credential(change.connection, digest)
        if found is None or found.kind != "token" or found.user_id != actor.id:
            raise InvalidInput("only a person's own token is rotated so; 'bruk key rotate' does it for a key")
        made, renewed = issue(control, change.connection, "token", actor.id, TOKEN_MS, found.source)
        if overlap_ms:
            people.end_credential(change.connection, digest, change.now_ms + overlap_ms)
        else:
            people.drop_credential(change.connection, digest)
        change.detail.update(old=found.id, new=made.id)
    return made, renewed


def _seen(control: Control, actor: Actor, user_id: str) -> Whose:
    """The person, if the caller may know of them.

    Raises:
        NotFound: there is no such person, or the caller does not learn of them.
    """
    missing = NotFound(f"there is no user {user_id!r}", what="user", id=user_id)
    with control.read() as connection:
        try:
            user = people.get_user(connection, user_id)
        except NotFound:
            raise missing from None
    if actor.kind == "user" and actor.id == user_id:
        return Whose(user, own=True)
    # Nobody's tenant is that of the platform's own people, so that only its readers see them.
    if not authorise.may_read(actor, user.tenant or ""):
        raise missing
    return Whose(user, own=False)


def _administer(actor: Actor, user: User, what: str) -> None:
    """Operators, and for a tenant's people its administrators.

    Raises:
        Forbidden: the caller is neither.
    """
    if user.tenant is not None:
        authorise.administer(actor, user.tenant, what)
        return
    authorise.operate(actor, f"{what} of the platform")


def _oversee(actor: Actor, user: User) -> None:
    """Whoever administers a person, and auditors."""
    if actor.role is not Role.AUDITOR:
        _administer(actor, user, "see others' sessions and tokens")


def _others_run_it(connection: Connection, but: str) -> bool:
    return any(user.runs_the_platform for user in people.users(connection) if user.id != but)
