"""Routes of sites, nodes and the platform's status."""

from collections import Counter
from typing import Any

from fastapi import APIRouter

from bruk import __version__
from bruk.api.door import Caller, ControlOf, OnceOf, guard
from bruk.api.page import Page, WindowOf, page_of
from bruk.control import authorise, sites, snapshot, switch
from bruk.model.errors import NotFound
from bruk.model.policy import EVERYBODY, OPERATORS, OVERSEERS, PLATFORM, READERS, Policy, Reach
from bruk.model.site import Node, Site
from bruk.store import places, work
from bruk.wire import codec
from bruk.wire.answers import GatewayStatus, NodeKind
from bruk.wire.requests import GatewayBody, PowerBody, SiteBody, SiteChange

router = APIRouter(tags=["sites"])


@router.get("/scheduler/snapshot", dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def scheduler_snapshot(control: ControlOf) -> Any:
    """All that the scheduler knows at this instant: to be kept, and explained by 'bruk twin explain'."""
    with control.read() as connection:
        return codec.dump(snapshot.take(connection, control.clock.now_ms()))


@router.get("/status", dependencies=[guard(Policy(EVERYBODY, Reach.OWN))])
def status(control: ControlOf, caller: Caller) -> dict[str, Any]:
    """The platform at a glance: sites, switch, counts of what the caller may see."""
    with control.read() as connection:
        agents = {row.site: row for row in places.agents(connection)}
        nodes = places.nodes(connection)
        live = [record.run for record in work.runs(connection, unsettled=True) if not record.run.ended]
        shown = []
        for site in places.sites(connection):
            if not authorise.may_see_site(caller, site.name):
                continue
            own = [node for node in nodes if node.site == site.name]
            here = [run for run in live if run.site == site.name and authorise.may_see_run(caller, run)]
            shown.append(
                {
                    "site": codec.dump(site),
                    "last_sync_at_ms": agents[site.name].last_sync_at_ms,
                    "connected": _connected(agents[site.name].last_sync_at_ms, site, control.clock.now_ms()),
                    "local_hold": agents[site.name].local_hold,
                    "clock_ahead_ms": control.skews.ahead_ms(f"agent {site.name}"),
                    "nodes": len(own),
                    "devices": sum(node.devices for node in own),
                    "devices_used": sum(run.devices_total for run in here),
                    "runs": len(here),
                }
            )
        found = switch.state_for(connection, caller)
        mine = [run for run in live if authorise.may_see_run(caller, run)]
        seen = work.workloads(connection, open_=True, tenant=caller.tenant, project=caller.project)
        if authorise.site_of(caller):
            at_work = {run.workload for run in mine}
            seen = [item for item in seen if item.id in at_work]
        waiting = len(work.waiting_for(connection).keys() & {item.id for item in seen})
        gateways = [
            {
                "name": row.name,
                "site": row.site,
                "last_sync_at_ms": row.last_sync_at_ms,
                "clock_ahead_ms": control.skews.ahead_ms(f"gateway {row.name}"),
            }
            for row in places.gateways(connection)
            if authorise.may_see_site(caller, row.site)
        ]
    return {
        "version": __version__,
        "sites": shown,
        "gateways": gateways,
        "gateway_url": control.gateway_url,
        "switch": codec.dump(found),
        "now_ms": control.clock.now_ms(),
        "counts": {"open_workloads": len(seen), "waiting": waiting, "runs": len(mine)},
    }


def _connected(last_sync_at_ms: int | None, site: Site, now_ms: int) -> bool:
    return last_sync_at_ms is not None and now_ms - last_sync_at_ms <= site.lease_ms


@router.get("/sites", dependencies=[guard(Policy(EVERYBODY, Reach.OWN))])
def list_sites(control: ControlOf, caller: Caller, window: WindowOf) -> Page[Site]:
    """Every site; where work may run is no secret."""
    with control.read() as connection:
        found = [site for site in places.sites(connection) if authorise.may_see_site(caller, site.name)]
    return page_of(found, window, lambda site: site.name)


@router.post("/sites", status_code=201, dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def add_site(control: ControlOf, caller: Caller, body: SiteBody, once: OnceOf) -> Any:
    """Add a site. The answer carries its agent's token, this once."""

    def make() -> dict[str, Any]:
        site, token = sites.add_site(control, caller, body)
        return {"site": codec.dump(site), "token": token}

    return once(body, make)


@router.get("/sites/{site}", dependencies=[guard(Policy(EVERYBODY, Reach.SITE))])
def get_site(control: ControlOf, caller: Caller, site: str) -> Site:
    """One site."""
    authorise.see_site(caller, site)
    with control.read() as connection:
        return places.get_site(connection, site)


@router.patch("/sites/{site}", dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def change_site(control: ControlOf, caller: Caller, site: str, body: SiteChange) -> Site:
    """Change what may change of a site; its country is not among it."""
    return sites.change_site(control, caller, site, body)


@router.put("/sites/{site}/power", dependencies=[guard(Policy(OPERATORS, Reach.SITE))])
def limit_power(control: ControlOf, caller: Caller, site: str, body: PowerBody) -> Site:
    """Say anew how much power the site may draw, and when."""
    return sites.limit_power(control, caller, site, body)


@router.post("/sites/{site}/token", status_code=201, dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def renew_token(control: ControlOf, caller: Caller, site: str) -> dict[str, str]:
    """A fresh token for the site's agent, shown this once; the old one stops working."""
    return {"token": sites.renew_agent_token(control, caller, site)}


@router.get("/gateways", dependencies=[guard(Policy(READERS, Reach.PLATFORM))])
def list_gateways(control: ControlOf, caller: Caller, window: WindowOf) -> Page[GatewayStatus]:
    """Every gateway; for operators and auditors."""
    found = [codec.load(GatewayStatus, codec.dump(row)) for row in sites.gateways(control, caller)]
    return page_of(found, window, lambda item: item.name)


@router.post("/gateways", status_code=201, dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def add_gateway(control: ControlOf, caller: Caller, body: GatewayBody, once: OnceOf) -> Any:
    """Add a gateway at a site. The answer carries its token, this once."""

    def make() -> dict[str, Any]:
        row, token = sites.new_gateway(control, caller, body.name, body.site)
        return {"gateway": codec.dump(codec.load(GatewayStatus, codec.dump(row))), "token": token}

    return once(body, make)


@router.post(
    "/gateways/{gateway}/token", status_code=201, dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))]
)
def renew_gateway_token(control: ControlOf, caller: Caller, gateway: str) -> dict[str, str]:
    """A fresh token for a gateway, shown this once; the old one stops working at once."""
    return {"token": sites.renew_gateway_token(control, caller, gateway)}


@router.get("/sites/{site}/kinds", dependencies=[guard(Policy(EVERYBODY, Reach.SITE))])
def list_kinds(control: ControlOf, caller: Caller, site: str, window: WindowOf) -> Page[NodeKind]:
    """What kinds of nodes a site has and how many of each: what a job can ask for there."""
    authorise.see_site(caller, site)
    with control.read() as connection:
        places.get_site(connection, site)
        found = Counter(
            (node.accelerator, node.devices, node.cpu_milli, node.memory_bytes)
            for node in places.nodes(connection, site)
        )
    kinds = [
        NodeKind(name, count, devices, cpu_milli, memory_bytes)
        for (name, devices, cpu_milli, memory_bytes), count in sorted(found.items())
    ]
    return page_of(
        kinds,
        window,
        lambda kind: f"{kind.accelerator}/{kind.devices}/{kind.cpu_milli}/{kind.memory_bytes}",
    )


@router.get("/sites/{site}/nodes", dependencies=[guard(Policy(OVERSEERS, Reach.SITE))])
def list_nodes(control: ControlOf, caller: Caller, site: str, window: WindowOf) -> Page[Node]:
    """A site's nodes by name, with their health, as its agent reports them; for whoever oversees it."""
    authorise.oversee(caller, "see a site's nodes by name")
    authorise.see_site(caller, site)
    with control.read() as connection:
        places.get_site(connection, site)
        return page_of(places.nodes(connection, site), window, lambda node: node.name)


@router.post("/sites/{site}/nodes/{node}/{action}", dependencies=[guard(Policy(OPERATORS, Reach.SITE))])
def drain_node(control: ControlOf, caller: Caller, site: str, node: str, action: str) -> Node:
    """``drain`` gives the node no new work; ``undrain`` gives it work again."""
    if action not in ("drain", "undrain"):
        raise NotFound(f"a node can be drained or undrained, not {action!r}")
    return sites.drain(control, caller, site, node, action == "drain")
