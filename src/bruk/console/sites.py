"""The overview, and one site with its nodes."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from bruk.console.door import ControlOf, Posting, Seen, guard
from bruk.console.rendering import page
from bruk.control import jobs, models, overview, sites, switch
from bruk.control.overview import SiteView
from bruk.model.policy import OPERATORS, PEOPLE, Policy, Reach
from bruk.model.workload import WorkloadKind

router = APIRouter()

NEWEST = 6


@router.get("/", dependencies=[guard(Policy(PEOPLE, Reach.OWN))])
def home(request: Request, visitor: Seen, control: ControlOf) -> Response:
    """Everything at a glance."""
    actor = visitor.actor
    views = overview.sites(control, actor)
    open_ = jobs.listing(control, actor, open_=True, limit=500)
    reasons = jobs.waiting(control)
    money = overview.money_left(control, actor)
    receipts = []
    state = None
    if visitor.oversees:
        with control.read() as connection:
            state = switch.state_for(connection, actor)
        receipts = switch.receipts(control, actor)[-NEWEST:][::-1]
    return page(
        request,
        "overview.html",
        live={"glance": "live/glance.html", "sites": "live/sites.html", "newest": "live/newest.html"},
        section="overview",
        views=views,
        open_jobs=sum(item.kind is WorkloadKind.JOB for item in open_),
        open_endpoints=sum(item.kind is WorkloadKind.ENDPOINT for item in open_),
        waiting=sum(item.id in reasons for item in open_),
        models=len(models.listing(control, actor)),
        newest=jobs.listing(control, actor, limit=NEWEST),
        reasons=reasons,
        runs=_newest_runs(views),
        spent=sum(item.spent_microeur for item in money.values()),
        power_w=sum(view.power_w for view in views),
        busy=sum(view.devices_busy for view in views),
        devices=sum(view.devices for view in views),
        state=state,
        platform_holds=[hold for hold in state.holds if hold.scope == "platform"] if state else [],
        receipts=receipts,
    )


def _newest_runs(views: list[SiteView]) -> dict[str, str]:
    """Workload id to what is observed of its newest unfinished run."""
    runs = sorted((run for view in views for run in view.runs), key=lambda run: run.created_at_ms)
    return {run.workload: run.observed.value for run in runs}


@router.get("/sites/{name}", dependencies=[guard(Policy(PEOPLE, Reach.SITE))])
def site(request: Request, name: str, visitor: Seen, control: ControlOf) -> Response:
    """One site: facility, agent, nodes, what runs there."""
    view = overview.site(control, visitor.actor, name)
    workloads = {run.workload: jobs.get(control, visitor.actor, run.workload) for run in view.runs}
    return page(
        request,
        "site.html",
        live={"site": "live/site.html"},
        section="overview",
        view=view,
        usable=overview.usable_devices(view),
        workloads=workloads,
    )


@router.post("/sites/{name}/nodes/{node}", dependencies=[guard(Policy(OPERATORS, Reach.SITE))])
def drain(
    name: str, node: str, visitor: Posting, control: ControlOf, drained: Annotated[bool, Form()]
) -> Response:
    """Give a node no new work, or give it work again."""
    sites.drain(control, visitor.actor, name, node, drained)
    return RedirectResponse(f"/sites/{name}", status_code=303)
