"""People and keys: who may come in, with which keys programs call. Secrets are shown once."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from bruk.console.door import ControlOf, Posting, Seen, Visitor, guard
from bruk.console.rendering import page
from bruk.control import access, overview
from bruk.control.control import Control
from bruk.model.errors import InvalidInput
from bruk.model.policy import ADMINS, READERS, TENANT_PEOPLE, Policy, Reach
from bruk.wire.codec import explain
from bruk.wire.requests import KeyBody, KeyChange, UserBody

router = APIRouter()

DAY_MS = 86_400_000
# What bringing a new secret to its programs takes; 'bruk key rotate' takes another.
OVERLAP_MS = 3_600_000


@router.get("/people", dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.OWN))])
def people(request: Request, visitor: Seen, control: ControlOf) -> Response:
    """Everybody and every key that the caller may see."""
    return _page(request, visitor, control)


def _page(
    request: Request, visitor: Visitor, control: Control, shown_once: dict[str, str] | None = None
) -> Response:
    projects = overview.projects(control, visitor.actor)
    return page(
        request,
        "people.html",
        section="people",
        users=overview.users(control, visitor.actor),
        tenants=overview.tenants(control, visitor.actor),
        projects=projects,
        keys=[key for project in projects for key in access.keys(control, visitor.actor, project.id)],
        money=overview.money_left(control, visitor.actor),
        shown_once=shown_once,
    )


@router.post("/people/keys", dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def create_key(
    request: Request,
    visitor: Posting,
    control: ControlOf,
    project: Annotated[str, Form(max_length=200)],
    name: Annotated[str, Form(max_length=200)] = "",
    days: Annotated[int, Form(ge=0, le=3650)] = 0,
) -> Response:
    """A new key, its secret on this page and nowhere else."""
    expires_at_ms = control.clock.now_ms() + days * DAY_MS if days else None
    body = KeyBody(name=name, expires_at_ms=expires_at_ms)
    key, secret = access.create_key(control, visitor.actor, project, body)
    once = {"what": f"The key {key.name or key.prefix} of {key.project}", "secret": secret}
    return _page(request, visitor, control, once)


@router.post("/people/keys/{key}", dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def change_key(key: str, visitor: Posting, control: ControlOf, disabled: Annotated[bool, Form()]) -> Response:
    """Disable a key, or let it work again; gateways hear of it at once."""
    access.change_key(control, visitor.actor, key, KeyChange(disabled=disabled))
    return RedirectResponse("/people", status_code=303)


@router.post("/people/keys/{key}/rotate", dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def rotate_key(request: Request, key: str, visitor: Posting, control: ControlOf) -> Response:
    """A new secret on this page and nowhere else; the one before works on for an hour."""
    changed, secret = access.rotate_key(control, visitor.actor, key, OVERLAP_MS)
    once = {"what": f"The new secret of key {changed.name or key} of {changed.project}", "secret": secret}
    return _page(request, visitor, control, once)


@router.post("/people", dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def add_person(
    request: Request,
    visitor: Posting,
    control: ControlOf,
    name: Annotated[str, Form(min_length=1, max_length=200)],
    role: Literal["operator", "auditor", "tenant_admin", "member"] = Form(),
    tenant: Annotated[str, Form(max_length=63)] = "",
) -> Response:
    """A new person, with a login link on this page and nowhere else."""
    try:
        body = UserBody(name=name, role=role, tenant=tenant or visitor.actor.tenant)
    except ValidationError as error:
        raise InvalidInput(explain(error)) from None
    user, secret = access.add_user(control, visitor.actor, body)
    link = f"{request.url.scheme}://{request.url.netloc}/login?token={secret}"
    return _page(request, visitor, control, {"what": f"The login link of {user.name}", "secret": link})
