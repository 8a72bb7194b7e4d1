"""Change a site, a tenant or a project that is there; what is left out stays as it is."""

from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.people import (
    BorrowOption,
    CountryOption,
    OperatorOption,
    ResidencySiteOption,
    TenantArgument,
    project_app,
    residency_of,
    show_quota,
    show_residency,
    tenant_app,
)
from bruk.cli.places import SiteArgument, site_app
from bruk.cli.quantity import duration_ms, show_duration
from bruk.cli.settings import client
from bruk.model.errors import InvalidInput
from bruk.model.site import CutOffPolicy

DisplayChange = Annotated[str | None, typer.Option("--display-name", help="Name for people.")]
DevicesChange = Annotated[
    int | None, typer.Option("--devices", min=0, help="Its quota: devices held at once.")
]
NoQuotaOption = Annotated[bool, typer.Option("--no-quota", help="Lift the limit of devices held at once.")]
AnywhereOption = Annotated[
    bool, typer.Option("--anywhere", help="Lift the rule on countries, operators and sites.")
]


def add_to(app: typer.Typer) -> None:
    """Add ``set`` to the groups of commands that are there already."""
    site_app.command("set")(site_set)
    tenant_app.command("set")(tenant_set)
    project_app.command("set")(project_set)


def site_set(
    ctx: typer.Context,
    name: SiteArgument,
    display_name: DisplayChange = None,
    operator: Annotated[str | None, typer.Option(help="Organisation that runs the place.")] = None,
    pue: Annotated[str | None, typer.Option(help="Power usage effectiveness, like 1.25.")] = None,
    pue_source: Annotated[str | None, typer.Option(help="Where that figure comes from.")] = None,
    cut_off: Annotated[
        CutOffPolicy | None, typer.Option(help="What running work does when control is away past the lease.")
    ] = None,
    accept_no_isolation: Annotated[
        str | None,
        typer.Option(
            help="Let tenants share the site without isolation: who accepts that, and why, in a sentence.",
            show_default=False,
        ),
    ] = None,
    refuse_no_isolation: Annotated[
        bool, typer.Option("--refuse-no-isolation", help="Take that back; no second tenant gets in any more.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Change a site. Its country stays: another place is another site."""
    from bruk.cli.request import built, milli
    from bruk.wire.requests import SiteChange

    body = built(
        SiteChange,
        display_name=display_name,
        operator=operator,
        pue_milli=None if pue is None else milli(pue, "--pue"),
        pue_source=pue_source,
        cut_off=cut_off,
        isolation_acceptance="" if refuse_no_isolation else accept_no_isolation,
    )
    _require(body.model_fields_set, "--pue 1.2")
    with client(ctx) as control:
        site = control.sites.change(name, body)
    output.answer(site, f"Site {site.name} is changed; 'bruk site show {site.name}' shows it.", json)


def tenant_set(
    ctx: typer.Context,
    name: TenantArgument,
    display_name: DisplayChange = None,
    country: CountryOption = None,
    operator: OperatorOption = None,
    site: ResidencySiteOption = None,
    anywhere: AnywhereOption = False,
    weight: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Share relative to other tenants.")
    ] = None,
    grant: Annotated[str | None, typer.Option(help="Device time granted in all, like 500h.")] = None,
    no_grant: Annotated[bool, typer.Option("--no-grant", help="Lift the limit of device time.")] = False,
    devices: DevicesChange = None,
    no_quota: NoQuotaOption = False,
    borrow: BorrowOption = None,
    json: JsonOption = False,
) -> None:
    """Change a tenant. --country, --operator and --site say its whole law anew.

    Its budget is 'bruk budget set'.
    """
    from bruk.cli.request import built
    from bruk.wire.requests import TenantChange

    body = built(
        TenantChange,
        display_name=display_name,
        residency=_residency(country, operator, site, anywhere),
        weight=weight,
        grant_device_ms=None if grant is None else duration_ms(grant),
        quota_devices=devices,
        borrow_devices=borrow,
        null=[
            *_lifted("quota_devices", no_quota, devices, "--devices"),
            *_lifted("grant_device_ms", no_grant, grant, "--grant"),
        ],
    )
    _require(body.model_fields_set, "--country FR")
    with client(ctx) as control:
        tenant = control.tenants.change(name, body)
    if json:
        output.show_json(tenant)
    else:
        output.say(
            f"Tenant {tenant.name} may run: {show_residency(tenant.residency)}; weight {tenant.weight}; "
            f"grant of device time: {show_duration(tenant.grant_device_ms)}; "
            f"devices at once: {show_quota(tenant)}."
        )


def project_set(
    ctx: typer.Context,
    project: Annotated[str, typer.Argument(help="The project, tenant/name.")],
    display_name: DisplayChange = None,
    country: CountryOption = None,
    operator: OperatorOption = None,
    site: ResidencySiteOption = None,
    anywhere: AnywhereOption = False,
    devices: DevicesChange = None,
    no_quota: NoQuotaOption = False,
    borrow: BorrowOption = None,
    json: JsonOption = False,
) -> None:
    """Change a project. --country, --operator and --site say its whole law anew, within its tenant's.

    Its budget is 'bruk budget set'.
    """
    from bruk.cli.request import built
    from bruk.wire.requests import ProjectChange

    body = built(
        ProjectChange,
        display_name=display_name,
        residency=_residency(country, operator, site, anywhere),
        quota_devices=devices,
        borrow_devices=borrow,
        null=_lifted("quota_devices", no_quota, devices, "--devices"),
    )
    _require(body.model_fields_set, "--devices 4")
    with client(ctx) as control:
        changed = control.projects.change(project, body)
    if json:
        output.show_json(changed)
    else:
        output.say(
            f"Project {changed.id} may run: {show_residency(changed.residency)}; "
            f"devices at once: {show_quota(changed)}."
        )


def _residency(
    country: list[str] | None, operator: list[str] | None, site: list[str] | None, anywhere: bool
) -> dict[str, list[str]] | None:
    """The whole new law, or None to leave it."""
    if not (country or operator or site):
        return residency_of(None, None, None) if anywhere else None
    if anywhere:
        raise InvalidInput("--anywhere lifts the whole rule; leave out --country, --operator and --site.")
    return residency_of(country, operator, site)


def _require(given: set[str], example: str) -> None:
    if not given:
        raise InvalidInput(f"Nothing to change was given. Say what, like {example}; --help lists all.")


def _lifted(field: str, lift: bool, given: object, option: str) -> list[str]:
    """The field of a limit that is lifted."""
    if lift and given is not None:
        raise InvalidInput(f"{option} sets the limit that is to be lifted; leave one of them out.")
    return [field] if lift else []
