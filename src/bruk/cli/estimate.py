"""What a job would cost, shown before it is submitted, and what it would wait for."""

from typing import TYPE_CHECKING

from bruk.cli import output
from bruk.cli.quantity import show_duration, show_eur, show_grams, show_kwh
from bruk.cli.work import because

if TYPE_CHECKING:
    from bruk.wire.answers import Estimate


def show_estimate(costs: "Estimate") -> None:
    """Print an estimate. Without a site there is no price, and it never says 0.00."""
    time = ("Device time at most", show_duration(costs.device_ms_max))
    if not costs.sites:
        output.fields([("Costs at most", "not known yet: no site would do"), time])
    else:
        output.fields([("Costs at most", _most(costs)), time])
        _show_sites(costs)
    if costs.waiting_for is not None:
        reason = costs.waiting_for
        output.say(f"Submitted now it would wait ({reason.code.value.replace('_', ' ')}): {because(reason)}")
        output.say(f"What to do: {reason.advice}")


def _most(costs: "Estimate") -> str:
    most, more = f"{show_eur(costs.amount_microeur_max)} EUR", costs.attempts_max - 1
    if not more:
        return most
    all_tries = show_eur(costs.amount_microeur_max * costs.attempts_max)
    return f"{most}, {all_tries} if it fails and is tried {'again' if more == 1 else f'{more} times more'}"


def _show_sites(costs: "Estimate") -> None:
    output.table(
        ["Site", "Accelerator", ">At most EUR", ">At most kWh", ">At most gCO2e"],
        (
            [
                site.site,
                site.accelerator,
                show_eur(site.amount_microeur),
                show_kwh(site.energy_j),
                show_grams(site.carbon_mg),
            ]
            for site in costs.sites
        ),
    )
