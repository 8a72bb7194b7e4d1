"""Sites and their nodes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import duration_ms, show_duration, show_moment, show_size, show_watts
from bruk.cli.settings import client
from bruk.model.errors import BrukError, ErrorKind, InvalidInput
from bruk.model.site import CutOffPolicy, Node, PowerLimit

if TYPE_CHECKING:
    from bruk.sdk import Client
    from bruk.wire.answers import NodeKind

PANEL = "Operate"


def show_limit(limit: PowerLimit) -> str:
    """How much power, and when, in a few words."""
    since = f" from {show_moment(limit.from_ms)}" if limit.from_ms else ""
    until = f" until {show_moment(limit.until_ms)}" if limit.until_ms is not None else ""
    return f"{show_watts(limit.watts)}{since}{until}"


SiteArgument = Annotated[str, typer.Argument(help="Name of the site.")]
NodeArgument = Annotated[str, typer.Argument(help="Name of the node.")]

site_app = typer.Typer(no_args_is_help=True, help="Places where work runs.")
node_app = typer.Typer(no_args_is_help=True, help="Machines of a site.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(site_app, name="site", rich_help_panel=PANEL)
    app.add_typer(node_app, name="node", rich_help_panel=PANEL)


@site_app.command("add")
def site_add(
    ctx: typer.Context,
    name: SiteArgument,
    country: Annotated[str, typer.Option(help="Country whose law holds there, two letters, like FR.")],
    zone: Annotated[str, typer.Option(help="Electricity bidding zone, like FR or SE-SE3.")],
    display_name: Annotated[str, typer.Option(help="Name for people.")] = "",
    operator: Annotated[str, typer.Option(help="Organisation that runs the place.")] = "",
    pue: Annotated[str, typer.Option(help="Power usage effectiveness, like 1.25.")] = "1.5",
    pue_source: Annotated[str, typer.Option(help="Where that figure comes from.")] = "assumed",
    cut_off: Annotated[
        CutOffPolicy, typer.Option(help="What running work does when control is away past the lease.")
    ] = CutOffPolicy.CONTINUE,
    lease: Annotated[str, typer.Option(help="How long the site acts on what it last heard.")] = "60s",
    accept_no_isolation: Annotated[
        str,
        typer.Option(
            help="Let tenants share the site without isolation: who accepts that, and why, in a sentence.",
            show_default=False,
        ),
    ] = "",
    json: JsonOption = False,
) -> None:
    """Add a site. The country is the operator's word: no agent can change it."""
    from bruk.cli.request import built, milli
    from bruk.wire.requests import SiteBody

    body = built(
        SiteBody,
        name=name,
        country=country.upper(),
        grid_zone=zone.upper(),
        display_name=display_name,
        operator=operator,
        pue_milli=milli(pue, "--pue"),
        pue_source=pue_source,
        cut_off=cut_off,
        lease_ms=duration_ms(lease),
        isolation_acceptance=accept_no_isolation,
    )
    with client(ctx) as control:
        site, token = control.sites.add(body)
    if json:
        output.show_json({"site": site, "token": token})
        return
    output.say(f"Site {site.name} added; 'bruk up' starts its agent, with a token of its own.")


@site_app.command("ls")
def site_ls(ctx: typer.Context, json: JsonOption = False) -> None:
    """List the sites."""
    with client(ctx) as control:
        sites = list(control.sites.list())
    if json:
        output.show_json(sites)
        return
    output.table(
        ["Site", "~Name", "Country", "Zone", "~Operator", "Engine", ">PUE", "Isolation", "Cut off"],
        (
            [
                site.name,
                site.display_name,
                site.country,
                site.grid_zone,
                site.operator,
                site.engine.value,
                f"{site.pue_milli // 1000}.{site.pue_milli % 1000:03d}",
                site.isolation.value,
                site.cut_off.value,
            ]
            for site in sites
        ),
        none="No sites yet. 'bruk site add' adds one.",
    )


@site_app.command("show")
def site_show(ctx: typer.Context, name: SiteArgument, json: JsonOption = False) -> None:
    """Show a site and its nodes; to tenants, what kinds of nodes it has."""
    with client(ctx) as control:
        site = control.sites.get(name)
        nodes = _nodes(control, [name])
        kinds = [] if nodes is not None else _kinds(control, [name])
    if json:
        output.show_json({"site": site} | ({"kinds": _dumped(kinds)} if nodes is None else {"nodes": nodes}))
        return
    output.fields(
        [
            ("Site", site.name),
            ("Name", site.display_name),
            ("Country", site.country),
            ("Grid zone", site.grid_zone),
            ("Operator", site.operator),
            ("Engine", site.engine.value),
            ("PUE", f"{site.pue_milli // 1000}.{site.pue_milli % 1000:03d} ({site.pue_source})"),
            ("When cut off", f"{site.cut_off.value} after {show_duration(site.lease_ms)}"),
            ("Isolation", site.isolation.value),
            ("Accepted without", site.isolation_acceptance),
            ("Jobs may reach", ", ".join(site.network)),
            ("Power limits", [show_limit(limit) for limit in site.power_limits]),
        ]
    )
    output.say("")
    _tables(nodes, kinds)


@node_app.command("ls")
def node_ls(
    ctx: typer.Context,
    site: Annotated[
        str | None, typer.Argument(help="Only this site; all if left out.", show_default=False)
    ] = None,
    by_option: Annotated[str | None, typer.Option("--site", help="The same, as an option.")] = None,
    json: JsonOption = False,
) -> None:
    """List the nodes of a site, or of all; to tenants, what kinds of nodes there are."""
    if site and by_option and site != by_option:
        raise InvalidInput(f"Two sites are named, {site} and {by_option}; name one, or none for all.")
    site = site or by_option
    with client(ctx) as control:
        names = [site] if site else [item.name for item in control.sites.list()]
        nodes = _nodes(control, names)
        kinds = [] if nodes is not None else _kinds(control, names)
    if json:
        output.show_json(_dumped(kinds) if nodes is None else nodes)
        return
    _tables(nodes, kinds)


@node_app.command("drain")
def node_drain(ctx: typer.Context, site: SiteArgument, node: NodeArgument, json: JsonOption = False) -> None:
    """Let no new work onto a node."""
    with client(ctx) as control:
        _drained(control.sites.drain(site, node), json)


@node_app.command("undrain")
def node_undrain(
    ctx: typer.Context, site: SiteArgument, node: NodeArgument, json: JsonOption = False
) -> None:
    """Let work onto a node again."""
    with client(ctx) as control:
        _drained(control.sites.undrain(site, node), json)


def _drained(node: Node, json: bool) -> None:
    if json:
        output.show_json(node)
    else:
        output.say(
            f"Node {node.name} of {node.site} takes {'no new work' if node.drained else 'work again'}."
        )


def _nodes(control: "Client", sites: Sequence[str]) -> list[Node] | None:
    """The nodes of these sites by name; None where the caller may not see them."""
    try:
        return [node for name in sites for node in control.sites.nodes(name)]
    except BrukError as error:
        if error.kind is ErrorKind.FORBIDDEN:
            return None
        raise


def _kinds(control: "Client", sites: Sequence[str]) -> "list[tuple[str, NodeKind]]":
    return [(name, kind) for name in sites for kind in control.sites.kinds(name)]


def _dumped(kinds: "Sequence[tuple[str, NodeKind]]") -> list[dict[str, object]]:
    return [{"site": name, **output.dumped(kind)} for name, kind in kinds]


NONE_YET = "No nodes yet: the site's agent has not reported any."


def _tables(nodes: Sequence[Node] | None, kinds: "Sequence[tuple[str, NodeKind]]") -> None:
    if nodes is not None:
        _node_table(nodes)
        return
    output.table(
        ["Site", "Accelerator", ">Nodes", ">Devices each", ">Cores each", ">Memory each"],
        (
            [
                site,
                kind.accelerator,
                kind.nodes,
                kind.devices,
                kind.cpu_milli // 1000,
                show_size(kind.memory_bytes),
            ]
            for site, kind in kinds
        ),
        none=NONE_YET,
    )


def _node_table(nodes: Sequence[Node]) -> None:
    output.table(
        ["Site", "Node", "Pool", "Accelerator", ">Devices", ">Cores", ">Memory", "Health", "Drained"],
        (
            [
                node.site,
                node.name,
                node.pool,
                node.accelerator,
                node.devices,
                node.cpu_milli // 1000,
                show_size(node.memory_bytes),
                node.health.value,
                node.drained,
            ]
            for node in nodes
        ),
        none=NONE_YET,
    )
