"""Tenants, their people, their projects and the projects' keys."""

from collections.abc import Iterator

from bruk.model.errors import InvalidInput
from bruk.model.tenant import ApiKey, Project, Tenant, User
from bruk.sdk.transport import Transport, segment
from bruk.wire import codec
from bruk.wire.answers import Budget
from bruk.wire.requests import (
    BudgetBody,
    KeyBody,
    KeyChange,
    ProjectBody,
    ProjectChange,
    TenantBody,
    TenantChange,
    UserBody,
)


def project_path(project: str) -> str:
    """``/projects/tenant/name`` of the id ``tenant/name``.

    Raises:
        InvalidInput: it is no such id.
    """
    tenant, slash, name = project.partition("/")
    if not slash or not tenant or not name or "/" in name:
        raise InvalidInput(f"{project!r} is no project; write it as tenant/name")
    return f"/projects/{segment(tenant)}/{segment(name)}"


class Tenants:
    """Routes below ``/tenants``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[Tenant]:
        """Every tenant that the caller may see."""
        return self._transport.items("/tenants", Tenant)

    def get(self, tenant: str) -> Tenant:
        """One tenant."""
        return self._transport.load(Tenant, self._transport.get(f"/tenants/{segment(tenant)}"))

    def add(self, body: TenantBody, *, idempotency_key: str | None = None) -> Tenant:
        """A new tenant."""
        answer = self._transport.send("POST", "/tenants", body, idempotency_key=idempotency_key)
        return self._transport.load(Tenant, answer)

    def change(self, tenant: str, body: TenantChange) -> Tenant:
        """Change what the body names."""
        answer = self._transport.send("PATCH", f"/tenants/{segment(tenant)}", body)
        return self._transport.load(Tenant, answer)

    def budget(self, tenant: str) -> Budget:
        """The budget and what is used of it."""
        return self._transport.load(Budget, self._transport.get(f"/tenants/{segment(tenant)}/budget"))

    def set_budget(self, tenant: str, budget_microeur: int | None) -> Tenant:
        """Set the most that may be spent [EUR * 1e-6]; None removes the limit."""
        body = codec.body(BudgetBody, budget_microeur=budget_microeur)
        answer = self._transport.send("PUT", f"/tenants/{segment(tenant)}/budget", body)
        return self._transport.load(Tenant, answer)


class Users:
    """Routes below ``/users`` and ``/tenants/{tenant}/users``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, tenant: str | None = None) -> Iterator[User]:
        """The people of a tenant; without one, everybody."""
        path = "/users" if tenant is None else f"/tenants/{segment(tenant)}/users"
        return self._transport.items(path, User)

    def add(self, body: UserBody, *, idempotency_key: str | None = None) -> tuple[User, str]:
        """A new person, and the token of their one-time login link, which is shown only now."""
        path = "/users" if body.tenant is None else f"/tenants/{segment(body.tenant)}/users"
        answer = self._transport.send("POST", path, body, idempotency_key=idempotency_key)
        user = self._transport.load(User, self._transport.part(answer, "user"))
        return user, str(self._transport.part(answer, "login_token"))


class Projects:
    """Routes below ``/projects``, and ``/keys``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[Project]:
        """Every project that the caller may see."""
        return self._transport.items("/projects", Project)

    def get(self, project: str) -> Project:
        """One project, by ``tenant/name``."""
        return self._transport.load(Project, self._transport.get(project_path(project)))

    def add(self, body: ProjectBody, *, idempotency_key: str | None = None) -> Project:
        """A new project."""
        answer = self._transport.send("POST", "/projects", body, idempotency_key=idempotency_key)
        return self._transport.load(Project, answer)

    def change(self, project: str, body: ProjectChange) -> Project:
        """Change what the body names."""
        return self._transport.load(Project, self._transport.send("PATCH", project_path(project), body))

    def keys(self, project: str) -> Iterator[ApiKey]:
        """The API keys of a project, without their secrets."""
        return self._transport.items(f"{project_path(project)}/keys", ApiKey)

    def add_key(
        self, project: str, body: KeyBody, *, idempotency_key: str | None = None
    ) -> tuple[ApiKey, str]:
        """A new API key, and its secret, which is shown only now."""
        path = f"{project_path(project)}/keys"
        answer = self._transport.send("POST", path, body, idempotency_key=idempotency_key)
        key = self._transport.load(ApiKey, self._transport.part(answer, "key"))
        return key, str(self._transport.part(answer, "secret"))

    def change_key(self, key: str, body: KeyChange) -> ApiKey:
        """Disable a key or move its end; effective at once."""
        return self._transport.load(ApiKey, self._transport.send("PATCH", f"/keys/{segment(key)}", body))

    def budget(self, project: str) -> Budget:
        """The budget and what is used of it."""
        return self._transport.load(Budget, self._transport.get(f"{project_path(project)}/budget"))

    def set_budget(self, project: str, budget_microeur: int | None) -> Project:
        """Set the most that may be spent [EUR * 1e-6]; None removes the limit."""
        body = codec.body(BudgetBody, budget_microeur=budget_microeur)
        answer = self._transport.send("PUT", f"{project_path(project)}/budget", body)
        return self._transport.load(Project, answer)
