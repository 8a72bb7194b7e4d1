"""What a job costs at most, site by site. Nothing is written here. Look next at `estimate` and `excess`."""

from bruk.admission.tariff import PriceBook
from bruk.control.excess import allowed_device_ms
from bruk.control.meter import power_of
from bruk.control.spending import device_cost_microeur
from bruk.facility.carbon import mean_day_intensity
from bruk.facility.footprint import footprint
from bruk.facility.power import estimate_energy
from bruk.model.errors import PriceMissing
from bruk.model.site import Node, Site
from bruk.model.workload import JobSpec
from bruk.store import money, people, places
from bruk.store.database import Connection
from bruk.wire.answers import Estimate, SiteEstimate


def bounds(connection: Connection, project: str, spec: JobSpec, now_ms: int) -> Estimate:
    """What a job would use at most at each site that its law and its choice allow and that has devices.

    Raises:
        PriceMissing: nothing there that would do has a price.
    """
    owner = people.get_project(connection, project)
    law = people.get_tenant(connection, owner.tenant).residency.narrowed(owner.residency)
    book = PriceBook(money.prices(connection))
    nodes = places.nodes(connection)
    found: list[SiteEstimate] = []
    unpriced: list[PriceMissing] = []
    for site in places.sites(connection):
        if law.refusal(site.country, site.operator, site.name) or (
            spec.sites and site.name not in spec.sites
        ):
            continue
        names = sorted({node.accelerator for node in nodes if _would_do(node, site, spec)})
        for name in names:
            try:
                found.append(_at_site(book, site, name, spec, now_ms))
            except PriceMissing as error:
                unpriced.append(error)
    if unpriced and not found:
        raise unpriced[0]
    return Estimate(
        max((item.amount_microeur for item in found), default=0),
        allowed_device_ms(spec, 1),
        tuple(found),
        1 + spec.retry_limit,
    )


def _would_do(node: Node, site: Site, spec: JobSpec) -> bool:
    wanted = spec.resources.accelerators
    return node.site == site.name and (not wanted or node.accelerator in wanted)


def _at_site(book: PriceBook, site: Site, name: str, spec: JobSpec, now_ms: int) -> SiteEstimate:
    device_ms = allowed_device_ms(spec, 1)
    reading = estimate_energy(power_of(name)[0], device_ms)
    end_ms = now_ms + spec.time_limit_s * 1000
    used = footprint(reading, now_ms, end_ms, site.pue_milli, mean_day_intensity(site.grid_zone))
    return SiteEstimate(
        site.name,
        name,
        device_ms,
        device_cost_microeur(book, name, device_ms, now_ms),
        used.energy_j,
        used.carbon_mg,
    )
