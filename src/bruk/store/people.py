"""Queries of tenants, projects, people, their credentials and API keys."""

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from bruk.model.tenant import ApiKey, Project, Tenant, User
from bruk.store import rows
from bruk.store.tables import account, api_key, credential, project, tenant, user_account


@dataclass(frozen=True, slots=True)
class Credential:
    """A login link, a browser session or a command-line token, by the hash of its secret."""

    secret_hash: str
    kind: str
    user_id: str
    created_at_ms: int
    expires_at_ms: int
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
    return rows.to_value(Tenant, rows.one(connection, tenant, "tenant", name=name))


def tenants(connection: Connection) -> list[Tenant]:
    """Every tenant, by name."""
    return [
        rows.to_value(Tenant, row) for row in rows.all_of(connection, select(tenant).order_by(tenant.c.name))
    ]


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
    return rows.to_value(Project, rows.one(connection, project, "project", id=project_id))


def projects(connection: Connection, of_tenant: str | None = None) -> list[Project]:
    """Every project, by id."""
    statement = select(project).order_by(project.c.id)
    if of_tenant is not None:
        statement = statement.where(project.c.tenant == of_tenant)
    return [rows.to_value(Project, row) for row in rows.all_of(connection, statement)]


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


def add_credential(connection: Connection, value: Credential) -> None:
    """A new login link, session or token."""
    rows.add(connection, credential, value)


def find_credential(connection: Connection, secret_hash: str) -> Credential | None:
    """The credential of this hash, whether or not it is still good."""
    row = connection.execute(select(credential).where(credential.c.secret_hash == secret_hash)).first()
    return rows.to_value(Credential, row) if row else None


def use_credential(connection: Connection, secret_hash: str) -> bool:
    """Mark it used; False if somebody was faster."""
    statement = (
        update(credential)
        .where(credential.c.secret_hash == secret_hash, credential.c.used.is_(False))
        .values(used=True)
    )
    return connection.execute(statement).rowcount == 1


def drop_credential(connection: Connection, secret_hash: str) -> None:
    """End a session."""
    connection.execute(credential.delete().where(credential.c.secret_hash == secret_hash))


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
    """The key whose secret has this hash, whether or not it is still good."""
    row = connection.execute(select(api_key).where(api_key.c.secret_hash == secret_hash)).first()
    return rows.to_value(ApiKey, row) if row else None


def keys(connection: Connection, of_project: str | None = None) -> list[ApiKey]:
    """Every key, oldest first."""
    statement = select(api_key).order_by(api_key.c.created_at_ms, api_key.c.id)
    if of_project is not None:
        statement = statement.where(api_key.c.project == of_project)
    return [rows.to_value(ApiKey, row) for row in rows.all_of(connection, statement)]
