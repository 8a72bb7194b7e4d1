"""Routes of logins, tenants, people, projects, keys, budgets and prices."""

from typing import Any

from fastapi import APIRouter

from bruk.api.door import Caller, ControlOf, OnceOf, Secret
from bruk.api.page import Page, WindowOf, page_of
from bruk.control import access, authorise, prices, tenancy
from bruk.control.spending import spending
from bruk.model.ledger import Price
from bruk.model.tenant import Actor, ApiKey, Project, Tenant, User
from bruk.store import people
from bruk.wire import codec
from bruk.wire.requests import (
    BudgetBody,
    KeyBody,
    KeyChange,
    LoginBody,
    PriceBody,
    ProjectBody,
    ProjectChange,
    TenantBody,
    TenantChange,
    UserBody,
)

router = APIRouter(tags=["people"])


@router.post("/login")
def login(control: ControlOf, body: LoginBody) -> dict[str, Any]:
    """Use a one-time login token for a command-line token. Open: the token is the credential."""
    user, secret = access.log_in(control, body.token, "token")
    return {"user": codec.dump(user), "token": secret}


@router.post("/logout", status_code=204)
def logout(control: ControlOf, caller: Caller, secret: Secret) -> None:
    """End the session or token that is used here."""
    access.log_out(control, secret)


@router.get("/me")
def me(caller: Caller) -> Actor:
    """Who the caller is."""
    return caller


@router.get("/tenants")
def list_tenants(control: ControlOf, caller: Caller, window: WindowOf) -> Page[Tenant]:
    """The tenants that the caller may see."""
    with control.read() as connection:
        found = [item for item in people.tenants(connection) if authorise.may_read(caller, item.name)]
    return page_of(found, window, lambda item: item.name)


@router.post("/tenants", status_code=201)
def add_tenant(control: ControlOf, caller: Caller, body: TenantBody, once: OnceOf) -> Any:
    """Add a tenant."""
    return once(body, lambda: codec.dump(tenancy.add_tenant(control, caller, body)))


@router.get("/tenants/{tenant}")
def get_tenant(control: ControlOf, caller: Caller, tenant: str) -> Tenant:
    """One tenant."""
    authorise.read(caller, tenant, None, "tenant", tenant)
    with control.read() as connection:
        return people.get_tenant(connection, tenant)


@router.patch("/tenants/{tenant}")
def change_tenant(control: ControlOf, caller: Caller, tenant: str, body: TenantChange) -> Tenant:
    """Change a tenant's name, law, share or grant."""
    return tenancy.change_tenant(control, caller, tenant, body)


@router.get("/tenants/{tenant}/users")
def list_users(control: ControlOf, caller: Caller, tenant: str, window: WindowOf) -> Page[User]:
    """A tenant's people."""
    authorise.read(caller, tenant, None, "tenant", tenant)
    with control.read() as connection:
        return page_of(people.users(connection, tenant), window, lambda item: item.id)


@router.post("/tenants/{tenant}/users", status_code=201)
def add_user(control: ControlOf, caller: Caller, tenant: str, body: UserBody, once: OnceOf) -> Any:
    """Add a person to a tenant; the answer carries a one-time login token."""
    return _add_user(control, caller, body.model_copy(update={"tenant": tenant}), once)


@router.get("/users")
def list_everybody(control: ControlOf, caller: Caller, window: WindowOf) -> Page[User]:
    """Everybody; for operators and auditors."""
    authorise.audit(caller, "list everybody")
    with control.read() as connection:
        return page_of(people.users(connection), window, lambda item: item.id)


@router.post("/users", status_code=201)
def add_platform_user(control: ControlOf, caller: Caller, body: UserBody, once: OnceOf) -> Any:
    """Add an operator or an auditor (or a tenant's person); carries a one-time login token."""
    return _add_user(control, caller, body, once)


def _add_user(control: ControlOf, caller: Actor, body: UserBody, once: OnceOf) -> Any:
    def make() -> dict[str, Any]:
        user, secret = access.add_user(control, caller, body)
        return {"user": codec.dump(user), "login_token": secret}

    return once(body, make)


@router.get("/projects")
def list_projects(
    control: ControlOf, caller: Caller, window: WindowOf, tenant: str | None = None
) -> Page[Project]:
    """The projects that the caller may see."""
    with control.read() as connection:
        found = people.projects(connection, tenant)
    seen = [item for item in found if authorise.may_read(caller, item.tenant, item.id)]
    return page_of(seen, window, lambda item: item.id)


@router.post("/projects", status_code=201)
def add_project(control: ControlOf, caller: Caller, body: ProjectBody, once: OnceOf) -> Any:
    """Add a project to a tenant."""
    return once(body, lambda: codec.dump(tenancy.add_project(control, caller, body)))


@router.get("/projects/{tenant}/{project}")
def get_project(control: ControlOf, caller: Caller, tenant: str, project: str) -> Project:
    """One project."""
    project_id = f"{tenant}/{project}"
    authorise.read(caller, tenant, project_id, "project", project_id)
    with control.read() as connection:
        return people.get_project(connection, project_id)


@router.patch("/projects/{tenant}/{project}")
def change_project(
    control: ControlOf, caller: Caller, tenant: str, project: str, body: ProjectChange
) -> Project:
    """Change a project's name, narrower law or quota."""
    return tenancy.change_project(control, caller, f"{tenant}/{project}", body)


@router.get("/projects/{tenant}/{project}/keys")
def list_keys(
    control: ControlOf, caller: Caller, tenant: str, project: str, window: WindowOf
) -> Page[ApiKey]:
    """A project's keys, without their secrets."""
    found = access.keys(control, caller, f"{tenant}/{project}")
    return page_of(found, window, lambda item: item.id)


@router.post("/projects/{tenant}/{project}/keys", status_code=201)
def create_key(
    control: ControlOf, caller: Caller, tenant: str, project: str, body: KeyBody, once: OnceOf
) -> Any:
    """Create an API key. Its secret is in this answer and nowhere else."""

    def make() -> dict[str, Any]:
        key, secret = access.create_key(control, caller, f"{tenant}/{project}", body)
        return {"key": codec.dump(key), "secret": secret}

    return once(body, make)


@router.patch("/keys/{key}")
def change_key(control: ControlOf, caller: Caller, key: str, body: KeyChange) -> ApiKey:
    """Disable a key or move its end; effective at once."""
    return access.change_key(control, caller, key, body)


@router.get("/projects/{tenant}/{project}/budget")
def project_budget(control: ControlOf, caller: Caller, tenant: str, project: str) -> dict[str, Any]:
    """A project's budget, what is spent, set aside and left [EUR * 1e-6]."""
    project_id = f"{tenant}/{project}"
    authorise.read(caller, tenant, project_id, "project", project_id)
    with control.read() as connection:
        owner = people.get_project(connection, project_id)
        found = spending(connection, control.clock.now_ms())[project_id]
    return {"budget_microeur": owner.budget_microeur, **codec.dump(found)}


@router.put("/projects/{tenant}/{project}/budget")
def set_project_budget(
    control: ControlOf, caller: Caller, tenant: str, project: str, body: BudgetBody
) -> Project:
    """Set what a project may spend of its tenant's budget."""
    return tenancy.set_project_budget(control, caller, f"{tenant}/{project}", body)


@router.get("/tenants/{tenant}/budget")
def tenant_budget(control: ControlOf, caller: Caller, tenant: str) -> dict[str, Any]:
    """A tenant's budget and its projects' spending [EUR * 1e-6]."""
    authorise.read(caller, tenant, None, "tenant", tenant)
    with control.read() as connection:
        owner = people.get_tenant(connection, tenant)
        found = spending(connection, control.clock.now_ms())
        own = [found[item.id] for item in people.projects(connection, tenant)]
    return {
        "budget_microeur": owner.budget_microeur,
        "spent_microeur": sum(item.spent_microeur for item in own),
        "committed_microeur": sum(item.committed_microeur for item in own),
        "projects": codec.dump(own),
    }


@router.put("/tenants/{tenant}/budget")
def set_tenant_budget(control: ControlOf, caller: Caller, tenant: str, body: BudgetBody) -> Tenant:
    """Set the most that a tenant may spend."""
    return tenancy.set_tenant_budget(control, caller, tenant, body)


@router.get("/prices")
def list_prices(control: ControlOf, caller: Caller, window: WindowOf) -> Page[Price]:
    """Every version of every price."""
    return page_of(prices.prices(control), window, lambda item: f"{item.resource}/{item.item}/{item.version}")


@router.post("/prices", status_code=201)
def set_price(control: ControlOf, caller: Caller, body: PriceBody, once: OnceOf) -> Any:
    """A new version of a price, effective now or later."""
    return once(body, lambda: codec.dump(prices.set_price(control, caller, body)))
