"""Who plays: two sites, three tenants, their prices and budgets."""

from dataclasses import dataclass

from bruk.facility.site import reference_site
from bruk.model.site import Isolation
from bruk.sdk import Client
from bruk.wire.requests import (
    KeyBody,
    PriceBody,
    ProjectBody,
    ResidencyBody,
    SiteBody,
    SiteChange,
    TenantBody,
)

MODEL = "stdlib-lm"
# An operator's example prices, in EUR * 1e-6: a core-hour, a million tokens in, a million out.
PRICES = (("device_time", 60_000), ("tokens_in", 500_000), ("tokens_out", 1_500_000))


@dataclass(frozen=True, slots=True)
class Cast:
    """Secrets of the projects' keys."""

    maker: str
    caller: str
    german: str


ACCEPTED = "Accepted for this demonstration: its tenants are made up, and nothing of theirs is secret."
MAKER = "lutece/lm"
CALLER = "nordlys/apps"
GERMAN = "rhein/lab"


def agents_ready(operator: Client) -> bool:
    """Whether both sites' agents have said what devices they have."""
    return all(item.connected and item.devices for item in operator.status().sites)


def accept_what_is(operator: Client) -> bool:
    """Whether the sites keep tenants' runs apart; where one does not, the operator accepts that."""
    apart = True
    for item in operator.status().sites:
        if item.site.isolation is Isolation.NONE:
            operator.sites.change(item.site.name, SiteChange(isolation_acceptance=ACCEPTED))
            apart = False
    return apart


def enter(operator: Client) -> Cast:
    """Write down sites, tenants, projects, prices and keys, as an operator would."""
    for name, country, zone in (("essonne", "FR", "FR"), ("borlange", "SE", "SE-SE3")):
        known = reference_site(name)
        operator.sites.add(
            SiteBody(
                name=name,
                display_name=name.capitalize(),
                country=country,
                grid_zone=zone,
                operator="Bruk demo",
                pue_milli=known.pue_milli,
                pue_source=known.pue_source,
            )
        )
    for resource, price in PRICES:
        operator.prices.set(PriceBody.model_validate({"resource": resource, "price_microeur": price}))
    for tenant, title, countries, budget in (
        ("lutece", "Lutèce Santé", ["FR"], 5_000_000),
        ("nordlys", "Nordlys Media", ["FR", "SE"], 2_000_000),
        ("rhein", "Rheinwerk", ["DE"], 1_000_000),
    ):
        body = TenantBody(
            name=tenant,
            display_name=title,
            residency=ResidencyBody(countries=countries),
            budget_microeur=budget,
        )
        operator.tenants.add(body)
    for project in (MAKER, CALLER, GERMAN):
        tenant, name = project.split("/")
        operator.projects.add(ProjectBody(tenant=tenant, name=name))
    return Cast(
        *(operator.projects.add_key(project, KeyBody(name="demo"))[1] for project in (MAKER, CALLER, GERMAN))
    )
