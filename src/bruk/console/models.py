"""Models with their lineage and evaluation cards; endpoints with their replicas."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from bruk.console import charts
from bruk.console.door import ControlOf, Posting, Seen, guard
from bruk.console.rendering import page
from bruk.control import authorise, data, endpoints, jobs, models, overview
from bruk.control.control import Control
from bruk.model.artifact import Artifact
from bruk.model.errors import InvalidInput, NotFound
from bruk.model.ledger import Resource
from bruk.model.name import check_name
from bruk.model.policy import PLATFORM, READERS, TENANT_PEOPLE, Policy, Reach
from bruk.model.tenant import Actor
from bruk.model.workload import WorkloadKind
from bruk.store import goods
from bruk.wire.requests import EndpointBody, GateBody

router = APIRouter()

REPLICAS_MAX = 1000


@router.get("/models", dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.OWN))])
def listing(request: Request, visitor: Seen, control: ControlOf) -> Response:
    """Every model that the caller may see."""
    found = models.listing(control, visitor.actor)
    with control.read() as connection:
        gate = models.platform_gate(connection)
    return page(
        request,
        "models.html",
        live={"models": "live/models.html"},
        section="models",
        models=found,
        gate=gate,
    )


@router.get("/models/{model}", dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.TENANT))])
def one(request: Request, model: str, visitor: Seen, control: ControlOf) -> Response:
    """One model: where it comes from, how well it predicts, whether it may be served."""
    found = models.get(control, visitor.actor, model)
    with control.read() as connection:
        own_gate = goods.gate_of(connection, model)
        gate = own_gate or models.platform_gate(connection)
    serving = [
        item
        for item in jobs.listing(control, visitor.actor, kind=WorkloadKind.ENDPOINT, open_=True)
        if item.endpoint.model == model
    ]
    newest = found.evaluations[-1] if found.evaluations else None
    return page(
        request,
        "model.html",
        live={"model": "live/model.html"},
        section="models",
        model=found,
        artifact=_artifact(control, visitor.actor, found.artifact),
        parents=[_artifact(control, visitor.actor, parent) or parent for parent in found.parents],
        gate=gate,
        own_gate=own_gate is not None,
        evaluation=newest,
        older=found.evaluations[:-1][::-1],
        bars=charts.bars(found.id, newest.figures_micro) if newest else [],
        serving=serving,
    )


def _artifact(control: Control, actor: Actor, artifact: str) -> Artifact | None:
    try:
        return data.get(control, actor, artifact)
    except NotFound:
        return None


@router.post("/models/{model}/gate", dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def set_gate(
    model: str, visitor: Posting, control: ControlOf, percent: Annotated[float, Form(ge=0, le=10_000)]
) -> Response:
    """Give a model a gate of its own: the same figures as now, another limit."""
    authorise.operate(visitor.actor, "set gates")
    found = models.get(control, visitor.actor, model)
    with control.read() as connection:
        gate = goods.gate_of(connection, found.id) or models.platform_gate(connection)
    body = GateBody(
        metric=gate.metric, baseline=gate.baseline, rule=gate.rule, limit_permille=round(percent * 10)
    )
    models.set_gate(control, visitor.actor, found.id, body)
    return RedirectResponse(f"/models/{found.id}", status_code=303)


@router.post("/models/{model}/retire", dependencies=[guard(Policy(PLATFORM | TENANT_PEOPLE, Reach.TENANT))])
def retire(
    model: str,
    visitor: Posting,
    control: ControlOf,
    confirmed: Annotated[str, Form(max_length=63)] = "",
) -> Response:
    """Take a model out of use for good; its id is typed once more, so that it is meant."""
    models.get(control, visitor.actor, model)
    if confirmed != model:
        raise InvalidInput(f"to retire it, type its id: {model}", field="confirmed")
    models.retire(control, visitor.actor, model)
    return RedirectResponse(f"/models/{model}", status_code=303)


@router.get("/endpoints", dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.OWN))])
def endpoint_list(request: Request, visitor: Seen, control: ControlOf) -> Response:
    """Every open endpoint with its replicas, and the models that could be served."""
    found = jobs.listing(control, visitor.actor, kind=WorkloadKind.ENDPOINT, open_=True)
    prices = {
        (price.resource, price.item): price.price_microeur
        for price in overview.prices_now(control)
        if price.resource is not Resource.DEVICE_TIME
    }
    return page(
        request,
        "endpoints.html",
        live={"endpoints": "live/endpoints.html"},
        section="endpoints",
        endpoints=found,
        replicas={
            item.id: [record.run for record in jobs.records(control, visitor.actor, item.id)][::-1]
            for item in found
        },
        reasons=jobs.waiting(control),
        prices=prices,
        resources=Resource,
        servable=[
            item
            for item in models.listing(control, visitor.actor)
            if item.stage.value in ("validated", "served")
        ],
    )


@router.post("/endpoints", dependencies=[guard(Policy(PLATFORM | TENANT_PEOPLE, Reach.TENANT))])
def serve(
    visitor: Posting,
    control: ControlOf,
    name: Annotated[str, Form(max_length=63)],
    model: Annotated[str, Form(max_length=63)],
    replicas: Annotated[int, Form(ge=0, le=REPLICAS_MAX)] = 1,
) -> Response:
    """Serve a model of its own project under a name."""
    check_name(name)
    project = models.get(control, visitor.actor, model).project
    body = EndpointBody(project=project, name=name, model=model, replicas=replicas)
    endpoints.create(control, visitor.actor, body)
    return RedirectResponse("/endpoints", status_code=303)


@router.post("/endpoints/{name}/scale", dependencies=[guard(Policy(PLATFORM | TENANT_PEOPLE, Reach.TENANT))])
def scale(
    name: str,
    visitor: Posting,
    control: ControlOf,
    replicas: Annotated[int, Form(ge=0, le=REPLICAS_MAX)],
) -> Response:
    """Keep another number of replicas."""
    endpoints.scale(control, visitor.actor, name, replicas)
    return RedirectResponse("/endpoints", status_code=303)


@router.post("/endpoints/{name}/remove", dependencies=[guard(Policy(PLATFORM | TENANT_PEOPLE, Reach.TENANT))])
def remove(
    name: str,
    visitor: Posting,
    control: ControlOf,
    confirmed: Annotated[str, Form(max_length=63)] = "",
) -> Response:
    """Stop serving under this name; the name is typed once more, so that it is meant."""
    if confirmed != name:
        raise InvalidInput(f"to remove it, type its name: {name}", field="confirmed")
    endpoints.remove(control, visitor.actor, name)
    return RedirectResponse("/endpoints", status_code=303)
