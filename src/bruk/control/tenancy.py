"""Commands on tenants, projects and their budgets."""

from dataclasses import replace

from bruk.control import authorise
from bruk.control.control import Control
from bruk.model.errors import Conflict, NotFound
from bruk.model.tenant import Actor, Project, Tenant
from bruk.store import people
from bruk.wire.requests import BudgetBody, ProjectBody, ProjectChange, TenantBody, TenantChange


def add_tenant(control: Control, actor: Actor, body: TenantBody) -> Tenant:
    """A new tenant."""
    with control.change(actor, "tenant.add", body.name, countries=list(body.residency.countries)) as change:
        authorise.operate(actor, "add tenants")
        if any(found.name == body.name for found in people.tenants(change.connection)):
            raise Conflict(f"there is a tenant {body.name!r} already", id=body.name)
        tenant = Tenant(
            body.name,
            body.display_name or body.name,
            body.residency.value(),
            body.weight,
            body.budget_microeur,
            body.grant_device_ms,
            change.now_ms,
            quota_devices=body.quota_devices,
            borrow_devices=body.borrow_devices,
        )
        people.add_tenant(change.connection, tenant)
    return tenant


def change_tenant(control: Control, actor: Actor, name: str, body: TenantChange) -> Tenant:
    """Change what may change of a tenant; its law and its share are the operator's to set."""
    fields = body.model_dump(exclude_unset=True, mode="json")
    with control.change(actor, "tenant.change", name, **fields) as change:
        authorise.operate(actor, "change tenants")
        tenant = people.get_tenant(change.connection, name)
        if "residency" in fields:
            fields["residency"] = body.residency.value()
        if "limits" in fields:
            fields["limits"] = replace(tenant.limits, **fields["limits"])
        tenant = replace(tenant, **fields)
        people.replace_tenant(change.connection, tenant)
    return tenant


def add_project(control: Control, actor: Actor, body: ProjectBody) -> Project:
    """A new project of a tenant."""
    with control.change(actor, "project.add", f"{body.tenant}/{body.name}") as change:
        authorise.administer(actor, body.tenant, "add projects")
        people.get_tenant(change.connection, body.tenant)
        project = Project(
            body.tenant,
            body.name,
            body.display_name or body.name,
            body.residency.value(),
            body.quota_devices,
            body.budget_microeur,
            change.now_ms,
            body.borrow_devices,
        )
        try:
            people.get_project(change.connection, project.id)
        except NotFound:
            people.add_project(change.connection, project)
        else:
            raise Conflict(f"there is a project {project.id!r} already", id=project.id)
    return project


def change_project(control: Control, actor: Actor, project_id: str, body: ProjectChange) -> Project:
    """Change what may change of a project. Its residency can only narrow its tenant's."""
    fields = body.model_dump(exclude_unset=True, mode="json")
    with control.change(actor, "project.change", project_id, **fields) as change:
        authorise.administer(actor, project_id.split("/", 1)[0], "change projects")
        project = people.get_project(change.connection, project_id)
        if "residency" in fields:
            fields["residency"] = body.residency.value()
        if "limits" in fields:
            fields["limits"] = replace(project.limits, **fields["limits"])
        project = replace(project, **fields)
        people.replace_project(change.connection, project)
    return project


def set_tenant_budget(control: Control, actor: Actor, name: str, body: BudgetBody) -> Tenant:
    """The most that a tenant may spend; the operator's to set."""
    with control.change(actor, "budget.set", name, budget_microeur=body.budget_microeur) as change:
        authorise.operate(actor, "set tenants' budgets")
        tenant = replace(people.get_tenant(change.connection, name), budget_microeur=body.budget_microeur)
        people.replace_tenant(change.connection, tenant)
    return tenant


def set_project_budget(control: Control, actor: Actor, project_id: str, body: BudgetBody) -> Project:
    """The most that a project may spend of its tenant's budget."""
    with control.change(actor, "budget.set", project_id, budget_microeur=body.budget_microeur) as change:
        authorise.administer(actor, project_id.split("/", 1)[0], "set projects' budgets")
        project = replace(
            people.get_project(change.connection, project_id), budget_microeur=body.budget_microeur
        )
        people.replace_project(change.connection, project)
    return project
