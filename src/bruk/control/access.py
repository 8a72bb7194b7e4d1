"""Who is asking: login links, sessions, command-line tokens, API keys, agents' and gateways' tokens.

Secrets are shown once and stored as SHA-256 of at least 256 bits of chance, which needs no salt
or slow hash. A credential stops working the moment it is disabled, ended or expired. Look next at
``persons`` for what people and their administrators do with them, at ``uses`` for their last use.
"""

import hashlib
from dataclasses import replace

from bruk.control import authorise
from bruk.control.control import Control
from bruk.model.errors import Conflict, InvalidInput, Unauthenticated
from bruk.model.tenant import SYSTEM, Actor, ApiKey, Role, User
from bruk.store import people, places
from bruk.store.database import Connection
from bruk.store.people import Credential
from bruk.wire.requests import KeyBody, KeyChange, UserBody

LOGIN_LINK_MS = 24 * 3_600_000
# A session ends 12 hours after the login, and after 30 minutes in which its person asked for nothing; a
# page that keeps itself fresh does not count. Both figures: NIST SP 800-63B-3 (2017), section 4.2.3.
SESSION_MS = 12 * 3_600_000
SESSION_IDLE_MS = 30 * 60_000
TOKEN_MS = 365 * 24 * 3_600_000
KEY_PREFIX = "bk_"
# What credentials are made by, as people read it.
BY_LINK = "login link"
BY_UP = "bruk up"


def hash_secret(secret: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def add_user(control: Control, actor: Actor, body: UserBody) -> tuple[User, str]:
    """A new person and the secret of their one-time login link."""
    role = Role(body.role)
    if (role in (Role.TENANT_ADMIN, Role.MEMBER)) != (body.tenant is not None):
        raise InvalidInput(
            "tenant_admin and member belong to a tenant, operator and auditor to the platform", field="tenant"
        )
    if body.site is not None and role is not Role.OPERATOR:
        raise InvalidInput("only an operator may belong to one site", field="site")
    with control.change(actor, "user.add", body.tenant or "*") as change:
        if body.site is not None:
            places.get_site(change.connection, body.site)
        if body.tenant is None:
            authorise.operate(actor, "add people to the platform")
        else:
            authorise.administer(actor, body.tenant, "add people")
            people.get_tenant(change.connection, body.tenant)
        user = User(
            control.clock.new_id("user"), body.name, role, body.tenant, body.site, False, change.now_ms
        )
        people.add_user(change.connection, user)
        secret = issue_link(control, change.connection, user.id, "user add")
        change.target, change.detail = user.id, {"role": role.value, "tenant": body.tenant, "site": body.site}
    return user, secret


def first_operator(control: Control) -> tuple[User, str, str]:
    """The platform's first operator (made once), a fresh login secret and a command-line token.

    Those that an earlier start made end: there is one of each, however often a machine starts.
    """
    with control.change(SYSTEM, "user.first_operator", "") as change:
        connection = change.connection
        user = next((found for found in people.users(connection) if found.runs_the_platform), None)
        if user is None:
            user = User(
                control.clock.new_id("user"), "operator", Role.OPERATOR, None, None, False, change.now_ms
            )
            people.add_user(connection, user)
        people.drop_credentials(connection, user.id, kind="token", source=BY_UP)
        login = issue_link(control, connection, user.id, BY_UP)
        _, token = issue(control, connection, "token", user.id, TOKEN_MS, BY_UP)
        change.target = user.id
    return user, login, token


def issue(
    control: Control, connection: Connection, kind: str, user_id: str, life_ms: int, source: str
) -> tuple[Credential, str]:
    """A new credential of a person, and its secret."""
    secret = control.clock.secret()
    now_ms = control.clock.now_ms()
    made = Credential(
        hash_secret(secret), control.clock.new_id("cred"), kind, user_id, source, now_ms, now_ms + life_ms
    )
    people.add_credential(connection, made)
    return made, secret


def issue_link(control: Control, connection: Connection, user_id: str, source: str) -> str:
    """The secret of a new login link; an older one that was not used ends, so that one is about at most."""
    people.drop_credentials(connection, user_id, kind="login")
    return issue(control, connection, "login", user_id, LOGIN_LINK_MS, source)[1]


def log_in(control: Control, login_secret: str, kind: str = "session") -> tuple[User, str]:
    """Use a login link, once, for a session (or a command-line ``token``).

    Raises:
        Unauthenticated: the link is unknown, used or expired.
    """
    refusal = Unauthenticated(
        "this login link is not valid, was used already, or has expired; ask for a new one"
    )
    digest = hash_secret(login_secret)
    with control.read() as connection:
        found = people.find_credential(connection, digest)
    if found is None or found.kind != "login" or found.expires_at_ms <= control.clock.now_ms():
        raise refusal
    actor = Actor("user", found.user_id)
    with control.change(actor, "user.login", found.user_id) as change:
        if not people.use_credential(change.connection, digest):
            raise refusal
        user = people.get_user(change.connection, found.user_id)
        if user.disabled:
            raise refusal
        people.drop_ended_credentials(change.connection, change.now_ms)
        life_ms = TOKEN_MS if kind == "token" else SESSION_MS
        made, secret = issue(control, change.connection, kind, user.id, life_ms, BY_LINK)
        change.detail["credential"] = made.id
    return user, secret


def log_out(control: Control, secret: str) -> None:
    """End a session or a token; a secret that is neither is left as it is."""
    digest = hash_secret(secret)
    with control.read() as connection:
        found = people.find_credential(connection, digest)
    if found is not None and found.kind != "login":
        with control.change(Actor("user", found.user_id), "user.logout", found.user_id) as change:
            people.drop_credential(change.connection, digest)


def actor_of(control: Control, secret: str, *, active: bool = True) -> Actor:
    """Who bears this secret: a person's session or token, or a project's API key.

    Args:
        active: whether the person asked for something; what a page does by itself keeps no session alive.

    Raises:
        Unauthenticated: nobody, or it is disabled, ended, expired, or a session that lay idle.
    """
    digest = hash_secret(secret)
    now_ms = control.clock.now_ms()
    with control.read() as connection:
        if secret.startswith(KEY_PREFIX):
            key = people.find_key(connection, digest)
            ends_at_ms = key.ends_at_ms(digest) if key else None
            if key and not key.disabled and (ends_at_ms is None or ends_at_ms > now_ms):
                control.uses.key(key.id, now_ms)
                tenant = key.project.split("/", 1)[0]
                return Actor("key", key.id, Role.MEMBER, tenant, key.project)
        else:
            found = people.find_credential(connection, digest)
            if found and found.kind in ("session", "token") and not _ended(control, found, now_ms):
                user = people.get_user(connection, found.user_id)
                if not user.disabled:
                    if active:
                        control.uses.credential(found.id, now_ms)
                    return Actor("user", user.id, user.role, user.tenant, None, user.site)
    raise Unauthenticated(
        "the key or token is unknown, disabled or expired; log in again or ask for a new key"
    )


def _ended(control: Control, found: Credential, now_ms: int) -> bool:
    if found.expires_at_ms <= now_ms:
        return True
    if found.kind != "session":
        return False
    last_ms = control.uses.last_of(found.id, found.last_used_at_ms) or found.created_at_ms
    return now_ms - last_ms >= SESSION_IDLE_MS


def agent_of(control: Control, secret: str) -> Actor:
    """The agent that bears this token.

    Raises:
        Unauthenticated: no site's agent does.
    """
    digest = hash_secret(secret)
    with control.read() as connection:
        for row in places.agents(connection):
            if row.token_hash == digest:
                return Actor("agent", row.site, site=row.site)
    raise Unauthenticated("this token belongs to no site's agent")


def gateway_of(control: Control, secret: str) -> Actor:
    """The gateway that bears this token.

    Raises:
        Unauthenticated: no gateway does.
    """
    digest = hash_secret(secret)
    with control.read() as connection:
        for row in places.gateways(connection):
            if row.token_hash == digest:
                return Actor("gateway", row.name, site=row.site)
    raise Unauthenticated("this token belongs to no gateway")


def create_key(control: Control, actor: Actor, project: str, body: KeyBody) -> tuple[ApiKey, str]:
    """A new API key and its secret, which is shown this once."""
    with control.change(actor, "key.create", project) as change:
        authorise.administer(actor, project.split("/", 1)[0], "create keys")
        people.get_project(change.connection, project)
        secret = KEY_PREFIX + control.clock.secret()
        key = ApiKey(
            control.clock.new_id("key"),
            project,
            body.name,
            secret[:9],
            hash_secret(secret),
            change.now_ms,
            body.expires_at_ms,
        )
        people.add_key(change.connection, key)
        change.target, change.detail = key.id, {"project": project, "prefix": key.prefix}
    return key, secret


def change_key(control: Control, actor: Actor, key_id: str, body: KeyChange) -> ApiKey:
    """Disable a key, move its end, or limit it; gateways hear of it at once."""
    fields = body.model_dump(exclude_unset=True)
    with control.read() as connection:
        project = people.get_key(connection, key_id).project
    tenant = project.split("/", 1)[0]
    authorise.read(actor, tenant, project, "key", key_id)
    with control.change(actor, "key.change", key_id, **fields) as change:
        authorise.administer(actor, tenant, "change keys")
        key = people.get_key(change.connection, key_id)
        if "limits" in fields:
            fields["limits"] = replace(key.limits, **fields["limits"])
        key = replace(key, **fields)
        people.replace_key(change.connection, key)
    return key


def rotate_key(control: Control, actor: Actor, key_id: str, overlap_ms: int) -> tuple[ApiKey, str]:
    """A new secret for a key, shown this once; the one before works on for ``overlap_ms`` [ms].

    A secret that was rotated out before and still worked ends now. Gateways hear of it at once.

    Raises:
        Conflict: the key is disabled or has ended, so that a new secret would let nobody in.
    """
    with control.read() as connection:
        project = people.get_key(connection, key_id).project
    tenant = project.split("/", 1)[0]
    authorise.read(actor, tenant, project, "key", key_id)
    with control.change(actor, "key.rotate", key_id, overlap_ms=overlap_ms) as change:
        authorise.administer(actor, tenant, "rotate keys")
        key = people.get_key(change.connection, key_id)
        if key.disabled or (key.expires_at_ms is not None and key.expires_at_ms <= change.now_ms):
            raise Conflict(f"the key {key_id} is disabled or has ended: make a new one", id=key_id)
        secret = KEY_PREFIX + control.clock.secret()
        key = replace(
            key,
            prefix=secret[:9],
            secret_hash=hash_secret(secret),
            old_secret_hash=key.secret_hash if overlap_ms else None,
            old_until_ms=change.now_ms + overlap_ms if overlap_ms else None,
        )
        people.replace_key(change.connection, key)
        change.detail["prefix"] = key.prefix
    return key, secret


def keys(control: Control, actor: Actor, project: str) -> list[ApiKey]:
    """A project's keys, without their secrets."""
    authorise.read(actor, project.split("/", 1)[0], project, "project", project)
    with control.read() as connection:
        people.get_project(connection, project)
        found = people.keys(connection, project)
    return [
        replace(key, last_used_at_ms=control.uses.last_of_key(key.id, key.last_used_at_ms)) for key in found
    ]
