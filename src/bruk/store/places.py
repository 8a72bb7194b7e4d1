"""Queries of sites, their nodes, agents and gateways."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, update

from bruk.model.site import Node, Site
from bruk.store import rows
from bruk.store.tables import agent, gateway, node, site


@dataclass(frozen=True, slots=True)
class AgentRow:
    """What control knows of a site's agent."""

    site: str
    token_hash: str
    last_sync_at_ms: int | None = None
    journal: str = ""
    meter_seq: int = 0
    boot_id: str = ""
    version: str = ""
    local_hold: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """What control knows of a gateway."""

    name: str
    site: str
    token_hash: str
    created_at_ms: int
    last_sync_at_ms: int | None = None
    lease_until_ms: int | None = None
    journal: str = ""
    usage_seq: int = 0


def add_site(connection: Connection, value: Site, agent_token_hash: str) -> None:
    """A new site and its agent's row."""
    rows.add(connection, site, value)
    rows.add(connection, agent, AgentRow(value.name, agent_token_hash))


def replace_site(connection: Connection, value: Site) -> None:
    """Write a site anew."""
    rows.replace(connection, site, value)


def get_site(connection: Connection, name: str) -> Site:
    """The site.

    Raises:
        NotFound: there is none of that name.
    """
    return rows.noun(connection, Site, site, "site", name=name)


def sites(connection: Connection) -> list[Site]:
    """Every site, by name."""
    return rows.nouns(connection, Site, site, "name")


def nodes(connection: Connection, of_site: str | None = None) -> list[Node]:
    """Every node, by site and name."""
    key = {} if of_site is None else {"site": of_site}
    return rows.nouns(connection, Node, node, "site", "name", **key)


def replace_nodes(connection: Connection, of_site: str, values: list[Node]) -> None:
    """A site's inventory as its agent reports it now."""
    connection.execute(delete(node).where(node.c.site == of_site))
    if values:
        connection.execute(insert(node), [rows.to_row(node, value) for value in values])


def set_drained(connection: Connection, of_site: str, name: str, drained: bool) -> None:
    """Mark a node drained or not.

    Raises:
        NotFound: there is no such node.
    """
    rows.one(connection, node, "node", site=of_site, name=name)
    connection.execute(
        update(node).where(node.c.site == of_site, node.c.name == name).values(drained=drained)
    )


def agents(connection: Connection) -> list[AgentRow]:
    """Every site's agent."""
    return [rows.to_value(AgentRow, row) for row in rows.every(connection, agent, "site")]


def get_agent(connection: Connection, of_site: str) -> AgentRow:
    """A site's agent."""
    return rows.to_value(AgentRow, rows.one(connection, agent, "agent of site", site=of_site))


def replace_agent(connection: Connection, value: AgentRow) -> None:
    """Write what is known of an agent."""
    rows.replace(connection, agent, value)


def add_gateway(connection: Connection, value: GatewayRow) -> None:
    """A new gateway."""
    rows.add(connection, gateway, value)


def gateways(connection: Connection) -> list[GatewayRow]:
    """Every gateway, by name."""
    return [rows.to_value(GatewayRow, row) for row in rows.every(connection, gateway, "name")]


def get_gateway(connection: Connection, name: str) -> GatewayRow:
    """A gateway.

    Raises:
        NotFound: there is none of that name.
    """
    return rows.to_value(GatewayRow, rows.one(connection, gateway, "gateway", name=name))


def replace_gateway(connection: Connection, value: GatewayRow) -> None:
    """Write what is known of a gateway."""
    rows.replace(connection, gateway, value)
