"""How much power a site may draw, and when."""

from typing import Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.places import SiteArgument, show_limit, site_app
from bruk.cli.quantity import moment_ms, watts
from bruk.cli.settings import client
from bruk.model.errors import InvalidInput

FromOption = Annotated[
    str | None, typer.Option("--from", help="Holds from then on, like 2026-12-01T18:00. Left out: at once.")
]
UntilOption = Annotated[str | None, typer.Option("--until", help="Holds until then. Left out: for good.")]


def add_to(app: typer.Typer) -> None:
    """Add ``site power`` to the group that is there already."""
    site_app.command("power")(site_power)


def site_power(
    ctx: typer.Context,
    name: SiteArgument,
    limit: Annotated[
        str | None,
        typer.Argument(help="Most that it may draw, cooling included, like 23MW.", show_default=False),
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", help="Holds from then on, like 2026-12-01T18:00; at once if not given."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Holds until then; for good if left out.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Forget all its limits first.")] = False,
    json: JsonOption = False,
) -> None:
    """Limit the power of a site, or show its limits. Several may hold at a time; the least counts.

    Work that would bring the site above it waits. When what runs is above it, preemptible runs are stopped
    after a checkpoint, the lowest priority and the least loss first, and go on when there is power again.
    """
    from bruk.wire.requests import PowerBody, PowerLimitBody

    if limit is None and (begin or until):
        raise InvalidInput("Say how much it may draw: 'bruk site power SITE 20MW --until 2026-12-01T21:00'.")
    with client(ctx) as control:
        site = control.sites.get(name)
        if limit is not None or clear:
            kept = () if clear else site.power_limits
            limits = [
                PowerLimitBody(watts=row.watts, from_ms=row.from_ms, until_ms=row.until_ms) for row in kept
            ]
            if limit is not None:
                limits.append(
                    PowerLimitBody(
                        watts=watts(limit),
                        from_ms=0 if begin is None else moment_ms(begin),
                        until_ms=None if until is None else moment_ms(until),
                    )
                )
            site = control.sites.limit_power(name, PowerBody(limits=limits))
    if json:
        output.show_json(site)
        return
    if not site.power_limits:
        output.say(f"The power of site {name} is not limited.")
    for row in site.power_limits:
        output.say(f"Site {name} may draw {show_limit(row)}.")
