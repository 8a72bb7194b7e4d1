"""Coming in and going out. A login link is used by its button, never by merely opening it.

Programs that preview links open them; they would use up a link that worked by being opened.
"""

from typing import Annotated

from fastapi import APIRouter, Cookie, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from bruk.console.door import (
    SESSION_COOKIE,
    FormStale,
    Posting,
    check_origin,
    check_token,
    console_of,
    control_of,
    guard,
)
from bruk.console.rendering import page
from bruk.control import access
from bruk.model.errors import Unauthenticated
from bruk.model.policy import OPEN, PEOPLE, Policy, Reach

router = APIRouter()

# Ties the login form to the browser that asked for it, so that nobody logs another's browser in.
LOGIN_COOKIE = "bruk_login"
LOGIN_COOKIE_S = 3600

Token = Annotated[str, Form(max_length=400)]
Nonce = Annotated[str, Cookie(alias=LOGIN_COOKIE, max_length=200)]


def _keep(request: Request, response: Response, name: str, value: str, max_age_s: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=max_age_s,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/",
    )


def _form(request: Request, token: str, refusal: str = "", status: int = 200) -> Response:
    console = console_of(request)
    nonce = console.control.clock.secret()
    response = page(
        request,
        "login.html",
        status=status,
        token=token,
        refusal=refusal,
        login_form_token=console.form_token(f"login/{nonce}"),
    )
    _keep(request, response, LOGIN_COOKIE, nonce, LOGIN_COOKIE_S)
    return response


@router.get("/login", dependencies=[guard(OPEN)])
def login_form(request: Request, token: Annotated[str, Query(max_length=400)] = "") -> Response:
    """The button that uses a login link."""
    return _form(request, token)


@router.post("/login", dependencies=[guard(OPEN)])
def log_in(request: Request, token: Token, form_token: Token = "", nonce: Nonce = "") -> Response:
    """Use the link, once, for a new session; the one that this browser had before ends."""
    console = console_of(request)
    try:
        check_origin(request)
        check_token(form_token, console.form_token(f"login/{nonce}"))
    except FormStale:
        return _form(request, token, "This form was out of date. Press the button once more.", 403)
    # People paste whole links as often as the token in them.
    secret = token.strip().rsplit("token=", 1)[-1].split("&", 1)[0]
    try:
        _, session = access.log_in(console.control, secret)
    except Unauthenticated as error:
        return _form(request, "", error.message, 401)
    access.log_out(console.control, request.cookies.get(SESSION_COOKIE, ""))
    response = RedirectResponse("/", status_code=303)
    _keep(request, response, SESSION_COOKIE, session, access.SESSION_MS // 1000)
    response.delete_cookie(LOGIN_COOKIE, path="/")
    return response


@router.post("/logout", dependencies=[guard(Policy(PEOPLE, Reach.OWN))])
def log_out(request: Request, visitor: Posting) -> Response:
    """End the session here and now, in every window."""
    control = control_of(request)
    access.log_out(control, visitor.secret)
    control.changes.bump()
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response
