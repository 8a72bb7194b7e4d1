"""Queries of tenants, projects, people, their credentials and API keys."""

from dataclasses import dataclass

from sqlalchemy import Connection, Table, delete, select, update

from bruk.model.tenant import ApiKey, Project, Tenant, User
from bruk.store import rows
from bruk.store.tables import account, api_key, credential, project, tenant, user_account


@dataclass(frozen=True, slots=True)
class Credential:
    """A login link, a browser session or a command-line token, by the hash of its secret.

    Attributes:
        id: by which people speak of it; it opens nothing.
        source: what it was made by, in words.
        last_used_at_ms: to within a minute or so; see ``control.uses`` [ms].
    """

    secret_hash: str
    id: str
    kind: str
    user_id: str
    source: str
    created_at_ms: int
    expires_at_ms: int
    last_used_at_ms: int | None = None
    used: bool = False


def add_tenant(connection: Connection, value: Tenant) -> None:
    """A new tenant."""
    rows.add(connection, tenant, value)


def replace_tenant(connection: Connection, value: Tenant) -> None:
    """Write a tenant anew."""
    rows.replace(connection, tenant, value)


def get_tenant(connection: Connection, name: str) -> Tenant:
    """The tenant.

    Raises:
        NotFound: there is none of that name.
    """
    return rows.noun(connection, Tenant, tenant, "tenant", name=name)


def tenants(connection: Connection) -> list[Tenant]:
    """Every tenant, by name."""
    return rows.nouns(connection, Tenant, tenant, "name")


def add_project(connection: Connection, value: Project) -> None:
    """A new project with an empty account."""
    rows.add(connection, project, value, id=value.id)
    connection.execute(
        account.insert().values(
            project=value.id,
            spent_microeur=0,
            device_ms=0,
            decayed_device_ms=0,
            decayed_at_ms=value.created_at_ms,
        )
    )


def replace_project(connection: Connection, value: Project) -> None:
    """Write a project anew."""
    rows.replace(connection, project, value, id=value.id)


def get_project(connection: Connection, project_id: str) -> Project:
    """The project ``tenant/name``.

    Raises:
        NotFound: there is none.
    """
    return rows.noun(connection, Project, project, "project", id=project_id)


def projects(connection: Connection, of_tenant: str | None = None) -> list[Project]:
    """Every project, by id."""
    key = {} if of_tenant is None else {"tenant": of_tenant}
    return rows.nouns(connection, Project, project, "id", **key)


def add_user(connection: Connection, value: User) -> None:
    """A new person."""
    rows.add(connection, user_account, value)


def get_user(connection: Connection, user_id: str) -> User:
    """The person.

    Raises:
        NotFound: there is none.
    """
    return rows.to_value(User, rows.one(connection, user_account, "user", id=user_id))


def users(connection: Connection, of_tenant: str | None = None) -> list[User]:
    """Everybody, or everybody of a tenant."""
    statement = select(user_account).order_by(user_account.c.id)
    if of_tenant is not None:
        statement = statement.where(user_account.c.tenant == of_tenant)
    return [rows.to_value(User, row) for row in rows.all_of(connection, statement)]


def replace_user(connection: Connection, value: User) -> None:
    """Write a person anew."""
    rows.replace(connection, user_account, value)


def add_credential(connection: Connection, value: Credential) -> None:
    """A new login link, session or token."""
    rows.add(connection, credential, value)


def find_credential(connection: Connection, secret_hash: str) -> Credential | None:
    """The credential of this hash, whether or not it is still good."""
    row = rows.first(connection, select(credential).where(credential.c.secret_hash == secret_hash))
    return rows.to_value(Credential, row) if row else None


def credential_of(connection: Connection, identifier: str) -> Credential | None:
    """The credential by which people speak of it."""
    row = rows.first(connection, select(credential).where(credential.c.id == identifier))
    return rows.to_value(Credential, row) if row else None


def use_credential(connection: Connection, secret_hash: str) -> bool:
    """Mark it used; False if somebody was faster."""
    statement = (
        update(credential)
        .where(credential.c.secret_hash == secret_hash, credential.c.used.is_(False))
        .values(used=True)
    )
    return connection.execute(statement).rowcount == 1


def credentials(connection: Connection, of_user: str) -> list[Credential]:
    """A person's login links, sessions and tokens, oldest first, whether or not they are still good."""
    statement = (
        select(credential)
        .where(credential.c.user_id == of_user)
        .order_by(credential.c.created_at_ms, credential.c.id)
    )
    return [rows.to_value(Credential, row) for row in rows.all_of(connection, statement)]


def end_credential(connection: Connection, secret_hash: str, at_ms: int) -> None:
    """Let a credential end at a moment that lies within its life [ms]."""
    connection.execute(
        update(credential)
        .where(credential.c.secret_hash == secret_hash, credential.c.expires_at_ms > at_ms)
        .values(expires_at_ms=at_ms)
    )


def drop_credential(connection: Connection, secret_hash: str) -> None:
    """End a credential now."""
    connection.execute(delete(credential).where(credential.c.secret_hash == secret_hash))


def drop_credentials(
    connection: Connection,
    of_user: str,
    *,
    kind: str | None = None,
    source: str | None = None,
    but: str | None = None,
) -> int:
    """End a person's credentials, of one kind, of one source, all but one (a hash); how many."""
    statement = delete(credential).where(credential.c.user_id == of_user)
    for column, wanted in ((credential.c.kind, kind), (credential.c.source, source)):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if but is not None:
        statement = statement.where(credential.c.secret_hash != but)
    return connection.execute(statement).rowcount


def drop_ended_credentials(connection: Connection, now_ms: int) -> None:
    """Forget credentials that let nobody in any more: expired ones and used links."""
    connection.execute(
        delete(credential).where((credential.c.expires_at_ms <= now_ms) | credential.c.used.is_(True))
    )


def credential_used(connection: Connection, identifier: str, at_ms: int) -> None:
    """Note when a credential was used last; an earlier time changes nothing [ms]."""
    _used(connection, credential, identifier, at_ms)


def key_used(connection: Connection, identifier: str, at_ms: int) -> None:
    """Note when an API key was used last; an earlier time changes nothing [ms]."""
    _used(connection, api_key, identifier, at_ms)


def _used(connection: Connection, table: Table, identifier: str, at_ms: int) -> None:
    earlier = table.c.last_used_at_ms.is_(None) | (table.c.last_used_at_ms < at_ms)
    connection.execute(update(table).where(table.c.id == identifier, earlier).values(last_used_at_ms=at_ms))


def add_key(connection: Connection, value: ApiKey) -> None:
    """A new API key."""
    rows.add(connection, api_key, value)


def replace_key(connection: Connection, value: ApiKey) -> None:
    """Write a key anew."""
    rows.replace(connection, api_key, value)


def get_key(connection: Connection, key_id: str) -> ApiKey:
    """The key of this id.

    Raises:
        NotFound: there is none.
    """
    return rows.to_value(ApiKey, rows.one(connection, api_key, "key", id=key_id))


def find_key(connection: Connection, secret_hash: str) -> ApiKey | None:
    """The key whose secret, new or before its rotation, has this hash, whether or not it is still good."""
    either = (api_key.c.secret_hash == secret_hash) | (api_key.c.old_secret_hash == secret_hash)
    row = rows.first(connection, select(api_key).where(either))
    return rows.to_value(ApiKey, row) if row else None


def keys(connection: Connection, of_project: str | None = None) -> list[ApiKey]:
    """Every key, oldest first."""
    statement = select(api_key).order_by(api_key.c.created_at_ms, api_key.c.id)
    if of_project is not None:
        statement = statement.where(api_key.c.project == of_project)
    return [rows.to_value(ApiKey, row) for row in rows.all_of(connection, statement)]
