"""Who may come in, what every form must carry, what every answer carries.

A person is known by a session cookie that scripts cannot read and other sites cannot send. Every form
carries a token made from that session with a secret of this process; without it nothing is changed.
Errors become pages here, once. Look next at ``login`` for how a session begins.
"""

import hashlib
import hmac
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Form, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from bruk.console.rendering import FRAGMENT_HEADER, page
from bruk.control import access, overview
from bruk.control.control import Control
from bruk.model.errors import BrukError, ErrorKind, Forbidden, InvalidInput, Unauthenticated
from bruk.model.policy import ADMINS, OVERSEERS, READERS, WORKERS, Policy, Who, who
from bruk.model.tenant import Actor
from bruk.wire import words
from bruk.wire.codec import explain
from bruk.wire.problem import HTTP_STATUS

log = logging.getLogger(__name__)

SESSION_COOKIE = "bruk_session"
BODY_BYTES_MAX = 256 * 1024

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # With no-referrer, browsers would call the origin of the console's own forms "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class FormStale(Forbidden):
    """A form without the token of this session: forged, or older than this process."""

    code = "form_stale"


class BodyTooLarge(InvalidInput):
    """More bytes than any form of ours has."""

    code = "body_too_large"


@dataclass
class Console:
    """What every page works with.

    Attributes:
        gateway_url: where the gateway is now, such as ``http://127.0.0.1:8611``.
        form_secret: made when this process starts; forms are signed with it.
    """

    control: Control
    gateway_url: Callable[[], str]
    form_secret: bytes
    cloud_name: str = "Bruk"

    def form_token(self, secret: str) -> str:
        """The token that every form of a session carries."""
        return hmac.new(self.form_secret, secret.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person with a session, and what pages offer them; control decides all the same."""

    actor: Actor
    name: str
    secret: str
    form_token: str

    @property
    def operates(self) -> bool:
        return who(self.actor) is Who.PLATFORM_OPERATOR

    @property
    def operates_site(self) -> bool:
        return who(self.actor) is Who.SITE_OPERATOR

    @property
    def audits(self) -> bool:
        return who(self.actor) in READERS

    @property
    def oversees(self) -> bool:
        return who(self.actor) in OVERSEERS

    @property
    def works(self) -> bool:
        return who(self.actor) in WORKERS

    @property
    def administers(self) -> bool:
        return who(self.actor) in ADMINS

    def may_turn(self, site: str) -> bool:
        """Whether this site's switch and nodes are theirs to turn."""
        return self.operates or (self.operates_site and self.actor.site == site)


class PageRoute(APIRoute):
    """A route whose errors are pages and whose answers carry the headers above.

    ``create_router`` makes a subclass of it for its console, which is at the side of every request
    from the first byte on, also of one that cannot be read.
    """

    console: Console

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            request.state.console = self.console
            try:
                await _bound_body(request)
                response = await answer(request)
            except BrukError as error:
                response = problem(request, error)
            except RequestValidationError as error:
                response = problem(request, _explained(error))
            except ValidationError as error:
                # A form's fields are looser than the request that is made of them.
                response = problem(request, InvalidInput(explain(error)))
            except HTTPException as error:
                response = problem(request, InvalidInput(f"the request cannot be used: {error.detail}"))
            except Exception:
                log.exception("the page %s failed", request.url.path)
                response = problem(request, BrukError("this page failed; the operator's log says why"))
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return handle


async def _bound_body(request: Request) -> None:
    """Read a form's body, never more than the limit, whether or not its length was announced."""
    if request.method in ("GET", "HEAD"):
        return
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise BodyTooLarge(f"a form here has at most {BODY_BYTES_MAX} bytes")
    request._body = bytes(body)


def _explained(error: RequestValidationError) -> InvalidInput:
    return InvalidInput(words.explain(error.errors()))


def problem(request: Request, error: BrukError) -> Response:
    """An error as a page in plain words, with its code; as JSON for scripts; a login where one helps."""
    status = HTTP_STATUS[error.kind]
    if error.code == "body_too_large":
        status = 413
    if error.kind is ErrorKind.UNAUTHENTICATED and request.url.path != "/login":
        if request.headers.get("HX-Request"):
            return Response(status_code=401, headers={"HX-Redirect": "/login"})
        if request.method == "GET" and "application/json" not in request.headers.get("accept", ""):
            return RedirectResponse("/login", status_code=303)
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"error": {"code": error.code, "message": error.message}}, status_code=status)
    if request.headers.get("HX-Request"):
        return Response(error.message, status_code=status, media_type="text/plain")
    return page(request, "problem.html", status=status, status_code=status, error=error)


def console_of(request: Request) -> Console:
    """What ``create_router`` put at every request's side."""
    console = request.state.console
    assert isinstance(console, Console)
    return console


def control_of(request: Request) -> Control:
    """Control, for pages."""
    return console_of(request).control


ControlOf = Annotated[Control, Depends(control_of)]


def visitor(request: Request) -> Visitor:
    """Whose session this is.

    Raises:
        Unauthenticated: nobody's, or it has ended.
    """
    console = console_of(request)
    secret = request.cookies.get(SESSION_COOKIE, "")
    # Neither a part of a page that keeps itself fresh nor an event stream is somebody at work.
    active = FRAGMENT_HEADER not in request.headers and request.url.path != "/events"
    actor = access.actor_of(console.control, secret, active=active) if secret else None
    if actor is None or actor.kind != "user":
        raise Unauthenticated("log in first: ask your operator for a login link")
    found = Visitor(actor, overview.me(console.control, actor).name, secret, console.form_token(secret))
    request.state.visitor = found
    return found


Seen = Annotated[Visitor, Depends(visitor)]


class Guard:
    """Holds every visitor of one page or form against the policy that it declares."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy


class _ForVisitors(Guard):
    def __call__(self, request: Request, seen: Seen) -> None:
        """Refuse whose kind may not come here; a refused form leaves an audit entry.

        Raises:
            Forbidden: it may not.
        """
        route = request.scope["route"]
        what = (route.endpoint.__doc__ or route.path).strip().splitlines()[0].rstrip(".")
        if request.method in ("GET", "HEAD"):
            self.policy.admit(seen.actor, what)
            return
        control = control_of(request)
        with control.refusals(seen.actor, f"{request.method} {route.path}", request.url.path[:300]):
            self.policy.admit(seen.actor, what)


class _ForAnybody(Guard):
    def __call__(self) -> None:
        """Nobody is asked who they are."""


def guard(policy: Policy) -> Any:
    """What a page puts among its dependencies to declare its policy and have it enforced."""
    return Depends(_ForAnybody(policy) if policy.open else _ForVisitors(policy))


def check_token(given: str, expected: str) -> None:
    """Compare a form's token in constant time.

    Raises:
        FormStale: it is another.
    """
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise FormStale("this form is out of date or did not come from this console: go back, reload, retry")


def check_origin(request: Request) -> None:
    """Refuse what the browser itself says another site sent.

    Browsers send ``Sec-Fetch-Site`` to loopback and over TLS alone, so elsewhere ``Origin`` is what tells.
    Where both are sent the first decides: a proxy may change the host that the second would be compared with.

    Raises:
        FormStale: another site did.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        own = site in ("same-origin", "none")
    else:
        own = origin is None or _host(origin) == request.headers.get("host", "").lower()
    if not own:
        raise FormStale("this form was sent by another site: nothing was changed")


def _host(origin: str) -> str | None:
    """The host and port of an origin; None if it is none, as ``null`` is."""
    scheme, found, host = origin.partition("://")
    return host.lower() if found and scheme in ("http", "https") else None


def poster(request: Request, seen: Seen, form_token: Annotated[str, Form(max_length=200)] = "") -> Visitor:
    """Whose form this is, once its token is checked."""
    check_origin(request)
    check_token(form_token, seen.form_token)
    return seen


def caller(request: Request, seen: Seen, bruk_form: Annotated[str, Header(max_length=200)] = "") -> Visitor:
    """Whose script this is, once its token is checked."""
    check_origin(request)
    check_token(bruk_form, seen.form_token)
    return seen


Posting = Annotated[Visitor, Depends(poster)]
Calling = Annotated[Visitor, Depends(caller)]
