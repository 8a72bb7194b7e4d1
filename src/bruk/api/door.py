"""The door: who is asking, how much they may send, what errors look like, and asking twice."""

import hashlib
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bruk.control import access
from bruk.control.control import Control
from bruk.model.errors import BrukError, Conflict, InvalidInput, Unauthenticated
from bruk.model.tenant import Actor
from bruk.store import money
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
                if before[0] != fingerprint:
                    raise Conflict(f"the idempotency key {self.key!r} was used for another request")
                return JSONResponse(before[2], before[1])
            answer = _json(make())
            kept = answer
            if isinstance(answer, dict):
                kept = {name: ("" if name in _SHOWN_ONCE else item) for name, item in answer.items()}
            with self.control.database.write() as connection:
                money.keep_answer(
                    connection, who, self.key, fingerprint, status, kept, self.control.clock.now_ms()
                )
        return JSONResponse(answer, status)


OnceOf = Annotated[Once, Depends()]


def _json(value: Any) -> Any:
    return TypeAdapter(Any).dump_python(value, mode="json")


def problem(shape: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem document as an answer."""
    return JSONResponse(shape.model_dump(), shape.status, headers, PROBLEM_MEDIA_TYPE)


def install_errors(app: FastAPI) -> None:
    """Translate every error to a problem document, once, here."""

    @app.exception_handler(BrukError)
    async def _bruk(_request: Request, error: BrukError) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
        shape = problem_of(error)
        if shape.status >= 500:
            log.error("%s: %s", error.code, error.message)
        return problem(shape, headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()[:3]
        )
        faults = faults.encode("utf-8", "replace").decode()
        return problem(problem_of(InvalidInput(faults)))

    @app.exception_handler(ValidationError)
    async def _shape(_request: Request, error: ValidationError) -> JSONResponse:
        return problem(problem_of(InvalidInput(explain(error))))

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
        shape = Problem(
            title=code.replace("_", " "), status=error.status_code, code=code, detail=str(error.detail)
        )
        return problem(shape, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def _defect(request: Request, error: Exception) -> JSONResponse:
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

    Routes that stream (uploads of artifacts, blobs, logs) are named and left to their own limits.
    """

    def __init__(
        self, app: ASGIApp, streaming: tuple[str, ...], limit_bytes: int = JSON_BODY_BYTES_MAX
    ) -> None:
        self.app, self.streaming, self.limit_bytes = app, streaming, limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self.streaming):
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.limit_bytes:
            await self._refuse(scope, receive, send)
            return
        await self.app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Callable[[], Awaitable[Message]]:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limit_bytes:
                raise HTTPException(413, self._words())
            return message

        return counted

    def _words(self) -> str:
        return f"a request may have at most {self.limit_bytes} bytes"

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        shape = Problem(title="too large", status=413, code="too_large", detail=self._words())
        await problem(shape, {"Connection": "close"})(scope, receive, send)
