"""Routes of sites, nodes and the platform's status."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter

from bruk import __version__
from bruk.api.door import Caller, ControlOf, OnceOf
from bruk.api.page import Page, WindowOf, page_of
from bruk.control import authorise, sites
from bruk.control.switch import state
from bruk.model.errors import NotFound
from bruk.model.site import Node, Site
from bruk.model.switch import Hold, HoldScope
from bruk.model.tenant import Actor
from bruk.store import goods, places, work
from bruk.store.database import Connection
from bruk.wire import codec
from bruk.wire.answers import SwitchState
from bruk.wire.requests import SiteBody, SiteChange

router = APIRouter(tags=["sites"])


@router.get("/status")
def status(control: ControlOf, caller: Caller) -> dict[str, Any]:
    """The platform at a glance: sites, switch, counts of what the caller may see."""
    with control.read() as connection:
        agents = {row.site: row for row in places.agents(connection)}
        nodes = places.nodes(connection)
        live = [record.run for record in work.runs(connection, unsettled=True) if not record.run.ended]
        shown = []
        for site in places.sites(connection):
            own = [node for node in nodes if node.site == site.name]
            here = [run for run in live if run.site == site.name]
            shown.append(
                {
                    "site": codec.dump(site),
                    "last_sync_at_ms": agents[site.name].last_sync_at_ms,
                    "connected": _connected(agents[site.name].last_sync_at_ms, site, control.clock.now_ms()),
                    "local_hold": agents[site.name].local_hold,
                    "nodes": len(own),
                    "devices": sum(node.devices for node in own),
                    "devices_used": sum(run.devices_total for run in here),
                    "runs": len(here),
                }
            )
        switch = _switch_for(connection, caller)
        seen = work.workloads(connection, open_=True, tenant=caller.tenant)
        waiting = len(work.waiting_for(connection).keys() & {item.id for item in seen})
        mine = [run for run in live if authorise.may_read(caller, run.tenant, run.project)]
        gateways = [
            {"name": row.name, "site": row.site, "last_sync_at_ms": row.last_sync_at_ms}
            for row in places.gateways(connection)
        ]
    return {
        "version": __version__,
        "sites": shown,
        "gateways": gateways,
        "gateway_url": control.gateway_url,
        "switch": codec.dump(switch),
        "counts": {"open_workloads": len(seen), "waiting": waiting, "runs": len(mine)},
    }


def _switch_for(connection: Connection, caller: Actor) -> SwitchState:
    """The switch as far as it concerns the caller; who else is held is not for tenants to know."""
    found = state(connection)
    if caller.tenant is None:
        return found

    def concerns(hold: Hold) -> bool:
        match hold.scope:
            case HoldScope.TENANT:
                return hold.target == caller.tenant
            case HoldScope.MODEL:
                model = goods.find_model(connection, hold.target)
                return model is not None and authorise.may_read(caller, model.project.split("/")[0])
            case _:
                return True

    return replace(found, holds=tuple(hold for hold in found.holds if concerns(hold)), acknowledgements=())


def _connected(last_sync_at_ms: int | None, site: Site, now_ms: int) -> bool:
    return last_sync_at_ms is not None and now_ms - last_sync_at_ms <= site.lease_ms


@router.get("/sites")
def list_sites(control: ControlOf, caller: Caller, window: WindowOf) -> Page[Site]:
    """Every site; where work may run is no secret."""
    with control.read() as connection:
        return page_of(places.sites(connection), window, lambda site: site.name)


@router.post("/sites", status_code=201)
def add_site(control: ControlOf, caller: Caller, body: SiteBody, once: OnceOf) -> Any:
    """Add a site. The answer carries its agent's token, this once."""

    def make() -> dict[str, Any]:
        site, token = sites.add_site(control, caller, body)
        return {"site": codec.dump(site), "token": token}

    return once(body, make)


@router.get("/sites/{site}")
def get_site(control: ControlOf, caller: Caller, site: str) -> Site:
    """One site."""
    with control.read() as connection:
        return places.get_site(connection, site)


@router.patch("/sites/{site}")
def change_site(control: ControlOf, caller: Caller, site: str, body: SiteChange) -> Site:
    """Change what may change of a site; its country is not among it."""
    return sites.change_site(control, caller, site, body)


@router.post("/sites/{site}/token", status_code=201)
def renew_token(control: ControlOf, caller: Caller, site: str) -> dict[str, str]:
    """A fresh token for the site's agent, shown this once; the old one stops working."""
    return {"token": sites.renew_agent_token(control, caller, site)}


@router.get("/sites/{site}/nodes")
def list_nodes(control: ControlOf, caller: Caller, site: str, window: WindowOf) -> Page[Node]:
    """A site's nodes as its agent reports them."""
    with control.read() as connection:
        places.get_site(connection, site)
        return page_of(places.nodes(connection, site), window, lambda node: node.name)


@router.post("/sites/{site}/nodes/{node}/{action}")
def drain_node(control: ControlOf, caller: Caller, site: str, node: str, action: str) -> Node:
    """``drain`` gives the node no new work; ``undrain`` gives it work again."""
    if action not in ("drain", "undrain"):
        raise NotFound(f"a node can be drained or undrained, not {action!r}")
    return sites.drain(control, caller, site, node, action == "drain")
