"""Tenants and their projects; their people are in ``user``."""

from typing import TYPE_CHECKING, Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import duration_ms, microeur, show_duration, show_eur, show_moment
from bruk.cli.settings import client
from bruk.model.errors import InvalidInput
from bruk.model.tenant import Project, Residency, Tenant

if TYPE_CHECKING:
    from bruk.wire.answers import Budget

PANEL = "Tenants and keys"
TenantArgument = Annotated[str, typer.Argument(help="Name of the tenant.")]
CountryOption = Annotated[
    list[str] | None, typer.Option("--country", help="May run in this country only; repeat for several.")
]
ResidencySiteOption = Annotated[
    list[str] | None, typer.Option("--site", help="May run at this site only; repeat for several.")
]
OperatorOption = Annotated[
    list[str] | None,
    typer.Option("--operator", help="May run with this operator only; repeat for several."),
]
BudgetOption = Annotated[
    str | None, typer.Option("--budget", help="Most that may be spent [EUR], like 12.50. Left out: no limit.")
]
DevicesOption = Annotated[
    int | None, typer.Option("--devices", min=0, help="Its quota: devices held at once. Left out: no limit.")
]
BorrowOption = Annotated[
    int | None,
    typer.Option(
        "--borrow", min=0, help="Devices beyond its quota that it may hold while others leave them idle."
    ),
]
DisplayOption = Annotated[str, typer.Option("--display-name", help="Name for people.")]

tenant_app = typer.Typer(no_args_is_help=True, help="Who pays, and where their data may be.")
project_app = typer.Typer(no_args_is_help=True, help="A tenant's pieces of work.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(tenant_app, name="tenant", rich_help_panel=PANEL)
    app.add_typer(project_app, name="project", rich_help_panel=PANEL)


@tenant_app.command("add")
def tenant_add(
    ctx: typer.Context,
    name: TenantArgument,
    display_name: DisplayOption = "",
    country: CountryOption = None,
    operator: OperatorOption = None,
    site: ResidencySiteOption = None,
    weight: Annotated[int, typer.Option(min=1, max=1000, help="Share relative to other tenants.")] = 1,
    budget: BudgetOption = None,
    grant: Annotated[
        str | None, typer.Option(help="Device time granted, like 500h. Left out: no limit.")
    ] = None,
    devices: DevicesOption = None,
    borrow: BorrowOption = None,
    json: JsonOption = False,
) -> None:
    """Add a tenant."""
    from bruk.cli.request import built
    from bruk.wire.requests import TenantBody

    body = built(
        TenantBody,
        name=name,
        display_name=display_name,
        residency=residency_of(country, operator, site),
        weight=weight,
        budget_microeur=None if budget is None else microeur(budget),
        grant_device_ms=None if grant is None else duration_ms(grant),
        quota_devices=devices,
        borrow_devices=borrow,
    )
    with client(ctx) as control:
        tenant = control.tenants.add(body)
    if json:
        output.show_json(tenant)
    else:
        law = tenant.residency
        if not (law.countries or law.operators or law.sites):
            output.say("Its work and data may be anywhere; 'bruk tenant set' with --country narrows that.")
        output.say(f"Tenant {tenant.name} added. Next: 'bruk project add {tenant.name} NAME'.")


@tenant_app.command("ls")
def tenant_ls(ctx: typer.Context, json: JsonOption = False) -> None:
    """List the tenants."""
    with client(ctx) as control:
        tenants = list(control.tenants.list())
    if json:
        output.show_json(tenants)
        return
    output.table(
        ["Tenant", "~Name", "~May run", ">Weight", ">Devices", ">Budget EUR", ">Grant"],
        (
            [
                tenant.name,
                tenant.display_name,
                show_residency(tenant.residency),
                tenant.weight,
                show_quota(tenant),
                show_eur(tenant.budget_microeur),
                show_duration(tenant.grant_device_ms),
            ]
            for tenant in tenants
        ),
        none="No tenants yet. 'bruk tenant add NAME' adds one.",
    )


@tenant_app.command("show")
def tenant_show(ctx: typer.Context, name: TenantArgument, json: JsonOption = False) -> None:
    """Show a tenant: its law, its limits and what it has used."""
    with client(ctx) as control:
        tenant = control.tenants.get(name)
        budget = control.tenants.budget(name)
    if json:
        output.show_json({"tenant": tenant, "budget": budget})
        return
    output.fields(
        [
            ("Tenant", tenant.name),
            ("Name", tenant.display_name),
            ("May run", show_residency(tenant.residency)),
            ("Weight", tenant.weight),
            ("Devices at once", show_quota(tenant)),
            ("Grant of device time", show_duration(tenant.grant_device_ms)),
            *budget_fields(budget),
            ("Since", show_moment(tenant.created_at_ms)),
        ]
    )


@project_app.command("add")
def project_add(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Argument(help="Name of the tenant; or the project as TENANT/NAME.")],
    name: Annotated[
        str | None, typer.Argument(help="Name of the project, where not given above.", show_default=False)
    ] = None,
    display_name: DisplayOption = "",
    country: CountryOption = None,
    operator: OperatorOption = None,
    site: ResidencySiteOption = None,
    devices: DevicesOption = None,
    borrow: BorrowOption = None,
    budget: BudgetOption = None,
    json: JsonOption = False,
) -> None:
    """Add a project: 'bruk project add TENANT NAME', or TENANT/NAME. Its law only narrows its tenant's."""
    from bruk.cli.request import built
    from bruk.wire.requests import ProjectBody

    if name is None:
        tenant, _, name = tenant.partition("/")
    if not name:
        raise InvalidInput(f"What is the project's name? 'bruk project add {tenant} NAME'.")
    body = built(
        ProjectBody,
        tenant=tenant,
        name=name,
        display_name=display_name,
        residency=residency_of(country, operator, site),
        quota_devices=devices,
        borrow_devices=borrow,
        budget_microeur=None if budget is None else microeur(budget),
    )
    with client(ctx) as control:
        project = control.projects.add(body)
    output.answer(
        project, f"Project {project.id} added. Next: 'bruk key create --project {project.id}'.", json
    )


@project_app.command("ls")
def project_ls(ctx: typer.Context, json: JsonOption = False) -> None:
    """List the projects."""
    with client(ctx) as control:
        projects = list(control.projects.list())
    if json:
        output.show_json(projects)
        return
    output.table(
        ["Project", "~Name", "~May run", ">Devices", ">Budget EUR"],
        (
            [
                project.id,
                project.display_name,
                show_residency(project.residency),
                show_quota(project),
                show_eur(project.budget_microeur),
            ]
            for project in projects
        ),
        none="No projects yet. 'bruk project add TENANT NAME' adds one.",
    )


def show_quota(owner: Tenant | Project) -> str:
    """How many devices it may hold at once, in a few words."""
    if owner.quota_devices is None:
        return "no limit"
    return f"{owner.quota_devices}" + (f" + {owner.borrow_devices} borrowed" if owner.borrow_devices else "")


def show_residency(residency: Residency) -> str:
    """Where work may run, in a few words."""
    parts = [
        f"{label} {', '.join(values)}"
        for label, values in (
            ("in", residency.countries),
            ("with", residency.operators),
            ("at", residency.sites),
        )
        if values
    ]
    return "; ".join(parts) or "anywhere"


def budget_fields(budget: "Budget") -> list[tuple[str, object]]:
    """The figures of a budget as labelled values."""
    limit, left = budget.budget_microeur, budget.left_microeur
    if left is None and limit is not None:
        left = limit - budget.spent_microeur - budget.committed_microeur
    return [
        ("Budget EUR", "no limit" if limit is None else show_eur(limit)),
        ("Spent EUR", show_eur(budget.spent_microeur)),
        ("Set aside EUR", show_eur(budget.committed_microeur)),
        ("Left EUR", "no limit" if left is None else show_eur(left)),
    ]


def residency_of(
    countries: list[str] | None, operators: list[str] | None, sites: list[str] | None
) -> dict[str, list[str]]:
    """The rule that the options say, as a request carries it; empty lists do not limit."""
    return {
        "countries": [country.upper() for country in countries or []],
        "operators": operators or [],
        "sites": sites or [],
    }
