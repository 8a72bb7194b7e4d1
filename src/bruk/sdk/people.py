"""Tenants, their people, their projects and the projects' keys."""

from collections.abc import Iterator

from bruk.model.errors import InvalidInput
from bruk.model.tenant import Project, Tenant, User
from bruk.sdk.transport import Transport, segment
from bruk.wire import codec
from bruk.wire.access import EndBody, RotateBody, UserChange
from bruk.wire.answers import Budget, Credentials, ProjectKey
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

    def change(self, user: str, body: UserChange) -> User:
        """Disable a person, which ends their sessions and tokens at once, or let them in again."""
        return self._transport.load(User, self._transport.send("PATCH", f"/users/{segment(user)}", body))

    def new_link(self, user: str) -> tuple[User, str]:
        """The token of a new one-time login link, which is shown only now; an older link ends."""
        answer = self._transport.send("POST", f"/users/{segment(user)}/login-link")
        found = self._transport.load(User, self._transport.part(answer, "user"))
        return found, str(self._transport.part(answer, "login_token"))

    def credentials(self, user: str) -> Credentials:
        """A person's login links, sessions and tokens, without their secrets."""
        path = f"/users/{segment(user)}/credentials"
        return self._transport.load(Credentials, self._transport.get(path))

    def end(self, credential: str) -> None:
        """End one login link, session or token, at once."""
        self._transport.send("DELETE", f"/credentials/{segment(credential)}")

    def end_all(self, user: str, *, keep_this: bool = False) -> int:
        """End all of a person's; ``keep_this`` leaves the token that is used here. How many ended."""
        body = EndBody(keep_this=keep_this)
        answer = self._transport.send("POST", f"/users/{segment(user)}/credentials/end", body)
        return self._transport.load(int, self._transport.part(answer, "ended"))

    def rotate_token(self, overlap_ms: int = 0) -> tuple[str, int]:
        """A new token in place of the one that is used here, and when it ends [ms]."""
        body = codec.body(RotateBody, overlap_ms=overlap_ms)
        answer = self._transport.send("POST", "/token/rotate", body)
        expires_at_ms = self._transport.load(int, self._transport.part(answer, "expires_at_ms"))
        return str(self._transport.part(answer, "token")), expires_at_ms


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

    def keys(self, project: str) -> Iterator[ProjectKey]:
        """The API keys of a project, without their secrets."""
        return self._transport.items(f"{project_path(project)}/keys", ProjectKey)

    def add_key(
        self, project: str, body: KeyBody, *, idempotency_key: str | None = None
    ) -> tuple[ProjectKey, str]:
        """A new API key, and its secret, which is shown only now."""
        path = f"{project_path(project)}/keys"
        answer = self._transport.send("POST", path, body, idempotency_key=idempotency_key)
        key = self._transport.load(ProjectKey, self._transport.part(answer, "key"))
        return key, str(self._transport.part(answer, "secret"))

    def change_key(self, key: str, body: KeyChange) -> ProjectKey:
        """Disable a key or move its end; effective at once."""
        return self._transport.load(ProjectKey, self._transport.send("PATCH", f"/keys/{segment(key)}", body))

    def rotate_key(
        self, key: str, overlap_ms: int = 0, *, idempotency_key: str | None = None
    ) -> tuple[ProjectKey, str]:
        """A new secret for a key, which is shown only now; the old one works on for the overlap [ms]."""
        body = codec.body(RotateBody, overlap_ms=overlap_ms)
        answer = self._transport.send(
            "POST", f"/keys/{segment(key)}/rotate", body, idempotency_key=idempotency_key
        )
        found = self._transport.load(ProjectKey, self._transport.part(answer, "key"))
        return found, str(self._transport.part(answer, "secret"))

    def budget(self, project: str) -> Budget:
        """The budget and what is used of it."""
        return self._transport.load(Budget, self._transport.get(f"{project_path(project)}/budget"))

    def set_budget(self, project: str, budget_microeur: int | None) -> Project:
        """Set the most that may be spent [EUR * 1e-6]; None removes the limit."""
        body = codec.body(BudgetBody, budget_microeur=budget_microeur)
        answer = self._transport.send("PUT", f"{project_path(project)}/budget", body)
        return self._transport.load(Project, answer)
