"""What people look at: sites with their load, endpoints that may be called, sums, who is who.

Reads only, with the same authorisation as everything else: operators and auditors see the whole
platform, a tenant's people see the sites that their law allows and their own use of them.
Look next at ``evidence`` for the chains.
"""

from dataclasses import dataclass

from bruk.control import authorise
from bruk.control.control import Control
from bruk.control.meter import power_of
from bruk.control.spending import Spending, spending
from bruk.facility.carbon import mean_day_intensity
from bruk.facility.power import device_power_w
from bruk.model.errors import NotFound
from bruk.model.ledger import LedgerEntry, Price, Resource
from bruk.model.run import Run
from bruk.model.site import Node, NodeHealth, Site
from bruk.model.switch import Hold
from bruk.model.tenant import Actor, Project, Tenant, User
from bruk.model.workload import Wanted, Workload, WorkloadKind
from bruk.store import extracts, money, people, places, work
from bruk.store import switch as switch_store
from bruk.store.extracts import LedgerSum
from bruk.wire import codec


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """A node and the devices of it that runs hold now.

    Attributes:
        held: index of a device to the id of the run that holds it.
    """

    node: Node
    held: dict[int, str]


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site with its load now.

    Attributes:
        connected: its agent has been heard within the site's lease.
        last_sync_at_ms: when the agent was heard last; None if never [ms].
        nodes: empty for a tenant's people.
        runs: unfinished runs there that the caller may see.
        power_w: of the devices in use, with their servers and the PUE, estimated at full load [W].
        intensity_milli: of this hour of the grid zone's mean day [gCO2e/kWh * 1e-3].
        holds: those that stand over the site, the platform's and the site's own among them.
    """

    site: Site
    connected: bool
    last_sync_at_ms: int | None
    agent_version: str
    nodes: tuple[NodeLoad, ...]
    runs: tuple[Run, ...]
    devices: int
    devices_busy: int
    power_w: int
    intensity_milli: int
    intensity_source: str
    holds: tuple[Hold, ...]


def sites(control: Control, actor: Actor) -> list[SiteView]:
    """The sites that the caller may see, with their load."""
    now_ms = control.clock.now_ms()
    # An operator of one site sees all of it, and nothing of the others.
    whole = authorise.reads_platform(actor) or authorise.site_of(actor) is not None
    with control.read() as connection:
        agents = {row.site: row for row in places.agents(connection)}
        nodes = places.nodes(connection)
        live = [record.run for record in work.runs(connection, unsettled=True) if not record.run.ended]
        standing = switch_store.holds(connection)
        law = None if whole else people.get_tenant(connection, actor.tenant or "").residency
        shown = [
            site
            for site in places.sites(connection)
            if authorise.may_see_site(actor, site.name)
            and (law is None or law.refusal(site.country, site.operator, site.name) is None)
        ]
    found = []
    for site in shown:
        row = agents[site.name]
        runs = tuple(run for run in live if run.site == site.name and (whole or run.tenant == actor.tenant))
        own = [node for node in nodes if node.site == site.name]
        loads = tuple(NodeLoad(node, _held(node, runs)) for node in own)
        day = mean_day_intensity(site.grid_zone)
        local = [codec.load(Hold, row.local_hold)] if row.local_hold else []
        heard = row.last_sync_at_ms
        found.append(
            SiteView(
                site=site,
                connected=heard is not None and now_ms - heard <= site.lease_ms,
                last_sync_at_ms=heard,
                agent_version=row.version,
                nodes=loads if whole else (),
                runs=runs,
                devices=sum(node.devices for node in own) if whole else 0,
                devices_busy=sum(run.devices_total for run in runs),
                power_w=_power_w(site, runs),
                intensity_milli=day.milli_at(now_ms),
                intensity_source=day.source,
                holds=tuple(hold for hold in (*standing, *local) if hold.covers(site.name, "")),
            )
        )
    return found


def site(control: Control, actor: Actor, name: str) -> SiteView:
    """One site with its load.

    Raises:
        NotFound: there is none of that name, or the caller may not see it.
    """
    for view in sites(control, actor):
        if view.site.name == name:
            return view
    raise NotFound(f"there is no site {name!r}", what="site", id=name)


def _held(node: Node, runs: tuple[Run, ...]) -> dict[int, str]:
    return {
        device: run.id
        for run in runs
        for part in run.placement
        if part.node == node.name
        for device in part.devices
    }


def _power_w(site: Site, runs: tuple[Run, ...]) -> int:
    """Devices in use at full load, times their servers' factor, times the PUE [W]."""
    total = 0.0
    for run in runs:
        device, _ = power_of(run.accelerator)
        total += run.devices_total * device_power_w(device, 1.0) * device.server_overhead_factor
    return round(total * site.pue_milli / 1000)


def usable_devices(view: SiteView) -> int:
    """Devices on healthy nodes that take new work."""
    return sum(
        load.node.devices
        for load in view.nodes
        if load.node.health is NodeHealth.OK and not load.node.drained
    )


def tenants(control: Control, actor: Actor) -> list[Tenant]:
    """The tenants that the caller may see."""
    with control.read() as connection:
        return [found for found in people.tenants(connection) if authorise.may_read(actor, found.name)]


def projects(control: Control, actor: Actor) -> list[Project]:
    """The projects that the caller may see."""
    with control.read() as connection:
        found = people.projects(connection)
    return [item for item in found if authorise.may_read(actor, item.tenant, item.id)]


def money_left(control: Control, actor: Actor) -> dict[str, Spending]:
    """Project id to its spending, for the projects that the caller may see."""
    with control.read() as connection:
        found = spending(connection, control.clock.now_ms())
    return {name: item for name, item in found.items() if authorise.may_read(actor, name.split("/")[0], name)}


def users(control: Control, actor: Actor) -> list[User]:
    """The people that the caller may see: everybody, or those of the caller's tenant."""
    with control.read() as connection:
        if authorise.reads_platform(actor):
            return people.users(connection)
        return people.users(connection, actor.tenant) if actor.tenant else []


def me(control: Control, actor: Actor) -> User:
    """The person who asks."""
    with control.read() as connection:
        return people.get_user(connection, actor.id)


def names(control: Control, actor: Actor) -> dict[str, str]:
    """Id of a person to their name, for the people that the caller may see."""
    return {user.id: user.name for user in users(control, actor)}


def sums(control: Control, actor: Actor, workload: str | None = None) -> list[LedgerSum]:
    """Sums of the ledger that the caller may see, of one workload if one is named."""
    if actor.tenant is None:
        authorise.audit(actor, "read the ledger")
    with control.read() as connection:
        return extracts.ledger_sums(connection, tenant=actor.tenant, project=actor.project, workload=workload)


def newest_entries(
    control: Control,
    actor: Actor,
    *,
    before: int | None,
    limit: int,
    tenant: str | None = None,
    resource: Resource | None = None,
) -> list[LedgerEntry]:
    """Ledger entries that the caller may see, newest first."""
    if actor.tenant is not None:
        tenant = actor.tenant
    else:
        authorise.audit(actor, "read the ledger")
    with control.read() as connection:
        return extracts.newest_entries(
            connection, before=before, limit=limit, tenant=tenant, resource=resource
        )


def callable_endpoints(control: Control, actor: Actor) -> list[Workload]:
    """Open endpoints that the caller's tenant may call; all of them for operators."""
    with control.read() as connection:
        found = work.workloads(connection, kind=WorkloadKind.ENDPOINT, open_=True)
    return [
        item
        for item in found
        if item.wanted is Wanted.RUN
        and (
            authorise.runs_platform(actor)
            or actor.tenant == item.tenant
            or actor.tenant in item.endpoint.tenants
            or "*" in item.endpoint.tenants
        )
    ]


def prices_now(control: Control) -> list[Price]:
    """The version of every price that is in force now; prices are no secret."""
    now_ms = control.clock.now_ms()
    with control.read() as connection:
        found = [price for price in money.prices(connection) if price.effective_from_ms <= now_ms]
    return list({(price.resource, price.item): price for price in found}.values())


def newest_runs(control: Control, shown: list[Workload]) -> dict[str, Run]:
    """Workload id to its newest run, for workloads that the caller was shown already."""
    with control.read() as connection:
        return extracts.newest_runs(connection, [item.id for item in shown])
