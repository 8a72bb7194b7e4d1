"""Routes of logins, tenants, people, projects, keys, budgets and prices."""

from typing import Any

from fastapi import APIRouter

from bruk.api.door import Caller, ControlOf, OnceOf, Secret, guard
from bruk.api.page import Page, WindowOf, page_of
from bruk.control import access, authorise, persons, prices, tenancy
from bruk.control.spending import spending
from bruk.model.ledger import Price
from bruk.model.policy import (
    ADMINS,
    EVERYBODY,
    OPEN,
    PEOPLE,
    PLATFORM,
    READERS,
    TENANT_PEOPLE,
    TENANTS,
    Policy,
    Reach,
)
from bruk.model.tenant import Actor, ApiKey, Project, Tenant, User
from bruk.store import people
from bruk.wire import codec
from bruk.wire.access import EndBody, RotateBody, UserChange
from bruk.wire.answers import Credentials, ProjectKey
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


@router.post("/login", dependencies=[guard(OPEN)])
def login(control: ControlOf, body: LoginBody) -> dict[str, Any]:
    """Use a one-time login token for a command-line token. Open: the token is the credential."""
    user, secret = access.log_in(control, body.token, "token")
    return {"user": codec.dump(user), "token": secret}


@router.post("/logout", status_code=204, dependencies=[guard(Policy(EVERYBODY, Reach.OWN))])
def logout(control: ControlOf, caller: Caller, secret: Secret) -> None:
    """End the session or token that is used here."""
    access.log_out(control, secret)


@router.get("/me", dependencies=[guard(Policy(EVERYBODY, Reach.OWN))])
def me(caller: Caller) -> Actor:
    """Who the caller is."""
    return caller


@router.get("/tenants", dependencies=[guard(Policy(READERS | TENANTS, Reach.OWN))])
def list_tenants(control: ControlOf, caller: Caller, window: WindowOf) -> Page[Tenant]:
    """The tenants that the caller may see."""
    with control.read() as connection:
        found = [item for item in people.tenants(connection) if authorise.may_read(caller, item.name)]
    return page_of(found, window, lambda item: item.name)


@router.post("/tenants", status_code=201, dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def add_tenant(control: ControlOf, caller: Caller, body: TenantBody, once: OnceOf) -> Any:
    """Add a tenant."""
    return once(body, lambda: codec.dump(tenancy.add_tenant(control, caller, body)))


@router.get("/tenants/{tenant}", dependencies=[guard(Policy(READERS | TENANTS, Reach.TENANT))])
def get_tenant(control: ControlOf, caller: Caller, tenant: str) -> Tenant:
    """One tenant."""
    authorise.read(caller, tenant, None, "tenant", tenant)
    with control.read() as connection:
        return people.get_tenant(connection, tenant)


@router.patch("/tenants/{tenant}", dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def change_tenant(control: ControlOf, caller: Caller, tenant: str, body: TenantChange) -> Tenant:
    """Change a tenant's name, law, share or grant."""
    return tenancy.change_tenant(control, caller, tenant, body)


@router.get("/tenants/{tenant}/users", dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.TENANT))])
def list_users(control: ControlOf, caller: Caller, tenant: str, window: WindowOf) -> Page[User]:
    """A tenant's people."""
    authorise.read(caller, tenant, None, "tenant", tenant)
    with control.read() as connection:
        return page_of(people.users(connection, tenant), window, lambda item: item.id)


@router.post("/tenants/{tenant}/users", status_code=201, dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def add_user(control: ControlOf, caller: Caller, tenant: str, body: UserBody, once: OnceOf) -> Any:
    """Add a person to a tenant; the answer carries a one-time login token."""
    return _add_user(control, caller, body.model_copy(update={"tenant": tenant}), once)


@router.get("/users", dependencies=[guard(Policy(READERS, Reach.PLATFORM))])
def list_everybody(control: ControlOf, caller: Caller, window: WindowOf) -> Page[User]:
    """Everybody; for operators and auditors."""
    authorise.audit(caller, "list everybody")
    with control.read() as connection:
        return page_of(people.users(connection), window, lambda item: item.id)


@router.post("/users", status_code=201, dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def add_platform_user(control: ControlOf, caller: Caller, body: UserBody, once: OnceOf) -> Any:
    """Add an operator or an auditor (or a tenant's person); carries a one-time login token."""
    return _add_user(control, caller, body, once)


def _add_user(control: ControlOf, caller: Actor, body: UserBody, once: OnceOf) -> Any:
    def make() -> dict[str, Any]:
        user, secret = access.add_user(control, caller, body)
        return {"user": codec.dump(user), "login_token": secret}

    return once(body, make)


@router.patch("/users/{user}", dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def change_user(control: ControlOf, caller: Caller, user: str, body: UserChange) -> User:
    """Disable a person, which ends their sessions and tokens at once, or let them in again."""
    return (persons.disable if body.disabled else persons.enable)(control, caller, user)


@router.post(
    "/users/{user}/login-link",
    status_code=201,
    dependencies=[guard(Policy(PEOPLE, Reach.PERSON))],
)
def new_link(control: ControlOf, caller: Caller, user: str) -> dict[str, Any]:
    """A new one-time login token for a person; an older one that was not used ends."""
    found, secret = persons.new_link(control, caller, user)
    return {"user": codec.dump(found), "login_token": secret}


@router.get("/users/{user}/credentials", dependencies=[guard(Policy(PEOPLE, Reach.PERSON))])
def list_credentials(control: ControlOf, caller: Caller, secret: Secret, user: str) -> Credentials:
    """A person's login links, sessions and tokens, without their secrets."""
    return persons.credentials(control, caller, user, secret)


@router.post("/users/{user}/credentials/end", dependencies=[guard(Policy(PEOPLE, Reach.PERSON))])
def end_credentials(
    control: ControlOf, caller: Caller, secret: Secret, user: str, body: EndBody
) -> dict[str, int]:
    """End all of a person's login links, sessions and tokens, at once."""
    return {"ended": persons.end_all(control, caller, user, secret if body.keep_this else "")}


@router.delete(
    "/credentials/{credential}",
    status_code=204,
    dependencies=[guard(Policy(PEOPLE, Reach.PERSON))],
)
def end_credential(control: ControlOf, caller: Caller, credential: str) -> None:
    """End one login link, session or token, at once."""
    persons.end(control, caller, credential)


@router.post("/token/rotate", status_code=201, dependencies=[guard(Policy(PEOPLE, Reach.OWN))])
def rotate_token(control: ControlOf, caller: Caller, secret: Secret, body: RotateBody) -> dict[str, Any]:
    """A new token in place of the one that is used here, which ends now or after the overlap."""
    made, renewed = persons.rotate(control, caller, secret, body.overlap_ms)
    return {"id": made.id, "token": renewed, "expires_at_ms": made.expires_at_ms}


@router.get("/projects", dependencies=[guard(Policy(READERS | TENANTS, Reach.OWN))])
def list_projects(
    control: ControlOf, caller: Caller, window: WindowOf, tenant: str | None = None
) -> Page[Project]:
    """The projects that the caller may see."""
    with control.read() as connection:
        found = people.projects(connection, tenant)
    seen = [item for item in found if authorise.may_read(caller, item.tenant, item.id)]
    return page_of(seen, window, lambda item: item.id)


@router.post("/projects", status_code=201, dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def add_project(control: ControlOf, caller: Caller, body: ProjectBody, once: OnceOf) -> Any:
    """Add a project to a tenant."""
    return once(body, lambda: codec.dump(tenancy.add_project(control, caller, body)))


@router.get("/projects/{tenant}/{project}", dependencies=[guard(Policy(READERS | TENANTS, Reach.PROJECT))])
def get_project(control: ControlOf, caller: Caller, tenant: str, project: str) -> Project:
    """One project."""
    project_id = f"{tenant}/{project}"
    authorise.read(caller, tenant, project_id, "project", project_id)
    with control.read() as connection:
        return people.get_project(connection, project_id)


@router.patch("/projects/{tenant}/{project}", dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def change_project(
    control: ControlOf, caller: Caller, tenant: str, project: str, body: ProjectChange
) -> Project:
    """Change a project's name, narrower law or quota."""
    return tenancy.change_project(control, caller, f"{tenant}/{project}", body)


def _shown(key: ApiKey) -> ProjectKey:
    """A key without the hashes of its secrets, which are nobody's to read."""
    return codec.load(ProjectKey, codec.dump(key))


@router.get(
    "/projects/{tenant}/{project}/keys", dependencies=[guard(Policy(READERS | TENANTS, Reach.PROJECT))]
)
def list_keys(
    control: ControlOf, caller: Caller, tenant: str, project: str, window: WindowOf
) -> Page[ProjectKey]:
    """A project's keys, without their secrets."""
    found = [_shown(key) for key in access.keys(control, caller, f"{tenant}/{project}")]
    return page_of(found, window, lambda item: item.id)


@router.post(
    "/projects/{tenant}/{project}/keys", status_code=201, dependencies=[guard(Policy(ADMINS, Reach.TENANT))]
)
def create_key(
    control: ControlOf, caller: Caller, tenant: str, project: str, body: KeyBody, once: OnceOf
) -> Any:
    """Create an API key. Its secret is in this answer and nowhere else."""

    def make() -> dict[str, Any]:
        key, secret = access.create_key(control, caller, f"{tenant}/{project}", body)
        return {"key": codec.dump(_shown(key)), "secret": secret}

    return once(body, make)


@router.patch("/keys/{key}", dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def change_key(control: ControlOf, caller: Caller, key: str, body: KeyChange) -> ProjectKey:
    """Disable a key or move its end; effective at once."""
    return _shown(access.change_key(control, caller, key, body))


@router.post("/keys/{key}/rotate", status_code=201, dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def rotate_key(control: ControlOf, caller: Caller, key: str, body: RotateBody, once: OnceOf) -> Any:
    """A new secret for a key, in this answer and nowhere else; the old one works on for the overlap."""

    def make() -> dict[str, Any]:
        found, secret = access.rotate_key(control, caller, key, body.overlap_ms)
        return {"key": codec.dump(_shown(found)), "secret": secret}

    return once(body, make)


@router.get(
    "/projects/{tenant}/{project}/budget", dependencies=[guard(Policy(READERS | TENANTS, Reach.PROJECT))]
)
def project_budget(control: ControlOf, caller: Caller, tenant: str, project: str) -> dict[str, Any]:
    """A project's budget, what is spent, set aside and left [EUR * 1e-6]."""
    project_id = f"{tenant}/{project}"
    authorise.read(caller, tenant, project_id, "project", project_id)
    with control.read() as connection:
        owner = people.get_project(connection, project_id)
        found = spending(connection, control.clock.now_ms())[project_id]
    return {"budget_microeur": owner.budget_microeur, **codec.dump(found)}


@router.put("/projects/{tenant}/{project}/budget", dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def set_project_budget(
    control: ControlOf, caller: Caller, tenant: str, project: str, body: BudgetBody
) -> Project:
    """Set what a project may spend of its tenant's budget."""
    return tenancy.set_project_budget(control, caller, f"{tenant}/{project}", body)


@router.get("/tenants/{tenant}/budget", dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.TENANT))])
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


@router.put("/tenants/{tenant}/budget", dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def set_tenant_budget(control: ControlOf, caller: Caller, tenant: str, body: BudgetBody) -> Tenant:
    """Set the most that a tenant may spend."""
    return tenancy.set_tenant_budget(control, caller, tenant, body)


@router.get("/prices", dependencies=[guard(Policy(EVERYBODY, Reach.PLATFORM))])
def list_prices(control: ControlOf, caller: Caller, window: WindowOf) -> Page[Price]:
    """Every version of every price."""
    return page_of(prices.prices(control), window, lambda item: f"{item.resource}/{item.item}/{item.version}")


@router.post("/prices", status_code=201, dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def set_price(control: ControlOf, caller: Caller, body: PriceBody, once: OnceOf) -> Any:
    """A new version of a price, effective now or later."""
    return once(body, lambda: codec.dump(prices.set_price(control, caller, body)))
