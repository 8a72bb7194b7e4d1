"""One person: what lets them in, and the buttons that end it. Secrets are shown once, or never."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from bruk.console.door import ControlOf, Posting, Seen, Visitor, guard
from bruk.console.rendering import page
from bruk.control import persons
from bruk.control.control import Control
from bruk.model.policy import ADMINS, PEOPLE, Policy, Reach

router = APIRouter()


@router.get("/people/{user}", dependencies=[guard(Policy(PEOPLE, Reach.PERSON))])
def person(request: Request, visitor: Seen, control: ControlOf, user: str) -> Response:
    """A person with their sessions and tokens; everybody has this page of their own."""
    return _page(request, visitor, control, user)


def _page(request: Request, visitor: Visitor, control: Control, user: str, link: str = "") -> Response:
    found = persons.credentials(control, visitor.actor, user, visitor.secret)
    return page(
        request,
        "person.html",
        section="people",
        person=found.user,
        held=found.held,
        own=found.user.id == visitor.actor.id,
        link=link,
    )


@router.post("/people/{user}", dependencies=[guard(Policy(ADMINS, Reach.TENANT))])
def change_person(
    user: str, visitor: Posting, control: ControlOf, disabled: Annotated[bool, Form()]
) -> Response:
    """Disable a person, which ends all that lets them in, or let them in again."""
    (persons.disable if disabled else persons.enable)(control, visitor.actor, user)
    return RedirectResponse(f"/people/{user}", status_code=303)


@router.post("/people/{user}/login-link", dependencies=[guard(Policy(PEOPLE, Reach.PERSON))])
def new_link(request: Request, user: str, visitor: Posting, control: ControlOf) -> Response:
    """A new login link, on this page and nowhere else; an older one that was not used ends."""
    _, secret = persons.new_link(control, visitor.actor, user)
    link = f"{request.url.scheme}://{request.url.netloc}/login?token={secret}"
    return _page(request, visitor, control, user, link)


@router.post("/people/{user}/end", dependencies=[guard(Policy(PEOPLE, Reach.PERSON))])
def log_out_everywhere(user: str, visitor: Posting, control: ControlOf) -> Response:
    """End everything that lets a person in; of one's own, all but this session."""
    persons.end_all(control, visitor.actor, user, visitor.secret)
    return RedirectResponse(f"/people/{user}", status_code=303)


@router.post("/people/{user}/credentials/{credential}", dependencies=[guard(Policy(PEOPLE, Reach.PERSON))])
def end_one(user: str, credential: str, visitor: Posting, control: ControlOf) -> Response:
    """End one login link, session or token."""
    persons.end(control, visitor.actor, credential)
    return RedirectResponse(f"/people/{user}", status_code=303)
