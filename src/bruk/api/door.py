"""The door: who is asking, how much they may send, what errors look like, and asking twice."""

import hashlib
import json
import logging
import threading
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bruk.control import access
from bruk.control.control import WITH_CHANGE, Control
from bruk.model.errors import BrukError, Conflict, InvalidInput, Unauthenticated
from bruk.model.policy import AGENTS, GATEWAYS, Policy
from bruk.model.tenant import Actor
from bruk.store import money
from bruk.wire import words
from bruk.wire.codec import explain
from bruk.wire.problem import Problem, problem_of

log = logging.getLogger(__name__)

JSON_BODY_BYTES_MAX = 2 << 20
PROBLEM_MEDIA_TYPE = "application/problem+json"
# Parts of answers that are shown once and therefore not kept for a repeated request.
_SHOWN_ONCE = ("secret", "token", "login_token")

_bearer = HTTPBearer(auto_error=False, description="A user's token or a project's API key")


def control_of(request: Request) -> Control:
    """The control behind this door."""
    control: Control = request.app.state.control
    return control


ControlOf = Annotated[Control, Depends(control_of)]


def _secret(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    if credentials is None or not credentials.credentials:
        raise Unauthenticated(
            "send 'Authorization: Bearer …' with your token or API key; 'bruk login' gets one"
        )
    return credentials.credentials


Secret = Annotated[str, Depends(_secret)]


def _caller(control: ControlOf, secret: Secret) -> Actor:
    return access.actor_of(control, secret)


def _agent(control: ControlOf, secret: Secret) -> Actor:
    return access.agent_of(control, secret)


def _gateway(control: ControlOf, secret: Secret) -> Actor:
    return access.gateway_of(control, secret)


Caller = Annotated[Actor, Depends(_caller)]
Agent = Annotated[Actor, Depends(_agent)]
GatewayCaller = Annotated[Actor, Depends(_gateway)]


class Guard:
    """Holds every caller of one route against the policy that the route declares."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def check(self, request: Request, control: Control, actor: Actor) -> None:
        """Refuse whose kind may not call this; a refused change leaves an audit entry.

        Raises:
            Forbidden: it may not.
        """
        route = request.scope["route"]
        what = (route.endpoint.__doc__ or route.path).strip().splitlines()[0].split(". ")[0].rstrip(".")
        if request.method == "GET":
            self.policy.admit(actor, what)
            return
        with control.refusals(actor, f"{request.method} {route.path}", request.url.path[:300]):
            self.policy.admit(actor, what)


class _ForPeople(Guard):
    def __call__(self, request: Request, control: ControlOf, caller: Caller) -> None:
        self.check(request, control, caller)


class _ForAgents(Guard):
    def __call__(self, request: Request, control: ControlOf, caller: Agent) -> None:
        self.check(request, control, caller)


class _ForGateways(Guard):
    def __call__(self, request: Request, control: ControlOf, caller: GatewayCaller) -> None:
        self.check(request, control, caller)


class _ForAnybody(Guard):
    def __call__(self) -> None:
        """Nobody is asked who they are."""


def guard(policy: Policy) -> Any:
    """What a route puts among its dependencies to declare its policy and have it enforced."""
    if policy.open:
        return Depends(_ForAnybody(policy))
    if policy.who == AGENTS:
        return Depends(_ForAgents(policy))
    return Depends(_ForGateways(policy) if policy.who == GATEWAYS else _ForPeople(policy))


class AnswerLost(Conflict):
    """A repeated request was carried out the first time, and what was answered is not known."""

    code = "answer_lost"


class Once:
    """Carries out a POST once per caller and ``Idempotency-Key``; a repeat gets the first answer."""

    _lock = threading.Lock()

    def __init__(
        self,
        request: Request,
        control: ControlOf,
        caller: Caller,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> None:
        self.request, self.control, self.caller, self.key = request, control, caller, idempotency_key

    def __call__(self, body: Any, make: Callable[[], Any], status: int = 201) -> JSONResponse:
        """Answer with what ``make`` returns, or with what was answered to the same key before.

        Raises:
            Conflict: the key was used for another request.
        """
        if self.key is None:
            return JSONResponse(_json(make()), status)
        who = f"{self.caller.kind}/{self.caller.id}"
        said = f"{self.request.method} {self.request.url.path} {json.dumps(_json(body), sort_keys=True)}"
        fingerprint = hashlib.sha256(said.encode()).hexdigest()
        with self._lock:
            with self.control.read() as connection:
                before = money.find_answer(connection, who, self.key)
            if before is not None:
                return self._again(before, fingerprint)
            answer = self._keeping(who, fingerprint, status, make)
        return JSONResponse(answer, status)

    def _again(self, before: tuple[str, int, Any], fingerprint: str) -> JSONResponse:
        if before[0] != fingerprint:
            raise Conflict(f"the idempotency key {self.key!r} was used for another request")
        if before[2] is None:
            raise AnswerLost("this request was carried out, but control ended before it could answer: look")
        return JSONResponse(before[2], before[1])

    def _keeping(self, who: str, fingerprint: str, status: int, make: Callable[[], Any]) -> Any:
        """Carry it out. That it was is written with the change itself, its answer afterwards."""
        key, now_ms = self.key or "", self.control.clock.now_ms()
        token = WITH_CHANGE.set(
            lambda connection: money.keep_answer(connection, who, key, fingerprint, status, None, now_ms)
        )
        try:
            answer = _json(make())
        finally:
            WITH_CHANGE.reset(token)
        kept = answer
        if isinstance(answer, dict):
            kept = {name: ("" if name in _SHOWN_ONCE else item) for name, item in answer.items()}
        with self.control.database.write() as connection:
            money.complete_answer(connection, who, key, kept)
        return answer


OnceOf = Annotated[Once, Depends()]


def media(*types: str) -> dict[int | str, dict[str, Any]]:
    """For the description of a route: the media types of its answers that are not plain JSON."""
    return {200: {"content": {name: {} for name in types}}}


def _json(value: Any) -> Any:
    return TypeAdapter(Any).dump_python(value, mode="json")


def problem(shape: Problem, headers: dict[str, str] | None = None) -> Response:
    """A problem document as an answer; it may quote what no encoding can carry."""
    content = json.dumps(shape.model_dump(mode="json"), ensure_ascii=True, allow_nan=False)
    return Response(content, shape.status, headers, PROBLEM_MEDIA_TYPE)


def install_errors(app: FastAPI) -> None:
    """Translate every error to a problem document, once, here."""

    @app.exception_handler(BrukError)
    async def _bruk(_request: Request, error: BrukError) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
        shape = problem_of(error)
        if shape.status >= 500:
            log.error("%s: %s", error.code, error.message)
        return problem(shape, headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> Response:
        return problem(problem_of(InvalidInput(words.explain(error.errors()))))

    @app.exception_handler(ValidationError)
    async def _shape(_request: Request, error: ValidationError) -> Response:
        return problem(problem_of(InvalidInput(explain(error))))

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(
            error.status_code, "http_error"
        )
        shape = Problem(
            title=code.replace("_", " "), status=error.status_code, code=code, detail=str(error.detail)
        )
        return problem(shape, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def _defect(request: Request, error: Exception) -> Response:
        log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
        shape = Problem(
            title="internal error",
            status=500,
            code="internal_error",
            detail="this is a defect of Bruk, written to control's log; nothing was changed",
        )
        return problem(shape)


class BodyLimit:
    """Refuses bodies beyond a limit as they arrive, before anybody reads them whole.

    Routes that stream (uploads of artifacts, blobs, logs) are named and left to their own limits;
    other processes hand over more at once than people do. Paths are those below the mount.
    """

    def __init__(
        self,
        app: ASGIApp,
        streaming: tuple[str, ...],
        larger: dict[str, int],
        limit_bytes: int = JSON_BODY_BYTES_MAX,
    ) -> None:
        self.app, self.streaming, self.larger, self.limit_bytes = app, streaming, larger, limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or path.startswith(self.streaming):
            await self.app(scope, receive, send)
            return
        limit_bytes = self.larger.get(path, self.limit_bytes)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > limit_bytes:
            shape = Problem(title="too large", status=413, code="too_large", detail=_too_large(limit_bytes))
            await problem(shape, {"Connection": "close"})(scope, receive, send)
            return
        await self.app(scope, _counted(receive, limit_bytes), send)


def _counted(receive: Receive, limit_bytes: int) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit_bytes:
            raise HTTPException(413, _too_large(limit_bytes))
        return message

    return counted


def _too_large(limit_bytes: int) -> str:
    return f"a request may have at most {limit_bytes} bytes here"
