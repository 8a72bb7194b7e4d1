"""Routes of operators' requests to look at tenants' content."""

from fastapi import APIRouter

from bruk.api.door import Caller, ControlOf, guard
from bruk.api.page import Page, WindowOf, page_of
from bruk.control import inspection
from bruk.model.policy import OPERATORS, OVERSEERS, TENANT_ADMINS, Policy, Reach
from bruk.model.tenant import Tenant
from bruk.wire.access import InspectionBody, OperatorAccessBody
from bruk.wire.answers import AccessRequest

router = APIRouter(tags=["inspection"])


@router.get("/access-requests", dependencies=[guard(Policy(OVERSEERS | TENANT_ADMINS, Reach.OWN))])
def list_requests(control: ControlOf, caller: Caller, window: WindowOf) -> Page[AccessRequest]:
    """The access requests that the caller may see, with what was looked at, newest first."""
    return page_of(inspection.listing(control, caller), window, lambda item: item.inspection.id)


@router.post("/access-requests", status_code=201, dependencies=[guard(Policy(OPERATORS, Reach.RUN))])
def ask(control: ControlOf, caller: Caller, body: InspectionBody) -> AccessRequest:
    """Ask to look at a project's content, for a reason and for a time."""
    return inspection.ask(control, caller, body)


@router.post(
    "/access-requests/{request}/approve",
    dependencies=[guard(Policy(TENANT_ADMINS, Reach.TENANT))],
)
def approve(control: ControlOf, caller: Caller, request: str) -> AccessRequest:
    """Let the operator look, where the tenant demands to be asked."""
    return inspection.approve(control, caller, request)


@router.post(
    "/access-requests/{request}/end",
    dependencies=[guard(Policy(OPERATORS | TENANT_ADMINS, Reach.TENANT))],
)
def end(control: ControlOf, caller: Caller, request: str) -> AccessRequest:
    """End an access request before its time, or say no to it."""
    return inspection.end(control, caller, request)


@router.put(
    "/tenants/{tenant}/operator-access",
    dependencies=[guard(Policy(TENANT_ADMINS, Reach.TENANT))],
)
def demand(control: ControlOf, caller: Caller, tenant: str, body: OperatorAccessBody) -> Tenant:
    """Say whether operators need the tenant's approval before they look at its content."""
    return inspection.demand(control, caller, tenant, body.operator_access)
