"""Operators before tenants' content: who asked, why, what they looked at; to approve and to end."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from bruk.console.door import ControlOf, Posting, Seen, guard
from bruk.console.rendering import page
from bruk.control import inspection, overview
from bruk.model.errors import InvalidInput
from bruk.model.inspection import OperatorAccess
from bruk.model.policy import OPERATORS, OVERSEERS, TENANT_ADMINS, Policy, Reach
from bruk.wire.access import InspectionBody
from bruk.wire.codec import explain

router = APIRouter()

HOUR_MS = 3_600_000


@router.get("/access", dependencies=[guard(Policy(OVERSEERS | TENANT_ADMINS, Reach.OWN))])
def board(request: Request, visitor: Seen, control: ControlOf) -> Response:
    """Every access request that the caller may see, with what was looked at."""
    own = [item for item in overview.tenants(control, visitor.actor) if item.name == visitor.actor.tenant]
    return page(
        request,
        "access.html",
        live={"requests": "live/requests.html"},
        section="access",
        requests=inspection.listing(control, visitor.actor),
        tenant=own[0] if own else None,
        projects=overview.projects(control, visitor.actor),
    )


@router.post("/access", dependencies=[guard(Policy(OPERATORS, Reach.RUN))])
def ask(
    visitor: Posting,
    control: ControlOf,
    project: Annotated[str, Form(max_length=200)],
    reason: Annotated[str, Form(max_length=2000)],
    hours: Annotated[int, Form(ge=1, le=24)] = 1,
    workload: Annotated[str, Form(max_length=200, pattern="^[A-Za-z0-9_]*$")] = "",
) -> Response:
    """Ask to look at a project's content, for a reason and for a time."""
    if not reason.strip():
        raise InvalidInput("say why: the tenant reads it, and it stands in the audit log", field="reason")
    try:
        body = InspectionBody(project=project, reason=reason, life_ms=hours * HOUR_MS)
    except ValidationError as error:
        raise InvalidInput(explain(error)) from None
    inspection.ask(control, visitor.actor, body)
    return RedirectResponse(f"/workloads/{workload}" if workload else "/access", status_code=303)


@router.post("/access/demand", dependencies=[guard(Policy(TENANT_ADMINS, Reach.OWN))])
def demand(
    visitor: Posting, control: ControlOf, operator_access: Annotated[OperatorAccess, Form()]
) -> Response:
    """Say whether operators need your tenant's approval before they look at its content."""
    inspection.demand(control, visitor.actor, visitor.actor.tenant or "", operator_access)
    return RedirectResponse("/access", status_code=303)


@router.post("/access/{request}/approve", dependencies=[guard(Policy(TENANT_ADMINS, Reach.TENANT))])
def approve(request: str, visitor: Posting, control: ControlOf) -> Response:
    """Let the operator look; the time begins now."""
    inspection.approve(control, visitor.actor, request)
    return RedirectResponse("/access", status_code=303)


@router.post("/access/{request}/end", dependencies=[guard(Policy(OPERATORS | TENANT_ADMINS, Reach.TENANT))])
def end(request: str, visitor: Posting, control: ControlOf) -> Response:
    """End an access request before its time, or say no to it."""
    inspection.end(control, visitor.actor, request)
    return RedirectResponse("/access", status_code=303)
