"""What a job would cost, shown before it is submitted; and where nothing is known yet, why.

The reason is for people: control decides where a job may run. Look at ``control.jobs``.
"""

from typing import TYPE_CHECKING

from bruk.cli import output
from bruk.cli.quantity import show_duration, show_eur, show_grams, show_kwh
from bruk.model.errors import BrukError
from bruk.model.tenant import Residency

if TYPE_CHECKING:
    from bruk.model.site import Site
    from bruk.sdk import Client
    from bruk.wire.answers import Estimate
    from bruk.wire.requests import JobBody

UNKNOWN = "none that its law allows has devices that would do"


def show_estimate(control: "Client", body: "JobBody", costs: "Estimate") -> None:
    """Print an estimate. Without a site there is no price: it says why, and never 0.00."""
    time = ("Device time at most", show_duration(costs.device_ms_max))
    if not costs.sites:
        output.fields(
            [
                ("Costs at most", "not known yet: no site would do"),
                time,
                ("Sites", f"{_why_no_site(control, body)}; the job would wait"),
            ]
        )
        return
    most = f"{show_eur(costs.amount_microeur_max)} EUR"
    if costs.attempts_max > 1:
        all_tries = show_eur(costs.amount_microeur_max * costs.attempts_max)
        most += f", {all_tries} if it fails and is tried {_times(costs.attempts_max - 1)}"
    output.fields([("Costs at most", most), time])
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


def _times(more: int) -> str:
    return "again" if more == 1 else f"{more} times more"


def _why_no_site(control: "Client", body: "JobBody") -> str:
    """Why an estimate has no sites, as far as the caller may see it."""
    try:
        sites = list(control.sites.list())
        law = _law(control, body)
        if not sites:
            return "there are none yet, 'bruk site add' adds one"
        asked = [site for site in sites if not body.spec.sites or site.name in body.spec.sites]
        allowed = [site for site in asked if not law.refusal(site.country, site.operator, site.name)]
        if asked and not allowed:
            return f"its law allows none of them ({_refusals(law, asked)})"
        return _what_they_have(control, body, allowed)
    except BrukError:
        # The estimate is at hand; that its reason cannot be had must not take it away.
        return UNKNOWN


def _law(control: "Client", body: "JobBody") -> Residency:
    """The job's law, without its tenant's where the caller may not read that."""
    project_id = body.project or control.me().project or ""
    project = control.projects.get(project_id)
    try:
        return control.tenants.get(project.tenant).residency.narrowed(project.residency)
    except BrukError:
        return project.residency


def _refusals(law: Residency, sites: list["Site"]) -> str:
    said = [f"{site.name}: {law.refusal(site.country, site.operator, site.name)}" for site in sites[:3]]
    return "; ".join(said) + ("; …" if len(sites) > 3 else "")


def _what_they_have(control: "Client", body: "JobBody", allowed: list["Site"]) -> str:
    kinds = [kind for site in allowed for kind in control.sites.kinds(site.name)]
    if not kinds:
        return (
            "none that its law allows has reported devices yet, 'bruk status' says which agents are connected"
        )
    there = sorted({kind.accelerator for kind in kinds})
    wanted = body.spec.resources.accelerators
    if wanted and not set(wanted) & set(there):
        return f"none that its law allows has {' or '.join(wanted)}, there is {', '.join(there)}"
    return UNKNOWN
