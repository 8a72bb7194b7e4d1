"""Commands on sites, their nodes, and gateways. The country is the operator's to say, nobody else's."""

from dataclasses import replace

from bruk.control import authorise
from bruk.control.access import hash_secret
from bruk.control.control import Control
from bruk.facility.carbon import carbon_zones
from bruk.model.errors import Conflict, InvalidInput
from bruk.model.name import check_name
from bruk.model.site import Node, Site
from bruk.model.tenant import Actor
from bruk.store import places
from bruk.store.places import GatewayRow
from bruk.wire.requests import PowerBody, SiteBody, SiteChange


def add_site(control: Control, actor: Actor, body: SiteBody) -> tuple[Site, str]:
    """A new site and its agent's token, which is shown this once."""
    if body.grid_zone not in carbon_zones():
        raise InvalidInput(
            f"no carbon intensity is known for the grid zone {body.grid_zone}; known are "
            + ", ".join(carbon_zones()),
            field="grid_zone",
        )
    accepted = {"isolation_acceptance": body.isolation_acceptance} if body.isolation_acceptance else {}
    with control.change(actor, "site.add", body.name, country=body.country, **accepted) as change:
        authorise.operate(actor, "add sites")
        if any(found.name == body.name for found in places.sites(change.connection)):
            raise Conflict(f"there is a site {body.name!r} already", id=body.name)
        site = Site(
            name=body.name,
            display_name=body.display_name or body.name,
            country=body.country,
            grid_zone=body.grid_zone,
            operator=body.operator,
            pue_milli=body.pue_milli,
            pue_source=body.pue_source,
            cut_off=body.cut_off,
            lease_ms=body.lease_ms,
            isolation_acceptance=body.isolation_acceptance,
            created_at_ms=change.now_ms,
        )
        token = control.clock.secret()
        places.add_site(change.connection, site, hash_secret(token))
    return site, token


def change_site(control: Control, actor: Actor, name: str, body: SiteChange) -> Site:
    """Change what may change of a site."""
    fields = body.model_dump(exclude_unset=True)
    with control.change(
        actor, "site.change", name, **{key: str(item) for key, item in fields.items()}
    ) as change:
        authorise.operate(actor, "change sites")
        site = replace(places.get_site(change.connection, name), **fields)
        places.replace_site(change.connection, site)
    return site


def limit_power(control: Control, actor: Actor, name: str, body: PowerBody) -> Site:
    """Say anew how much power a site may draw, and when.

    Raises:
        InvalidInput: a limit ends before it begins.
    """
    limits = tuple(limit.value() for limit in body.limits)
    for limit in limits:
        if limit.until_ms is not None and limit.until_ms <= limit.from_ms:
            raise InvalidInput("a power limit ends after it begins", field="until_ms")
    with control.change(actor, "site.power", name, limits=body.model_dump(mode="json")["limits"]) as change:
        authorise.operate(actor, "limit a site's power", name)
        site = replace(places.get_site(change.connection, name), power_limits=limits)
        places.replace_site(change.connection, site)
    return site


def renew_agent_token(control: Control, actor: Actor, name: str) -> str:
    """A fresh token for a site's agent; the old one stops working at once."""
    with control.change(actor, "site.token", name) as change:
        authorise.operate(actor, "renew agents' tokens")
        token = control.clock.secret()
        row = places.get_agent(change.connection, name)
        places.replace_agent(change.connection, replace(row, token_hash=hash_secret(token)))
    return token


def drain(control: Control, actor: Actor, site: str, node: str, drained: bool) -> Node:
    """Give a node no new work, or give it work again."""
    with control.change(actor, "node.drain" if drained else "node.undrain", f"{site}/{node}") as change:
        authorise.operate(actor, "drain nodes", site)
        places.get_site(change.connection, site)
        places.set_drained(change.connection, site, node, drained)
        return next(found for found in places.nodes(change.connection, site) if found.name == node)


def add_gateway(control: Control, actor: Actor, name: str, site: str) -> str:
    """A new gateway (or a fresh token for a known one) and its token, shown this once."""
    check_name(name, "gateway name")
    with control.change(actor, "gateway.add", name, site=site) as change:
        authorise.operate(actor, "add gateways")
        places.get_site(change.connection, site)
        token = control.clock.secret()
        known = next((row for row in places.gateways(change.connection) if row.name == name), None)
        if known is None:
            row = GatewayRow(name, site, hash_secret(token), change.now_ms)
            places.add_gateway(change.connection, row)
        else:
            places.replace_gateway(
                change.connection, replace(known, token_hash=hash_secret(token), site=site)
            )
    return token


def new_gateway(control: Control, actor: Actor, name: str, site: str) -> tuple[GatewayRow, str]:
    """A gateway that was not there before, and its token, shown this once.

    Raises:
        Conflict: there is one of that name; its token is renewed otherwise.
    """
    with control.refusals(actor, "gateway.add", name):
        authorise.operate(actor, "add gateways")
    with control.read() as connection:
        if any(row.name == name for row in places.gateways(connection)):
            raise Conflict(
                f"there is a gateway {name!r} already; 'bruk gateway token {name}' renews its token", id=name
            )
    token = add_gateway(control, actor, name, site)
    with control.read() as connection:
        return places.get_gateway(connection, name), token


def renew_gateway_token(control: Control, actor: Actor, name: str) -> str:
    """A fresh token for a gateway; the old one stops working at once, also while it waits."""
    with control.change(actor, "gateway.token", name) as change:
        authorise.operate(actor, "renew gateways' tokens")
        token = control.clock.secret()
        row = places.get_gateway(change.connection, name)
        places.replace_gateway(change.connection, replace(row, token_hash=hash_secret(token)))
    return token


def gateways(control: Control, actor: Actor) -> list[GatewayRow]:
    """Every gateway, by name; for operators and auditors."""
    authorise.audit(actor, "list gateways")
    with control.read() as connection:
        return places.gateways(connection)
